"""The published ActionFormer (PyPI `actionformer`, PyTorch on the CPU) under the protocol of docs/results-sbhar.md.

Reads a Kairos feature store with h5py, trains on the first N labelled recordings, writes detections in ActivityNet's form for `kairos evaluate`.
"""
import argparse
import json
import random

import h5py
import numpy as np
import torch
from actionformer.datasets.data_utils import truncate_feats
from actionformer.modeling import make_meta_arch
from actionformer.utils.train_utils import make_optimizer, make_scheduler

parser = argparse.ArgumentParser()
parser.add_argument("--store", required=True)
parser.add_argument("--order", required=True, help="JSON list of the training recordings' names")
parser.add_argument("--labeled", type=int, required=True, help="recordings to learn from, from the head of the list")
parser.add_argument("--seed", type=int, default=1)
parser.add_argument("--iterations", type=int, default=600)
parser.add_argument("--threads", type=int, default=2)
parser.add_argument("--output", required=True, help="detections, ActivityNet JSON")
arguments = parser.parse_args()
torch.manual_seed(arguments.seed)
np.random.seed(arguments.seed)
random.seed(arguments.seed)
torch.set_num_threads(arguments.threads)

store = h5py.File(arguments.store)
classes = [name.decode() for name in store["classes"][:]]
videos = {}
for i in range(len(store["videos/id"])):
    column = {key: store["videos"][key][i] for key in store["videos"]}
    first, rows = int(column["first_row"]), int(column["rows"])
    chosen = store["annotations/video"][:] == i
    fps, stride, window = float(column["fps"]), float(column["stride"]), float(column["window"])
    seconds = np.stack([store["annotations/start"][:][chosen], store["annotations/end"][:][chosen]], 1)
    videos[column["id"].decode()] = dict(
        video_id=column["id"].decode(), subset=column["subset"].decode(), fps=fps, duration=float(column["duration"]), feat_stride=stride,
        feat_num_frames=window, feats=torch.from_numpy(store["features"][first : first + rows].astype(np.float32).T.copy()),
        segments=torch.from_numpy(((seconds * fps - 0.5 * window) / stride).astype(np.float32)),
        labels=torch.from_numpy(store["annotations/label"][:][chosen].astype(np.int64)))

order = json.load(open(arguments.order))
labeled = [videos[name] for name in order[: arguments.labeled]]
model = make_meta_arch(
    "LocPointTransformer", backbone_type="convTransformer", fpn_type="identity", backbone_arch=[2, 2, 5], scale_factor=2,
    input_dim=store["features"].shape[1], max_seq_len=1280, max_buffer_len_factor=6.0, n_head=4, n_mha_win_size=9, embd_kernel_size=3, embd_dim=256,
    embd_with_ln=True, fpn_dim=256, fpn_with_ln=True, fpn_start_level=0, head_dim=256,
    regression_range=[[0, 4], [2, 8], [4, 16], [8, 32], [16, 64], [32, 10000]], head_num_layers=3, head_kernel_size=3, head_with_ln=True,
    use_abs_pe=False, use_rel_pe=False, num_classes=len(classes),
    train_cfg=dict(
        center_sample="radius", center_sample_radius=1.5, loss_weight=1.0, cls_prior_prob=0.01, init_loss_norm=100, clip_grad_l2norm=1.0,
        head_empty_cls=[], dropout=0.0, droppath=0.1, label_smoothing=0.0),
    test_cfg=dict(
        pre_nms_thresh=0.001, pre_nms_topk=2000, iou_threshold=0.1, min_score=0.001, max_seg_num=200, nms_method="soft", nms_sigma=0.5,
        duration_thresh=0.05, multiclass_nms=True, ext_score_file=None, voting_thresh=0.75))
optimizer = make_optimizer(model, dict(type="AdamW", learning_rate=1e-4, weight_decay=0.05))
# One "epoch" of the published schedule is one iteration here: 30 of warm-up, then cosine.
scheduler = make_scheduler(
    optimizer, dict(warmup=True, warmup_epochs=30, epochs=arguments.iterations - 30, schedule_type="cosine"), 1)

model.train()
waiting = []
for iteration in range(arguments.iterations):
    batch = []
    while len(batch) < 2:
        if not waiting:
            waiting = list(np.random.permutation(len(labeled)))
        video = labeled[waiting.pop()]
        # The one recording above 1,280 rows is cropped as the published loader does.
        batch.append(truncate_feats(video, 1280, 0.5, 0.5 * video["feat_num_frames"] / video["feat_stride"]))
    optimizer.zero_grad(set_to_none=True)
    losses = model(batch)
    losses["final_loss"].backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    scheduler.step()
    if (iteration + 1) % 100 == 0:
        print(f"{iteration + 1}/{arguments.iterations} loss {losses['final_loss'].item():.4f}", flush=True)

model.eval()
results = {}
with torch.no_grad():
    for name, video in videos.items():
        if video["subset"] != "Test":
            continue
        found = model([video])[0]
        results[name] = [
            dict(label=classes[int(label)], segment=[float(segment[0]), float(segment[1])], score=float(score))
            for segment, score, label in zip(found["segments"], found["scores"], found["labels"])]
with open(arguments.output, "w") as file:
    json.dump(dict(version="1.0", results=results, external_data={}), file)
