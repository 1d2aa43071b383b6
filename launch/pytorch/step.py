"""Times the published ActionFormer (PyPI `actionformer`, PyTorch on the CPU) on videos of given lengths, for launch/compare-pytorch.

The model is that of configs/thumos14_i3d_supervised.yaml, which is the published thumos_i3d.yaml. A training step is what the published loop does per
batch: forward, backward, clipping, AdamW, weight average. Inference is one video at a time, with its post-processing. Prints one JSON object.
With --distributed, started by mpirun, the ranks share each batch out under DistributedDataParallel over gloo.
"""
import argparse
import contextlib
import json
import os
import resource
import time

import torch
from actionformer.modeling import make_meta_arch
from actionformer.utils.train_utils import ModelEma, make_optimizer

parser = argparse.ArgumentParser()
parser.add_argument("--batches", required=True, help="JSON: a list of batches, each a list of the videos' rows")
parser.add_argument("--phase", choices=["train", "infer"], default="train")
parser.add_argument("--precision", choices=["float32", "bfloat16"], default="float32")
parser.add_argument("--threads", type=int, default=1)
parser.add_argument("--repetitions", type=int, default=3, help="times the whole list of batches is gone through, after once for warming up")
parser.add_argument("--dimension", type=int, default=2048)
parser.add_argument("--classes", type=int, default=20)
parser.add_argument("--count-operations", action="store_true", help="count the operations of one pass instead of timing")
parser.add_argument("--distributed", metavar="ADDRESS", help="rank 0 is at ADDRESS; the device to it is named by GLOO_SOCKET_IFNAME")
arguments = parser.parse_args()
torch.manual_seed(0)
rank, ranks = 0, 1
if arguments.distributed:
    rank, ranks = int(os.environ["OMPI_COMM_WORLD_RANK"]), int(os.environ["OMPI_COMM_WORLD_SIZE"])
    torch.distributed.init_process_group("gloo", init_method=f"tcp://{arguments.distributed}:29400", rank=rank, world_size=ranks)
torch.set_num_threads(arguments.threads)
batches = json.loads(arguments.batches)

model = make_meta_arch(
    "LocPointTransformer", backbone_type="convTransformer", fpn_type="identity", backbone_arch=[2, 2, 5], scale_factor=2,
    input_dim=arguments.dimension, max_seq_len=2304, max_buffer_len_factor=6.0, n_head=4, n_mha_win_size=19, embd_kernel_size=3, embd_dim=512,
    embd_with_ln=True, fpn_dim=512, fpn_with_ln=True, fpn_start_level=0, head_dim=512,
    regression_range=[[0, 4], [4, 8], [8, 16], [16, 32], [32, 64], [64, 10000]], head_num_layers=3, head_kernel_size=3, head_with_ln=True,
    use_abs_pe=False, use_rel_pe=False, num_classes=arguments.classes,
    train_cfg=dict(
        center_sample="radius", center_sample_radius=1.5, loss_weight=1.0, cls_prior_prob=0.01, init_loss_norm=100, clip_grad_l2norm=1.0,
        head_empty_cls=[], dropout=0.0, droppath=0.1, label_smoothing=0.0),
    test_cfg=dict(
        pre_nms_thresh=0.001, pre_nms_topk=2000, iou_threshold=0.1, min_score=0.001, max_seg_num=200, nms_method="soft", nms_sigma=0.5,
        duration_thresh=0.05, multiclass_nms=True, ext_score_file=None, voting_thresh=0.7))
optimizer = make_optimizer(model, dict(type="AdamW", learning_rate=1e-4, weight_decay=0.05))
average = ModelEma(model)
whole = torch.nn.parallel.DistributedDataParallel(model) if ranks > 1 else model


def video(rows):
    """Random features; an action of 20 rows every 60 rows."""
    starts = torch.arange(5, max(6, rows - 25), 60, dtype=torch.float32)
    segments = torch.stack([starts, (starts + 20).clamp(max=rows - 1)], 1)
    return dict(
        video_id=f"{rows}", feats=torch.randn(arguments.dimension, rows), segments=segments,
        labels=torch.arange(len(starts)) % arguments.classes, fps=30.0, duration=(rows * 4 + 16) / 30.0, feat_stride=4, feat_num_frames=16)


batches = [[video(rows) for rows in batch[rank::ranks]] for batch in batches]
# The processor's matrix units take bfloat16 under autocast, as users run it.
precision = torch.autocast("cpu", dtype=torch.bfloat16) if arguments.precision == "bfloat16" else contextlib.nullcontext()


def step(batch):
    optimizer.zero_grad(set_to_none=True)
    with precision:
        losses = whole(batch)
    losses["final_loss"].backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    average.update(model)


def infer(batch):
    with torch.no_grad(), precision:
        for one in batch:
            model([one])


model.train(arguments.phase == "train")
run = step if arguments.phase == "train" else infer
report = dict(parameters=sum(p.numel() for p in model.parameters() if p.requires_grad), torch=torch.__version__)
if arguments.count_operations:
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter:
        for batch in batches:
            run(batch)
    report["operations"] = counter.get_total_flops()
else:
    seconds = []
    for repetition in range(arguments.repetitions + 1):
        if ranks > 1:
            torch.distributed.barrier()
        began = time.perf_counter()
        for batch in batches:
            run(batch)
        if repetition > 0:
            seconds.append(time.perf_counter() - began)
    report.update(seconds=seconds, peak_rss_mib=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
if rank == 0:
    print(json.dumps(report), flush=True)
if ranks > 1:
    torch.distributed.destroy_process_group()
