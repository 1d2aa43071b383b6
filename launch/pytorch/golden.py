"""What the scripts that make golden files share. A script reads the inputs of a file (sizes, parameters, recordings), computes everything else with
published code, writes a file of the same form and compares the two.

    python launch/pytorch/NAME.py --source CHECKOUT --inputs Tests/Fixtures/FILE.h5 --output NEW.h5
"""
import argparse
import json
import os
import sys

import h5py
import numpy as np


def parse(description, source="folder of a checkout of the published repository"):
    """The arguments that all scripts take; puts the folder --source on Python's path."""
    parser = argparse.ArgumentParser(description=description.split("\n\n")[0], formatter_class=argparse.RawDescriptionHelpFormatter)
    if source:
        parser.add_argument("--source", required=True, help=source)
    parser.add_argument("--inputs", required=True, help="the file whose inputs are taken")
    parser.add_argument("--output", required=True, help="the file to write")
    parser.add_argument("--tolerance", type=float, default=1e-4, help="largest difference from --inputs, as a part of an array's largest element")
    arguments = parser.parse_args()
    if os.path.exists(arguments.output) and os.path.samefile(arguments.inputs, arguments.output):
        sys.exit("error: --output is --inputs\n  do: write another file, compare, then move it")
    if source:
        sys.path.insert(0, arguments.source)
    return arguments


class File:
    """A golden file being written: inputs are copied from another one, results are added."""

    def __init__(self, arguments, inputs):
        """inputs: names of groups and datasets to copy, with their attributes; those of the file are copied always."""
        self.arguments = arguments
        self.old = h5py.File(arguments.inputs, "r")
        self.new = h5py.File(arguments.output, "w")
        for key, value in self.old.attrs.items():
            self.new.attrs[key] = value
        for name in inputs:
            if name in self.old:
                self.old.copy(name, self.new.require_group(os.path.dirname(name) or "/"), name=os.path.basename(name))

    def setting(self, name, default=None):
        """An attribute, as a plain Python value; files that do not record it were made with the default."""
        value = self.old.attrs.get(name, default)
        if isinstance(value, bytes):
            return value.decode()
        return value.tolist() if isinstance(value, (np.ndarray, np.generic)) else value

    def array(self, name):
        return self.old[name][()]

    def names(self, group):
        """Names of all datasets under a group, relative to it, in the file's order."""
        found = []
        self.old[group].visititems(lambda name, item: found.append(name) if isinstance(item, h5py.Dataset) else None)
        return found

    def write(self, name, values, **attributes):
        if hasattr(values, "detach"):
            values = values.detach().numpy()
        values = np.asarray(values)
        # Results have the type that the other file has: scalars are kept in float32 there.
        if name in self.old and values.dtype.kind == self.old[name].dtype.kind:
            values = values.astype(self.old[name].dtype)
        self.new[name] = values
        for key, value in attributes.items():
            self.new[name].attrs[key] = value

    def finish(self):
        """Compares both files and ends the program: exit code 0 when all arrays are there and agree."""
        self.new.close()
        agree = compare(self.arguments.inputs, self.arguments.output, self.arguments.tolerance)
        sys.exit(0 if agree else 1)


def rows_in_order(file, name):
    """A dataset; detections of one recording by label and segment, for those of almost equal scores stand in any order."""
    if not name.startswith("detections/"):
        return file[name][()]
    group = file[os.path.dirname(name)]
    segments = group["segments_sec"][()]
    return file[name][()][np.lexsort((segments[:, 1].round(4), segments[:, 0].round(4), group["labels"][()]))]


def compare(old_path, new_path, tolerance):
    """Prints what differs most; True when both files hold the same arrays within the tolerance."""
    differences, faults, count, equal = [], [], 0, 0

    def names(file):
        found = set()
        file.visititems(lambda name, item: found.add(name) if isinstance(item, h5py.Dataset) else None)
        return found

    with h5py.File(old_path, "r") as old, h5py.File(new_path, "r") as new:
        faults += [f"{name}: only in {old_path}" for name in sorted(names(old) - names(new))]
        faults += [f"{name}: only in {new_path}" for name in sorted(names(new) - names(old))]
        for key, value in old.attrs.items():
            other = new.attrs.get(key)
            same = other is not None and np.shape(value) == np.shape(other) and (
                np.allclose(value, other, rtol=1e-5, atol=1e-6) if np.asarray(value).dtype.kind == "f" else np.all(value == other))
            if not same:
                faults.append(f"attribute {key}: {value} and {other}")
        for name in sorted(names(old) & names(new)):
            a, b = (rows_in_order(file, name) for file in (old, new))
            count += 1
            if np.shape(a) != np.shape(b):
                faults.append(f"{name}: {np.shape(a)} and {np.shape(b)}")
            elif np.array_equal(a, b):
                equal += 1
            elif np.asarray(a).dtype.kind == "f":
                differences.append((float(np.max(np.abs(a - b)) / max(np.max(np.abs(a)), 1e-6)), name))
            else:
                faults.append(f"{name}: {int(np.sum(a != b))} of {np.size(a)} whole numbers differ")
    differences.sort(reverse=True)
    faults += [f"{name}: differs by {difference:.1e} of its largest element" for difference, name in differences if difference > tolerance]
    worst = f"; the others by at most {differences[0][0]:.1e} of their largest element ({differences[0][1]})" if differences else ""
    print(f"{os.path.basename(old_path)}: {count} arrays, {equal} equal to the bit{worst}")
    for fault in faults[:20]:
        print("  " + fault)
    if len(faults) > 20:
        print(f"  and {len(faults) - 20} more")
    return not faults


def compare_json(old_path, new_path, tolerance):
    """The same for two JSON files of numbers."""
    with open(old_path) as old, open(new_path) as new:
        a, b = json.load(old), json.load(new)
    worst, faults = [0.0], []

    def walk(place, one, two):
        if isinstance(one, dict) and isinstance(two, dict) and one.keys() == two.keys():
            for key in one:
                walk(f"{place}/{key}", one[key], two[key])
        elif isinstance(one, list) and isinstance(two, list) and len(one) == len(two):
            for index, (first, second) in enumerate(zip(one, two)):
                walk(f"{place}/{index}", first, second)
        elif isinstance(one, (int, float)) and isinstance(two, (int, float)):
            worst[0] = max(worst[0], abs(one - two))
            if abs(one - two) > tolerance:
                faults.append(f"{place}: {one} and {two}")
        elif one != two:
            faults.append(f"{place}: {one} and {two}")

    walk("", a, b)
    print(f"{os.path.basename(old_path)}: numbers differ by at most {worst[0]:.1e}")
    for fault in faults[:20]:
        print("  " + fault)
    return not faults


if __name__ == "__main__":
    # python launch/pytorch/golden.py OLD.h5 NEW.h5
    sys.exit(0 if compare(sys.argv[1], sys.argv[2], 1e-4) else 1)
