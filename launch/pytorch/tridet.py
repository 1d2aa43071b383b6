"""Makes Tests/Fixtures/tridet_*.h5: golden numbers of the published TriDet on small random videos, float32 on the CPU.

    python launch/pytorch/tridet.py --source TRIDET --output Tests/Fixtures

TRIDET is a checkout of github.com/dingfengshi/TriDet with its `nms_1d_cpu` extension built. The files have the form of `actionformer_*.h5`
(Tests/Fixtures/README.md); all videos are full length, for the published code lets padding into its means and group norms.
"""
import argparse
import os
import sys

import h5py
import numpy as np
import torch

parser = argparse.ArgumentParser()
parser.add_argument("--source", required=True, help="folder that holds the published libs/")
parser.add_argument("--output", required=True, help="folder the files are written to")
arguments = parser.parse_args()
sys.path.insert(0, arguments.source)
from libs.modeling import models  # noqa: E402
from libs.modeling import meta_archs  # noqa: E402,F401

DETECTION = dict(
    pre_nms_thresh=0.001, pre_nms_topk=2000, iou_threshold=0.1, min_score=0.001, max_seg_num=40, nms_method="soft", nms_sigma=0.5,
    duration_thresh=0.05, multiclass_nms=True, voting_thresh=0.75)
COMMON = dict(
    fpn_type="identity", backbone_arch=[1, 1, 2], input_dim=6, max_seq_len=32, n_sgp_win_size=[1, 3, 5], embd_dim=32, fpn_dim=32, sgp_mlp_dim=8,
    head_dim=8, regression_range=[[0, 4], [4, 8], [8, 10000]], head_num_layers=2, head_kernel_size=3, boudary_kernel_size=3, use_abs_pe=False,
    num_bins=6, iou_weight_power=0.2, k=1.5, use_trident_head=True, num_classes=3, label_smoothing=0.0, droppath=1e-9, init_loss_norm=20.0)
CASES = dict(
    trident=dict(iou_weight_power=0.25),
    smoothing=dict(k=5.0, n_sgp_win_size=[1, 1, 1], boudary_kernel_size=1, label_smoothing=0.1, iou_weight_power=1.0, use_abs_pe=True, droppath=0.0),
    offsets=dict(use_trident_head=False, fpn_type="fpn", fpn_dim=16),
    average=dict(downsample_type="avg", use_abs_pe=True),
)
BATCH, FPS, STRIDE, FRAMES, MOMENTUM = 2, 30.0, 4, 16, 0.9


def make_model(settings):
    settings = dict(settings)
    training = dict(
        center_sample="radius", center_sample_radius=1.5, loss_weight=1.0, cls_prior_prob=0.01, init_loss_norm=settings.pop("init_loss_norm"),
        head_empty_cls=[], dropout=0.0, droppath=settings.pop("droppath"), label_smoothing=settings.pop("label_smoothing"))
    return models.make_meta_arch(
        "TriDet", backbone_type="SGP", scale_factor=2, max_buffer_len_factor=4, embd_kernel_size=3, embd_with_ln=True, fpn_with_ln=True,
        head_with_ln=True, downsample_type=settings.pop("downsample_type", "max"), input_noise=0.0, init_conv_vars=0.5, train_cfg=training, test_cfg=DETECTION, **settings)


def make_videos(settings):
    """Two full videos; the second has two actions of one length in one place, of different classes."""
    rows = settings["max_seq_len"]
    segments = [[[3.2, 9.1], [12.0, 24.5], [27.3, 30.1]], [[2.0, 8.5], [2.0, 8.5], [11.4, 29.0]]]
    labels = [[0, 2, 1], [1, 2, 0]]
    return [
        dict(
            video_id=str(b), feats=torch.randn(settings["input_dim"], rows), segments=torch.tensor(segments[b]), labels=torch.tensor(labels[b]),
            fps=FPS, duration=(rows * STRIDE + FRAMES) / FPS, feat_stride=STRIDE, feat_num_frames=FRAMES) for b in range(BATCH)]


def write(name, changes):
    settings = dict(COMMON, **changes)
    torch.manual_seed(sum(name.encode()))
    model = make_model(settings)
    with torch.no_grad():  # Nothing at a value that hides mistakes: no zeros, no ones, no layer scale of 1e-4.
        for parameter_name, parameter in model.named_parameters():
            if parameter_name.endswith("bias") and parameter_name.split(".")[0].endswith("_head") and "cls_head.conv" in parameter_name:
                parameter.copy_(torch.randn_like(parameter) - 2)
            elif parameter.dim() < 2 or parameter_name.endswith((".scale", "bias")) or ("norm" in parameter_name or ".ln." in parameter_name):
                parameter.add_(0.3 * torch.randn_like(parameter))
    videos = make_videos(settings)
    before = model.loss_normalizer
    model.train()
    losses = model(videos)
    losses["final_loss"].backward()
    model.eval()
    with torch.no_grad():
        inputs, masks = model.preprocessing(videos[:1])
        inputs = torch.stack([video["feats"] for video in videos])
        masks = masks.expand(BATCH, -1, -1)
        features, masks = model.neck(*model.backbone(inputs, masks))
        outputs = dict(fpn=features, cls_logits=model.cls_head(features, masks), offsets=model.reg_head(features, masks))
        if settings["use_trident_head"]:
            outputs.update(start_logits=model.start_head(features, masks), end_logits=model.end_head(features, masks))
        detections = [model([video])[0] for video in videos]

    with h5py.File(os.path.join(arguments.output, f"tridet_{name}.h5"), "w") as file:
        for key, value in settings.items():
            file.attrs[key] = value
        for key, value in DETECTION.items():
            file.attrs["test_cfg." + key] = value
        file.attrs.update(
            batch=BATCH, fps=FPS, feat_stride=STRIDE, feat_num_frames=FRAMES, loss_normalizer_momentum=MOMENTUM, loss_normalizer_before=before,
            seq_len=settings["max_seq_len"], center_sample_radius=1.5)
        for parameter_name, parameter in model.named_parameters():
            file[f"params/{parameter_name}"] = parameter.detach().numpy()
            gradient = parameter.grad if parameter.grad is not None else torch.zeros_like(parameter)
            file[f"grads/{parameter_name}"] = gradient.numpy()
        for b, video in enumerate(videos):
            group = file.create_group(f"videos/{b}")
            group.attrs["duration"] = video["duration"]
            group["feats_ct"], group["segments"], group["labels"] = (video[key].numpy() for key in ("feats", "segments", "labels"))
        for key, levels in outputs.items():
            for level, values in enumerate(levels):
                file[f"outputs/{key}/{level}"] = values.numpy()
        for key, value in losses.items():
            file[f"losses/{key}"] = np.float32(value.item())
        for b, found in enumerate(detections):
            for key, values in dict(segments_sec=found["segments"], scores=found["scores"], labels=found["labels"]).items():
                file[f"detections/{b}/{key}"] = values.numpy()


for case, changes in CASES.items():
    write(case, changes)
