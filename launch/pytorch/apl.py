"""Computes Tests/Fixtures/apl_losses.h5 from the equations of the APL paper (ECCV 2024), in float64 by automatic differentiation.

    python launch/pytorch/apl.py --inputs Tests/Fixtures/apl_losses.h5 --output new.h5

There is no published code: the equations of docs/methods.md are written out here once more, independently of the program. Inputs come from --inputs.
"""
import golden
import numpy as np
import torch

arguments = golden.parse(__doc__, source=None)
file = golden.File(
    arguments, ["alqa/input", "icd/sequence", "icd/segments_inclusive_rows", "icd/a", "icd/b", "icd/target", "icd/W1", "icd/b1", "icd/W2", "icd/b2",
                "infonce/embeddings", "infonce/labels", "selection/joint_scores"])


def attributes(group):
    for key, value in file.old[group].attrs.items():
        file.new.require_group(group).attrs[key] = value
    return file.old[group].attrs


def tensor(name, learnt=False):
    return torch.tensor(file.array(name), dtype=torch.float64, requires_grad=learnt)


def binary_cross_entropy(p, y):
    return -(y * torch.log(p) + (1 - y) * torch.log(1 - p))


# ALQA, equations 1 to 5. Losses are sums over points divided by the normaliser; targets pass no gradient.
settings = attributes("alqa")
onehot, true_offsets = tensor("alqa/input/onehot"), tensor("alqa/input/true_offsets")
positive = torch.tensor(file.array("alqa/input/positive")) != 0
for group in ("focal_on_joint", "focal_on_class"):
    inputs = {name: tensor(f"alqa/input/{name}", learnt=True) for name in ("cls_logits", "pred_offsets", "tiou_logits", "tnd_logits")}
    p_class, p_tiou, p_tnd = (torch.sigmoid(inputs[name]) for name in ("cls_logits", "tiou_logits", "tnd_logits"))
    reliability = torch.clamp(p_tiou - p_tnd, min=settings["eps"])
    joint = p_class * reliability[:, None]
    predicted = inputs["pred_offsets"]
    intersection = torch.minimum(predicted, true_offsets).sum(1)
    tiou = intersection / (predicted.sum(1) + true_offsets.sum(1) - intersection)
    hull = torch.maximum(predicted, true_offsets).sum(1)
    rho = 0.5 * ((predicted[:, 1] - predicted[:, 0]) - (true_offsets[:, 1] - true_offsets[:, 0])).abs()
    tnd = (rho / hull) ** 2
    soft = (onehot * reliability[:, None]).detach()
    p = joint if group == "focal_on_joint" else p_class
    alpha = torch.where(onehot > 0, settings["alpha"], 1 - settings["alpha"])
    classification = (alpha * (soft - p).abs() ** settings["gamma"] * binary_cross_entropy(p, soft)).sum() / settings["normalizer"]
    regression = (1 - tiou + tnd)[positive].sum() / settings["normalizer"]
    quality = binary_cross_entropy(p_tiou, tiou.detach()) + binary_cross_entropy(p_tnd, tnd.detach())
    localization = quality[positive].sum() / settings["normalizer"]
    total = classification + regression + settings["loc_weight"] * localization
    total.backward()
    for name, value in dict(cls_loss=classification, reg_loss=regression, loc_loss=localization, total=total).items():
        file.write(f"alqa/{group}/{name}", value)
    for name, value in inputs.items():
        file.write(f"alqa/{group}/grad/{name}", value.grad)
for name, value in dict(p_tiou=p_tiou, p_tnd=p_tnd, p_diou=reliability, joint=joint, soft_target=soft, tiou=tiou, tnd=tnd).items():
    file.write(f"alqa/output/{name}", value)

# Selection, equation 6: mean and population standard deviation of the scores that are at least the floor.
floor = attributes("selection")["floor"]
scores = file.array("selection/joint_scores").astype(np.float64)
kept = scores >= floor
mean, deviation = scores[kept].mean(), scores[kept].std()
file.write("selection/kept", kept.astype(np.int32))
file.write("selection/positive", (kept & (scores >= mean + deviation)).astype(np.int32))
for name, value in dict(mean=mean, std=deviation, theta=mean + deviation).items():
    file.new["selection"].attrs[name] = value

# Multi-positive InfoNCE, equation 11: anchors without a positive are left out of the mean.
temperature = attributes("infonce")["temperature"]
embeddings = tensor("infonce/embeddings", learnt=True)
labels = torch.tensor(file.array("infonce/labels"))
unit = embeddings / embeddings.norm(dim=1, keepdim=True)
similar = torch.exp(unit @ unit.T / temperature)
same = labels[:, None] == labels[None, :]
others = ~torch.eye(len(labels), dtype=torch.bool)
negatives = (similar * ~same).sum(1)
terms = []
for anchor in range(len(labels)):
    positives = torch.nonzero(same[anchor] & others[anchor])[:, 0]
    if len(positives):
        ratio = similar[anchor, positives] / (similar[anchor, positives] + negatives[anchor])
        terms.append(-torch.log(ratio).mean())
loss = torch.stack(terms).mean()
loss.backward()
file.write("infonce/loss", loss)
file.write("infonce/grad", embeddings.grad)
file.new["infonce"].attrs["anchors_with_positives"] = len(terms)

# ICD, equations 7 to 10: max-pooled instance features; two layers on a pair, binary cross-entropy, mean over pairs.
sequence = file.array("icd/sequence")
features = np.stack([sequence[first : last + 1].max(0) for first, last in file.array("icd/segments_inclusive_rows")])
file.write("icd/instance_features", features)
layers = {name: tensor(f"icd/{name}", learnt=True) for name in ("W1", "b1", "W2", "b2")}
pairs = torch.cat([tensor("icd/a"), tensor("icd/b")], 1)
probability = torch.sigmoid(torch.relu(pairs @ layers["W1"].T + layers["b1"]) @ layers["W2"].T + layers["b2"])[:, 0]
loss = binary_cross_entropy(probability, tensor("icd/target")).mean()
loss.backward()
file.write("icd/probability", probability)
file.write("icd/loss", loss)
for name, value in layers.items():
    file.write(f"icd/grad/{name}", value.grad)
file.finish()
