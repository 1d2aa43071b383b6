"""Computes Tests/Fixtures/map_*_expected.json with the evaluation of the published ActionFormer (that of ActivityNet).

    python launch/pytorch/evaluation.py --source ACTIONFORMER --inputs Tests/Fixtures/map_sbhar_expected.json --output new.json

ACTIONFORMER is a checkout of github.com/happyharrycn/actionformer_release. --inputs names the ground truth, subset and thresholds; detections lie beside
it, in map_*_predictions.json.
"""
import json
import os
import sys

import golden
import numpy as np

arguments = golden.parse(__doc__)
np.float = float  # The published code is older than numpy 1.24, which removed this name.
# The module alone: its package imports a C++ extension that is not needed here.
sys.path.insert(0, os.path.join(arguments.source, "libs", "utils"))
from metrics import ANETdetection  # noqa: E402

with open(arguments.inputs) as opened:
    kept = json.load(opened)
folder = os.path.dirname(arguments.inputs)
truth = os.path.join(folder, kept["ground_truth"])
with open(arguments.inputs.replace("_expected", "_predictions")) as opened:
    results = json.load(opened)["results"]
with open(truth) as opened:
    database = json.load(opened)["database"]
numbers = {a["label"]: a["label_id"] for video in database.values() for a in video["annotations"]}
rows = [(video, found) for video, list_ in results.items() for found in list_]
predictions = {
    "video-id": [video for video, _ in rows], "t-start": np.array([found["segment"][0] for _, found in rows]),
    "t-end": np.array([found["segment"][1] for _, found in rows]), "label": np.array([numbers[found["label"]] for _, found in rows]),
    "score": np.array([found["score"] for _, found in rows])}
evaluation = ANETdetection(truth, split=kept["subset"].lower(), tiou_thresholds=np.array(kept["tiou_thresholds"]), num_workers=1)
mean, average, recall = evaluation.evaluate(predictions, verbose=False)
names = {number: name for name, number in numbers.items()}
computed = dict(
    ground_truth=kept["ground_truth"], subset=kept["subset"], tiou_thresholds=kept["tiou_thresholds"], mAP=mean.tolist(),
    average_mAP=float(average),
    ap_per_class={names[number]: evaluation.ap[:, index].tolist() for number, index in evaluation.activity_index.items()},
    recall_at={f"{k}x": recall[:, index].tolist() for index, k in enumerate(evaluation.top_k)})
with open(arguments.output, "w") as opened:
    json.dump(computed, opened, indent=1)
sys.exit(0 if golden.compare_json(arguments.inputs, arguments.output, 1e-12) else 1)
