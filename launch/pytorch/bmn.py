"""Times BMN as it is published (JJBOY/BMN-Boundary-Matching-Network, restated here), PyTorch on the CPU, for launch/compare-pytorch.

The network samples as the published code does: [256, T] times the mask [T, N T T], then a convolution over the samples. A training step is forward,
losses, backward, Adam. Inference is one video at a time, with its Soft-NMS in loops as published. Prints one JSON object. With --check FILE nothing is
timed: outputs and losses of a golden file (bmn_*.h5) are compared, which shows that what is timed is BMN.
"""
import argparse
import json
import math
import resource
import time

import numpy
import torch
from torch import nn

GROUPS = 4


def sampling_mask(rows, samples, ratio=0.5, parts=3):
    """[T, N, T, T]: the weight of row t in sample n of the cell of start s and inclusive end e."""
    mask = numpy.zeros((rows, samples, rows, rows), dtype=numpy.float32)
    for start in range(rows):
        for end in range(start, rows):
            # Rows from start to end + 1, both counted.
            low, high = start - ratio * (end - start + 2), end + 1 + ratio * (end - start + 2)
            step = (high - low) / (samples * parts - 1)
            for k in range(samples * parts):
                at = low + k * step
                lower, upper, part = int(at), math.ceil(at), at - int(at)
                # Truncation towards zero, as published.
                if 0 <= lower <= rows - 1 and at > -1:
                    weight = 1.0 if at < 0 else 1 - part
                    mask[lower, k // parts, start, end] += weight / parts
                if at >= 0 and upper != lower and upper <= rows - 1:
                    mask[upper, k // parts, start, end] += part / parts
    return mask


class BMN(nn.Module):
    def __init__(self, rows, columns, samples, width, volume, plane):
        super().__init__()
        self.rows, self.samples = rows, samples

        def grouped(inputs):
            return nn.Conv1d(inputs, width, 3, padding=1, groups=GROUPS)

        self.x_1d_b = nn.Sequential(grouped(columns), nn.ReLU(), grouped(width), nn.ReLU())
        self.x_1d_s = nn.Sequential(grouped(width), nn.ReLU(), nn.Conv1d(width, 1, 1), nn.Sigmoid())
        self.x_1d_e = nn.Sequential(grouped(width), nn.ReLU(), nn.Conv1d(width, 1, 1), nn.Sigmoid())
        self.x_1d_p = nn.Sequential(nn.Conv1d(width, width, 3, padding=1), nn.ReLU())
        self.x_3d_p = nn.Sequential(nn.Conv3d(width, volume, (samples, 1, 1)), nn.ReLU())
        self.x_2d_p = nn.Sequential(
            nn.Conv2d(volume, plane, 1), nn.ReLU(), nn.Conv2d(plane, plane, 3, padding=1), nn.ReLU(), nn.Conv2d(plane, plane, 3, padding=1), nn.ReLU(),
            nn.Conv2d(plane, 2, 1), nn.Sigmoid())
        self.register_buffer("mask", torch.from_numpy(sampling_mask(rows, samples)).reshape(rows, -1), persistent=False)

    def forward(self, features):
        base = self.x_1d_b(features)
        start, end = self.x_1d_s(base).squeeze(1), self.x_1d_e(base).squeeze(1)
        sampled = (self.x_1d_p(base) @ self.mask).reshape(len(features), -1, self.samples, self.rows, self.rows)
        return self.x_2d_p(self.x_3d_p(sampled).squeeze(2)), start, end


def weighted_logistic(score, positive, valid, eps=1e-6):
    count, positives = valid.sum(), (positive * valid).sum().clamp(min=1)
    ratio = count / positives
    of_positive, of_negative = 0.5 * ratio, 0.5 * ratio / (ratio - 1)
    return -(valid * (of_positive * positive * torch.log(score + eps) + of_negative * (1 - positive) * torch.log(1 - score + eps))).sum() / count


def losses(outputs, targets, draws):
    """TEM, classification and regression of the map; `targets`: map, start, end; `draws`: uniform numbers for medium and low cells."""
    (confidence, start, end), (overlap, true_start, true_end) = outputs, targets
    ones = torch.ones_like(start)
    boundaries = weighted_logistic(start, (true_start > 0.5).float(), ones) + weighted_logistic(end, (true_end > 0.5).float(), ones)
    valid = torch.triu(torch.ones_like(overlap[0])).expand_as(overlap)
    classes = weighted_logistic(confidence[:, 1], (overlap > 0.9).float(), valid)
    high, medium = overlap > 0.7, (overlap > 0.3) & (overlap <= 0.7)
    low = (overlap > 0) & (overlap <= 0.3) & (valid > 0)
    taken = (high | (medium & (draws[0] > 1 - high.sum() / medium.sum())) | (low & (draws[1] > 1 - high.sum() / low.sum()))).float()
    regression = 0.5 * (taken * (confidence[:, 0] - overlap) ** 2).sum() / taken.sum()
    return boundaries, classes, regression


def proposals(outputs):
    """Every pair of a start and a later end, [start, end, score] in fractions."""
    (confidence, start, end), found = [one[0].numpy() for one in outputs], []
    rows = len(start)
    for s in range(rows):
        for e in range(s, rows - 1):
            found.append([s / rows, (e + 1) / rows, start[s] * end[e + 1] * confidence[1, s, e] * confidence[0, s, e]])
    return numpy.array(found)


def soft_nms(found, alpha=0.4, low=0.5, high=0.9, rounds=101):
    starts, ends, scores = (list(one) for one in found[numpy.argsort(-found[:, 2])].T)
    kept = []
    while len(scores) > 1 and len(kept) < rounds:
        best = scores.index(max(scores))
        one = starts[best], ends[best]
        overlap = [max(0.0, min(one[1], e) - max(one[0], s)) for s, e in zip(starts, ends)]
        tiou = [o / (one[1] - one[0] + e - s - o) for o, s, e in zip(overlap, starts, ends)]
        for place, value in enumerate(tiou):
            if place != best and value > low + (high - low) * (one[1] - one[0]):
                scores[place] *= math.exp(-value * value / alpha)
        kept.append((*one, scores[best]))
        for values in (starts, ends, scores):
            values.pop(best)
    return kept


def check(path):
    import h5py

    with h5py.File(path) as file:
        at = file.attrs
        model = BMN(at["tscale"], at["feat_dim"], at["num_sample"], at["hidden_dim_1d"], at["hidden_dim_3d"], at["hidden_dim_2d"])
        model.load_state_dict({name: torch.from_numpy(value[()]) for name, value in file["params"].items()})
        outputs = model(torch.from_numpy(file["inputs"][()]))
        names = ["confidence", "start", "end"]
        targets = [torch.from_numpy(file[f"targets/{name}"][()]).float() for name in names]
        draws = [torch.from_numpy(file[f"sampling/uniform_{name}"][()]) for name in ("medium", "low")]
        pairs = [(name, one, file[f"outputs/{name}"][()]) for name, one in zip(names, outputs)]
        pairs += [(name, one, file[f"losses/{name}"][()]) for name, one in zip(("tem", "pem_cls", "pem_reg"), losses(outputs, targets, draws))]
        return {name: float(numpy.abs(one.detach().numpy() - golden).max()) for name, one, golden in pairs}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", metavar="FILE", help="a golden file, bmn_*.h5")
    parser.add_argument("--phase", choices=["train", "infer"], default="train")
    parser.add_argument("--videos", type=int, default=16)
    parser.add_argument("--rows", type=int, default=100)
    parser.add_argument("--dimension", type=int, default=400)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repetitions", type=int, default=3)
    arguments = parser.parse_args()
    torch.manual_seed(0)
    torch.set_num_threads(arguments.threads)
    if arguments.check:
        print(json.dumps(check(arguments.check)))
        return
    model = BMN(arguments.rows, arguments.dimension, 32, 256, 512, 128)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, weight_decay=1e-4)
    features = torch.randn(arguments.videos, arguments.dimension, arguments.rows)
    targets = [torch.triu(torch.rand(arguments.videos, arguments.rows, arguments.rows)), torch.rand(arguments.videos, arguments.rows)]
    targets.append(targets[1])
    draws = torch.rand(2, *targets[0].shape)

    def train():
        optimizer.zero_grad(set_to_none=True)
        boundaries, classes, regression = losses(model(features), targets, draws)
        (boundaries + classes + 10 * regression).backward()
        optimizer.step()

    def infer():
        with torch.no_grad():
            for video in features:
                soft_nms(proposals(model(video[None])))

    seconds = []
    for repetition in range(arguments.repetitions + 1):
        began = time.perf_counter()
        train() if arguments.phase == "train" else infer()
        if repetition > 0:
            seconds.append(time.perf_counter() - began)
    print(json.dumps(dict(
        parameters=sum(one.numel() for one in model.parameters()), seconds=seconds, torch=torch.__version__,
        peak_rss_mib=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)))


main()
