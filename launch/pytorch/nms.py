"""Computes Tests/Fixtures/nms.h5 with the suppression of the published ActionFormer.

    python launch/pytorch/nms.py --source ACTIONFORMER --inputs Tests/Fixtures/nms.h5 --output new.h5

ACTIONFORMER is a checkout of github.com/happyharrycn/actionformer_release with its `nms_1d_cpu` extension built (libs/utils/setup.py). Segments, scores,
labels and settings come from --inputs.
"""
import golden
import torch

arguments = golden.parse(__doc__)
from libs.utils.nms import batched_nms  # noqa: E402

file = golden.File(arguments, ["segments", "scores", "labels"])
segments, scores, labels = (torch.from_numpy(file.array(name)) for name in ("segments", "scores", "labels"))
for name, soft, multiclass in [
    ("soft_multiclass", True, True), ("hard_multiclass", False, True), ("soft_class_agnostic_voting", True, False)]:
    found = batched_nms(
        segments.clone(), scores.clone(), labels.clone(), file.setting("iou_threshold"), file.setting("min_score"), file.setting("max_seg_num"),
        use_soft_nms=soft, multiclass=multiclass, sigma=file.setting("sigma"), voting_thresh=0.0 if multiclass else file.setting("voting_thresh"))
    for key, values in zip(("segments", "scores", "labels"), found):
        file.write(f"{name}/{key}", values)
file.finish()
