"""Compares the event files of runs, as TensorBoard's own readers see them, with the runs' other files. Called by launch/check-tensorboard.

RUN...: every value is compared. --live RUN: reads what is there, prints a line, waits for one on standard input, reads on without beginning anew, and
compares. The last line is `N values, M faults`.
"""
import json
import math
import struct
import sys

from tensorboard.backend.event_processing import plugin_event_accumulator
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

faults = 0
values = 0


def fault(text):
    global faults
    faults += 1
    print(text)


def single(value):
    """As a float of 4 bytes, bit for bit; log.jsonl writes what JSON lacks as text."""
    value = float(value)
    return struct.pack("<f", value) if not math.isnan(value) else b"nan"


def expected_scalars(run):
    """Tag to [(step, value)], from log.jsonl and metrics.json."""
    found = {}
    last = 0

    def add(tag, step, value):
        if value is not None:
            found.setdefault(tag, []).append((step, single(value)))

    with open(run + "/log.jsonl", encoding="utf-8") as log:
        for line in map(json.loads, log):
            step = last = line["step"]
            if "loss" in line:
                for name, value in line["loss"].items():
                    add("loss/" + name, step, value)
                add("training/learning_rate", step, line["learning_rate"])
                add("training/gradient_norm", step, line["gradient_norm"])
            elif "best_step" in line:
                add("validation/average_mAP", step, line["average_mAP"])
                for tiou, value in zip(line["tiou_thresholds"], line["mAP"]):
                    add("validation/mAP@%g" % tiou, step, value)
            elif "kept" in line:
                add("held_out/average_mAP", step, line["held_out_average_mAP"])
            elif "promoted" in line:
                for name in ["recordings", "positive", "removed", "promoted", "rejected", "theta", "expected_precision", "expected_recall"]:
                    add("pseudo_labels/" + name, step, line.get(name))
                for name in ["class_accuracy", "average_tIoU", "positive_accuracy", "recall"]:
                    add("pseudo_labels/" + name, step, (line.get("quality") or {}).get(name))
    try:
        with open(run + "/metrics.json", encoding="utf-8") as file:
            metrics = json.load(file)
        add("evaluation/average_mAP", last, metrics["average_mAP"])
        for tiou, value in zip(metrics["tiou_thresholds"], metrics["mAP"]):
            add("evaluation/mAP@%g" % tiou, last, value)
    except FileNotFoundError:
        pass
    return found


def compare(run, events):
    global values
    expected = expected_scalars(run)
    tags = events.Tags()
    if sorted(tags["scalars"]) != sorted(expected):
        fault(f"{run}: the tags are {sorted(tags['scalars'])}, not {sorted(expected)}")
    for tag, wanted in expected.items():
        if tag not in tags["scalars"]:
            continue
        found = [(event.step, single(event.value)) for event in events.Scalars(tag)]
        values += len(found)
        if found != wanted:
            fault(f"{run}: {tag} is {found}, not {wanted}")
    text = [event.tensor_proto.string_val[0].decode() for event in events.Tensors("configuration")]
    with open(run + "/config.yaml", encoding="utf-8") as file:
        values += 1
        if text[-1] != "```yaml\n" + file.read() + "```\n":
            fault(f"{run}: the configuration is not that of config.yaml")
    validations = [step for step, _ in expected.get("validation/average_mAP", [])]
    if validations and [event.step for event in events.Histograms("validation/detection_scores")] != validations:
        fault(f"{run}: the histograms are not those of the steps {validations}")
    if "evaluation/average_mAP" in expected:
        with open(run + "/predictions.json", encoding="utf-8") as file:
            scores = [entry["score"] for entries in json.load(file)["results"].values() for entry in entries]
        histograms = events.Histograms("evaluation/detection_scores")
        values += 1
        if len(histograms) != 1:
            fault(f"{run}: {len(histograms)} histograms of the detections at the end")
            return
        histogram = histograms[0].histogram_value
        if (histogram.num, sum(histogram.bucket)) != (len(scores), len(scores)) or abs(histogram.sum - sum(scores)) > 1e-6 * len(scores):
            fault(f"{run}: the histogram of scores is not that of predictions.json")
        counts = [0] * len(histogram.bucket)
        for score in scores:
            counts[next(place for place, limit in enumerate(histogram.bucket_limit) if score < limit)] += 1
        if counts != list(histogram.bucket):
            fault(f"{run}: the bins hold {list(histogram.bucket)}, not {counts}")


def shown(run):
    """What TensorBoard's pages show: every tag belongs to one of its plugins."""
    events = plugin_event_accumulator.EventAccumulator(run + "/tensorboard", size_guidance={"tensors": 0})
    events.Reload()
    scalars = len(events.PluginTagToContent("scalars"))
    if scalars != len(expected_scalars(run)):
        fault(f"{run}: TensorBoard's page of scalars shows {scalars} curves, not {len(expected_scalars(run))}")
    if "configuration" not in events.PluginTagToContent("text"):
        fault(f"{run}: TensorBoard's page of text lacks the configuration")


def reader(run):
    return EventAccumulator(run + "/tensorboard", size_guidance={"scalars": 0, "histograms": 0, "tensors": 0})


arguments = sys.argv[1:]
if arguments[:1] == ["--live"]:
    run = arguments[1]
    live = reader(run)
    live.Reload()
    print("read", flush=True)
    sys.stdin.readline()
    live.Reload()
    compare(run, live)
else:
    for run in arguments:
        whole = reader(run)
        whole.Reload()
        compare(run, whole)
        shown(run)
print(f"{values} values, {faults} faults")
sys.exit(1 if faults or not values else 0)
