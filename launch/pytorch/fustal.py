"""Computes Tests/Fixtures/fustal_generator*.h5 with the published generator of FuSTAL, on the CPU.

    python launch/pytorch/fustal.py --source FUSTAL --inputs Tests/Fixtures/fustal_generator.h5 --output new.h5

FUSTAL is a checkout of github.com/fqhank/FuSTAL; it needs scipy, easydict and terminaltables. Features, labels, parameters and settings come from
--inputs; activations, snippets, losses, gradients and proposals are computed. Dropout is off.
"""
import os
import sys
import types

import golden
import numpy as np
import torch

arguments = golden.parse(__doc__)
sys.path.insert(0, os.path.join(arguments.source, "CrossVideo-Generator"))
# The published code moves its tensors to a GPU.
torch.Tensor.cuda = lambda self, *_, **__: self
from core import utils  # noqa: E402
from core.loss import TotalLoss  # noqa: E402
from core.model import CoLA  # noqa: E402

file = golden.File(arguments, ["params", "features_btd", "labels"])
configuration = types.SimpleNamespace(
    FEATS_DIM=file.setting("input_dim"), NUM_CLASSES=file.setting("num_classes"), R_EASY=file.setting("r_easy"), R_HARD=file.setting("r_hard"),
    m=file.setting("m"), M=file.setting("M"), UP_SCALE=file.setting("up_scale"), FEATS_FPS=file.setting("fps"),
    CAS_THRESH=np.arange(0.0, 0.25, 0.025), ANESS_THRESH=np.arange(0.1, 0.925, 0.025))
model = CoLA(configuration)
parameters = dict(model.named_parameters())
with torch.no_grad():
    for name in file.names("params"):
        parameters[name].copy_(torch.from_numpy(file.array(f"params/{name}")))
model.eval()
features, labels = torch.from_numpy(file.array("features_btd")), torch.from_numpy(file.array("labels"))
video_scores, snippets, actionness, cas = model(features)
pairs = utils.select_pairs(labels)
total, losses = TotalLoss()(video_scores, labels, snippets, pairs)
total.backward()
file.write("pairs", np.array([sorted(pair) for pair in pairs], dtype=np.int64).reshape(-1, 2))
for name, values in dict(video_scores=video_scores, actionness=actionness, cas=cas).items():
    file.write(name, values)
for name, values in snippets.items():
    file.write(f"snippets/{name}", values)
for name, value in losses.items():
    file.write("losses/" + name.replace("/", "_"), value)
for name, parameter in parameters.items():
    file.write(f"grads/{name}", parameter.grad)

with torch.no_grad():
    for video in range(len(features)):
        scores = video_scores[video].numpy()
        classes = np.where(scores >= file.setting("class_threshold"))[0]
        if len(classes) == 0:
            classes = np.array([np.argmax(scores)])
        own = slice(video, video + 1)
        found = utils.get_proposal_dict(
            utils.get_pred_activations(cas[own], classes, configuration), utils.get_pred_activations(actionness[own], classes, configuration),
            classes, scores, features.shape[1], configuration)
        order = sorted(found)
        before = [row for label in order for row in found[label]]
        after = [row for label in order for row in utils.nms(found[label], file.setting("nms_threshold"))]
        file.write(f"proposals/{video}/before_nms_class_score_start_end", np.array(before, dtype=np.float64))
        file.write(f"proposals/{video}/after_nms_class_score_start_end", np.array(after, dtype=np.float64))
file.finish()
