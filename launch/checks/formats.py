"""Reads a store, a checkpoint, detections, a log and metrics with h5py, NumPy and pandas, and compares files of the same content. For check-formats."""
import json
import os
import sys

import h5py
import numpy
import pandas

folder, checkpoint = sys.argv[1:]
values, faults = 0, []


def same(what, one, other):
    global values
    one, other = numpy.asarray(one), numpy.asarray(other)
    values += one.size
    if one.shape != other.shape:
        faults.append(f"{what}: {one.shape} and {other.shape}")
    elif not (numpy.array_equal(one, other) if one.dtype.kind in "OSU" else numpy.allclose(one, other, rtol=1e-6, atol=1e-9)):
        faults.append(f"{what}: the values differ")


def path(name):
    return os.path.join(folder, name)


def read(name):
    with open(path(name)) as file:
        return json.load(file)


def safetensors(name):
    with open(path(name), "rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
        data = file.read()
    for key, one in header.items():
        if key != "__metadata__":
            begin, end = one["data_offsets"]
            yield key, numpy.frombuffer(data[begin:end], dtype={"F32": "<f4"}[one["dtype"]]).reshape(one["shape"])


# The store against what inspect says, and against the annotations that were written beside it.
inspected, annotated = read("inspected.json"), read("annotations.json")["database"]
with h5py.File(path("store.h5")) as store:
    same("store: digest", store.attrs["digest"].decode() if isinstance(store.attrs["digest"], bytes) else store.attrs["digest"], inspected["digest"])
    rows, first = store["videos/rows"][()], store["videos/first_row"][()]
    same("store: rows", store["features"].shape[0], rows.sum())
    same("store: first rows", first, numpy.cumsum(rows) - rows)
    names = [name.decode() for name in store["videos/id"][()]]
    same("store: recordings", sorted(names), sorted(annotated))
    classes = [name.decode() for name in store["classes"][()]]
    table = pandas.DataFrame({key: store[f"annotations/{key}"][()] for key in ("video", "label", "start", "end")})
    for number, name in enumerate(names):
        own = table[table.video == number].sort_values(["start", "end"])
        truth = sorted((*one["segment"], one["label"]) for one in annotated[name]["annotations"])
        same(f"store: segments of {name}", own[["start", "end"]].to_numpy(), numpy.array([one[:2] for one in truth]).reshape(-1, 2))
        same(f"store: classes of {name}", [classes[label] for label in own.label], [one[2] for one in truth])

# Exported weights are those of the checkpoint that a run is evaluated with.
with h5py.File(checkpoint) as file:
    weights = {name: array for name, array in safetensors("weights.safetensors")}
    group = min(("weights", "average"), key=lambda one: sum(abs(file[one][name][()] - array).sum() for name, array in weights.items()))
    same("checkpoint: names", sorted(weights), sorted(file[group]))
    for name, array in weights.items():
        same(f"checkpoint: {name}", file[group][name][()], array)

# Detections: the table and the JSON.
table = pandas.read_csv(path("detections.csv"))
flat = [(video, *one["segment"], one["label"], one["score"]) for video, found in read("detections.json")["results"].items() for one in found]
order = ["video", "score", "start", "end", "label"]
other = pandas.DataFrame(flat, columns=["video", "start", "end", "label", "score"])
same("detections: columns", sorted(table.columns), sorted(other.columns))
table, other = table.sort_values(order), other.sort_values(order)
for column in ("video", "label", "start", "end", "score"):
    same(f"detections: {column}", table[column].to_numpy(), other[column].to_numpy())

# The log as a table of steps, in time.
log = pandas.read_json(path("run/log.jsonl"), lines=True)
steps = log[log.loss.notna()]
same("log: steps", steps.step.to_numpy(), numpy.arange(1, len(steps) + 1))
same("log: time goes on", bool(pandas.to_datetime(log.time, unit="s").is_monotonic_increasing), True)
same("log: losses are numbers", bool(numpy.isfinite([one["total"] for one in steps.loss]).all()), True)
metrics = read("run/metrics.json")
per_class = pandas.DataFrame(metrics["ap_per_class"])
same("metrics: average mAP", per_class.to_numpy().mean(), metrics["average_mAP"])

for fault in faults:
    print(fault)
print(f"{values} values, {len(faults)} faults")
sys.exit(1 if faults or not values else 0)
