"""Times the published Soft-NMS (the C++ extension of PyPI `actionformer`, called as its `batched_nms` calls it) on the candidates that
`kairos benchmark suppression --written FILE` wrote, for launch/compare-pytorch. Prints one JSON object: seconds, and the kept scores.
"""
import json
import sys
import time

import torch  # before the extension, which needs its libraries
import nms_1d_cpu

path, limit, repetitions = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
torch.set_num_threads(1)
with open(path) as file:
    columns = json.load(file)["candidates"]
segments = torch.stack([torch.tensor(columns["start"]), torch.tensor(columns["end"])], dim=1)
scores, labels = torch.tensor(columns["score"]), torch.tensor(columns["label"])


def suppressed():
    kept = []
    for label in torch.unique(labels):
        own = torch.where(labels == label)[0]
        rows = segments[own].contiguous()
        detections = rows.new_empty((len(rows), 3))
        indices = nms_1d_cpu.softnms(rows, scores[own].contiguous(), detections, iou_threshold=0.1, sigma=0.5, min_score=0.001, method=2)
        count = min(len(indices), limit) if limit > 0 else len(indices)
        kept.append(detections[:count])
    kept = torch.cat(kept)
    _, order = kept[:, 2].sort(descending=True)
    return kept[order[:limit] if limit > 0 else order]


seconds = []
for repetition in range(repetitions + 1):
    began = time.perf_counter()
    kept = suppressed()
    if repetition > 0:
        seconds.append(time.perf_counter() - began)
print(json.dumps(dict(seconds=seconds, scores=kept[:, 2].tolist())))
