"""Times Kairos and the published PyTorch code alternately on the same lengths, threads and precision; run by launch/compare-pytorch.

Each pair is one process of ours, then one of theirs; each process warms up once. The ratio of a pair is their median time divided by ours; what is
printed is the median of the pairs' ratios, and the least and the largest.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

parser = argparse.ArgumentParser(prog="launch/compare-pytorch")
parser.add_argument("--annotations", help="thumos14.json, for the cases of THUMOS14's true lengths; without it these are left out")
parser.add_argument("--threads", type=int, default=os.cpu_count(), help="of either program (default: all processors)")
parser.add_argument("--pairs", type=int, default=3, help="alternations of ours and theirs")
parser.add_argument("--repetitions", type=int, default=3, help="measured in each process, after one that is not counted")
parser.add_argument("--steps", type=int, default=8, help="batches of a repetition over THUMOS14's lengths")
parser.add_argument("--precision", choices=["float32", "bfloat16"], action="append", help="may be given twice (default: both)")
parser.add_argument("--sbhar", metavar="FOLDER", help="'HAPT Data Set', for whole runs on SBHAR; without it these are left out")
parser.add_argument("--only", help="only cases whose name holds this text: dense, 'train, thumos14', BMN, SBHAR, Soft-NMS, ranks")
parser.add_argument(
    "--distributed", metavar="RATE",
    help="instead, dense training steps on two hosts joined at RATE (1gbit), made by launch/netcluster, each with half of the threads: "
    "ours over MPI against DistributedDataParallel over gloo; needs root")
parser.add_argument(
    "--baseline", metavar="PROGRAM",
    help="another build of kairos (.build/release/kairos of another version's folder), timed between ours and theirs: its time for as many rows, "
    "divided by ours")
parser.add_argument("--output", help="also write the figures as JSON")
parser.add_argument("--kairos", default=".build/release/kairos", help=argparse.SUPPRESS)
parser.add_argument("--mpirun", default="launch/mpirun", help=argparse.SUPPRESS)
parser.add_argument("--netcluster", default="launch/netcluster", help=argparse.SUPPRESS)
arguments = parser.parse_args()
theirs_script = os.path.join(os.path.dirname(os.path.abspath(__file__)), "step.py")


def timed(command):
    """Seconds of a process from its start to its end, the last line of its output if that is JSON, and its peak memory in MiB."""
    with tempfile.TemporaryFile("w+") as output, tempfile.TemporaryFile("w+") as errors:
        begin = time.monotonic()
        process = subprocess.Popen(command, stdout=output, stderr=errors)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.monotonic() - begin
        for file in (output, errors):
            file.seek(0)
        if status != 0:
            sys.exit(f"error: '{' '.join(command)}' ended with exit code {os.waitstatus_to_exitcode(status)}\n{errors.read().strip()}")
        lines = output.read().splitlines()
    report = json.loads(lines[-1]) if lines and lines[-1].startswith("{") else None
    return seconds, report, usage.ru_maxrss / 1024


def started(command):
    return timed(command)[1]


def ours(phase, lengths, precision, ranks=1, program=None):
    threads = arguments.threads // ranks
    command = [
        program or arguments.kairos, "benchmark", "step", "--phase", phase, "--lengths", lengths, "--precision", precision, "--threads", str(threads),
        "--repetitions", str(arguments.repetitions), "--json"]
    if lengths == "thumos14":
        command += ["--annotations", arguments.annotations, "--steps", str(arguments.steps)]
    return started(([arguments.mpirun, str(ranks)] if ranks > 1 else []) + command)


def theirs(phase, precision, rows, *options):
    return started([
        sys.executable, theirs_script, "--phase", phase, "--precision", precision, "--threads", str(arguments.threads), "--repetitions",
        str(arguments.repetitions), "--batches", json.dumps(rows), *options])


def ratio_text(ratios):
    return f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"


def baseline_columns(ours_seconds, ours_memory, seconds, memory):
    """What is said of the other build: its time over ours and our peak memory over its; nothing without --baseline."""
    if not seconds:
        return "", {}
    ratios = [b / a for a, b in zip(ours_seconds, seconds)]
    memory_ratio = statistics.median(a / b for a, b in zip(ours_memory, memory))
    return (
        f"   baseline / ours {ratio_text(ratios)}, memory, ours / baseline {memory_ratio:.2f}",
        dict(seconds_baseline=seconds, ratios_baseline=ratios, ratio_baseline=statistics.median(ratios), memory_ratio_baseline=memory_ratio))


def compare_steps(name, run_ours, run_theirs, run_baseline=None):
    """Alternates two programs, or three, that report seconds, parameters and memory; `run_theirs` takes our report."""
    pairs, memory, ours_memory, baseline, baseline_memory = [], [], [], [], []
    for _ in range(arguments.pairs):
        a = run_ours()
        if run_baseline and arguments.baseline:
            other = run_baseline()
            # Another version may choose other recordings for its batches: as many rows are compared.
            rows_of = [sum(length for batch in report["rows"] for length in batch) for report in (a, other)]
            baseline.append(statistics.median(other["seconds"]) * rows_of[0] / rows_of[1])
            baseline_memory.append(max(other["peak_rss_mib"]))
        ours_memory.append(max(a["peak_rss_mib"]))
        b = run_theirs(a)
        if a["parameters"] != b["parameters"]:
            sys.exit(f"error: the models differ: {a['parameters']} parameters here, {b['parameters']} there")
        pairs.append((statistics.median(a["seconds"]), statistics.median(b["seconds"])))
        memory.append(max(a["peak_rss_mib"]) / b["peak_rss_mib"])
    ratios = [b / a for a, b in pairs]
    rows = [length for batch in a["rows"] for length in batch]
    result = dict(
        case=name, ratio=statistics.median(ratios), ratios=ratios, seconds=[a for a, _ in pairs], seconds_pytorch=[b for _, b in pairs],
        memory_ratio=statistics.median(memory), videos=len(rows), rows=sum(rows), parameters=a["parameters"], products=a["products"])
    columns, figures = baseline_columns(result["seconds"], ours_memory, baseline, baseline_memory)
    result.update(figures)
    print(
        f"{name:<34} {ratio_text(ratios):<22} {statistics.median(result['seconds']):8.2f} {statistics.median(result['seconds_pytorch']):9.2f}"
        f"   {result['memory_ratio']:.2f}{columns}", flush=True)
    return result


def compare(name, phase, lengths, precision):
    return compare_steps(
        name, lambda: ours(phase, lengths, precision), lambda report: theirs(phase, precision, report["rows"]),
        lambda: ours(phase, lengths, precision, program=arguments.baseline))


def compare_operations():
    """The same work on both sides: operations of one dense training step, counted here by the kernels and there by PyTorch."""
    a = ours("train", "dense", "float32")
    b = theirs("train", "float32", a["rows"], "--count-operations")
    # Ours counts element-wise work too; PyTorch counts matrix products and convolutions.
    products = sum(kernel["operations"] for kernel in a["kernels"] if kernel["name"] in PRODUCTS)
    print(
        f"operations of a dense step: {products / 1e9:.1f} GFLOP here, {b['operations'] / 1e9:.1f} GFLOP there; "
        f"{a['parameters']} parameters on both sides")
    return dict(operations=products, operations_pytorch=b["operations"])


def compare_distributed(precision):
    """The same global batch of two on two hosts, a rank each."""
    hosts = [arguments.netcluster, "--hosts", "2", "--rate", arguments.distributed]
    threads = ["--threads", str(max(1, arguments.threads // 2))]
    common = ["--precision", precision, "--repetitions", str(arguments.repetitions)]
    environment = ["env", "GLOO_SOCKET_IFNAME=eth0"]
    one, two, pytorch = [], [], []
    for _ in range(arguments.pairs):
        a = started(hosts + [arguments.kairos, "benchmark", "step", "--json"] + threads + common)
        b = started(hosts + environment + [
            sys.executable, theirs_script, "--distributed", "10.77.0.1", "--batches", json.dumps(a["rows"])] + threads + common)
        c = started([arguments.mpirun, "2", arguments.kairos, "benchmark", "step", "--json"] + threads + common)
        for seconds, report in ((two, a), (pytorch, b), (one, c)):
            seconds.append(statistics.median(report["seconds"]))
    against_pytorch, against_one_host = [b / a for a, b in zip(two, pytorch)], [a / c for a, c in zip(two, one)]
    name = f"2 hosts, dense, {precision}"
    columns = f"{ratio_text(against_pytorch):<22} {statistics.median(two):8.2f} {statistics.median(pytorch):9.2f}   {ratio_text(against_one_host)}"
    print(f"{name:<34} {columns}", flush=True)
    return dict(
        case=name, rate=arguments.distributed, seconds=two, seconds_pytorch=pytorch, seconds_one_host=one, ratio=statistics.median(against_pytorch))


def compare_ranks():
    ratios = []
    for _ in range(arguments.pairs):
        whole = statistics.median(ours("train", "dense", "float32")["seconds"])
        ratios.append(whole / statistics.median(ours("train", "dense", "float32", ranks=2)["seconds"]))
    print(f"2 ranks x {arguments.threads // 2} threads against 1 rank x {arguments.threads}: {ratio_text(ratios)}")
    return dict(ratio=statistics.median(ratios), ratios=ratios)


def compare_suppression(limit):
    """Soft-NMS of 2,000 candidates of each of 20 classes on one thread: the same candidates, and the same scores must be left."""
    script = os.path.join(os.path.dirname(theirs_script), "suppression.py")
    pairs = []
    with tempfile.TemporaryDirectory() as folder:
        written = os.path.join(folder, "candidates.json")
        for _ in range(arguments.pairs):
            a = started([
                arguments.kairos, "benchmark", "suppression", "--limit", str(limit), "--repetitions", str(arguments.repetitions),
                "--written", written, "--json"])
            b = started([sys.executable, script, written, str(limit), str(arguments.repetitions)])
            with open(written) as file:
                kept = json.load(file)["kept"]["score"]
            if len(kept) != len(b["scores"]) or any(abs(x - y) > 1e-5 for x, y in zip(kept, b["scores"])):
                sys.exit(f"error: the survivors differ: {len(kept)} here, {len(b['scores'])} there")
            pairs.append((statistics.median(a["seconds"]), statistics.median(b["seconds"])))
    ratios = [b / a for a, b in pairs]
    name = "Soft-NMS, " + (f"{limit} kept" if limit else "all kept")
    ours_seconds, theirs_seconds = (statistics.median(column) for column in zip(*pairs))
    print(f"{name:<34} {ratio_text(ratios):<22} {ours_seconds:8.4f} {theirs_seconds:9.4f}", flush=True)
    return dict(case=name, ratio=statistics.median(ratios), ratios=ratios, seconds=ours_seconds, seconds_pytorch=theirs_seconds)


def compare_bmn(phase):
    """BMN on 16 videos of 100 rows of 400 numbers, as on ActivityNet: a training step, or inference one video after another."""
    script = os.path.join(os.path.dirname(theirs_script), "bmn.py")
    shared = ["--phase", phase, "--threads", str(arguments.threads), "--repetitions", str(arguments.repetitions)]
    return compare_steps(
        f"{phase}, BMN, float32",
        lambda: started([
            arguments.kairos, "benchmark", "step", "--model", "configs/activitynet_tsn_bmn.yaml", "--rows", "100", "--batch", "16", "--set",
            "model.video_classifier=known", "--json", *shared]),
        lambda _: started([sys.executable, script, *shared]))


def whole_run(program, config, source, order, folder):
    """Import, training with detection and evaluation by one build: seconds of all, the printed result, peak memory of the training."""
    store = f"{folder}.h5"
    importing = timed([program, "import", "sbhar", "--source", source, "--output", store])[0]
    training, result, memory = timed([
        program, "train", config, "--output", folder, "--json", "--seed", "1", "--set", f"data.store={store}", "--set",
        f"data.labeled_order={order}", "--set", "data.labeled_fraction=0.1", "--set", f"training.threads={arguments.threads}"])
    return importing + training, result, memory


def training_names(store):
    import h5py
    with h5py.File(store) as file:
        videos = zip(file["videos/id"][:], file["videos/subset"][:])
        return sorted(name.decode() for name, subset in videos if subset == b"Validation")


def compare_sbhar():
    """Whole runs on SBHAR, 10 % of the labels, 600 iterations: import, training, detection and evaluation here; there training and detection on the
    imported recordings, and our evaluation of its detections. The other build takes its own version's configuration."""
    script = os.path.join(os.path.dirname(theirs_script), "sbhar.py")
    configuration = "configs/sbhar_supervised.yaml"
    pairs, scores, memory, ours_memory, baseline, baseline_memory = [], [], [], [], [], []
    with tempfile.TemporaryDirectory() as folder:
        store, order, found, run = (os.path.join(folder, name) for name in ("first.h5", "order.json", "found.json", "run"))
        timed([arguments.kairos, "import", "sbhar", "--source", arguments.sbhar, "--output", store])
        names = training_names(store)
        with open(order, "w") as file:
            json.dump(names, file)
        for pair in range(arguments.pairs):
            whole, trained, peak = whole_run(arguments.kairos, configuration, arguments.sbhar, order, f"{run}{pair}")
            ours_memory.append(peak)
            if arguments.baseline:
                root = os.path.abspath(os.path.join(os.path.dirname(arguments.baseline), "../.."))
                earlier, _, earlier_peak = whole_run(
                    arguments.baseline, os.path.join(root, configuration), arguments.sbhar, order, f"{run}{pair}-baseline")
                baseline.append(earlier)
                baseline_memory.append(earlier_peak)
            theirs_seconds, _, theirs_memory = timed([
                sys.executable, script, "--store", store, "--order", order, "--labeled", str(round(0.1 * len(names))), "--threads",
                str(arguments.threads), "--output", found])
            evaluation, evaluated, _ = timed([
                arguments.kairos, "evaluate", "--annotations", f"{run}{pair}/truth.json", "--predictions", found, "--subset", "Test", "--json"])
            pairs.append((whole, theirs_seconds + evaluation))
            scores.append((trained["average_mAP"], evaluated["average_mAP"]))
            memory.append(peak / theirs_memory)
            print(
                f"pair {pair + 1} of {arguments.pairs}: {whole:.1f} s here, {theirs_seconds + evaluation:.1f} s there"
                + (f", {baseline[-1]:.1f} s by the baseline" if baseline else ""), file=sys.stderr, flush=True)
    ratios = [b / a for a, b in pairs]
    columns, figures = baseline_columns([a for a, _ in pairs], ours_memory, baseline, baseline_memory)
    ours_seconds, theirs_seconds = (statistics.median(column) for column in zip(*pairs))
    ours_score, theirs_score = (statistics.median(column) for column in zip(*scores))
    print(
        f"{'SBHAR, whole runs, float32':<34} {ratio_text(ratios):<22} {ours_seconds:8.2f} {theirs_seconds:9.2f}   {statistics.median(memory):.2f}"
        f"   average mAP {100 * ours_score:.1f} here, {100 * theirs_score:.1f} there{columns}", flush=True)
    return dict(
        ratio=statistics.median(ratios), ratios=ratios, seconds=[a for a, _ in pairs], seconds_pytorch=[b for _, b in pairs],
        memory_ratio=statistics.median(memory), average_mAP=ours_score, average_mAP_pytorch=theirs_score, **figures)


def write(report):
    if arguments.output:
        part = f"{arguments.output}.{os.getpid():016x}.part"
        with open(part, "w") as file:
            json.dump(report, file, indent=1)
        os.replace(part, arguments.output)


PRODUCTS = {"convolution", "convolution, dW", "linear", "linear, dW", "matrix product"}
cases = [
    (f"{phase}, {lengths}, {precision}", phase, lengths, precision)
    for phase, lengths in (("train", "dense"), ("train", "thumos14"), ("infer", "thumos14"))
    for precision in arguments.precision or ["float32", "bfloat16"]
]
if arguments.distributed:
    print(f"{'case':<34} {'theirs / ours':<22} {'ours, s':>8} {'theirs, s':>9}   two hosts / one host, ours")
    report = dict(
        threads=arguments.threads, distributed=[compare_distributed(precision) for precision in arguments.precision or ["float32", "bfloat16"]])
    write(report)
    sys.exit(0)
suppression = [limit for limit in (200, 0) if not arguments.only or arguments.only in "Soft-NMS"]
cases = [case for case in cases if (arguments.annotations or case[2] == "dense") and (not arguments.only or arguments.only in case[0])]
bmn = [phase for phase in ("train", "infer") if not arguments.only or arguments.only in f"{phase}, BMN"]
compares_sbhar = arguments.sbhar and (not arguments.only or arguments.only in "SBHAR")
compares_ranks = arguments.threads >= 2 and arguments.threads % 2 == 0 and (not arguments.only or arguments.only in "ranks")
if not cases and not bmn and not suppression and not compares_sbhar and not compares_ranks:
    sys.exit(f"error: no case's name holds '{arguments.only}'")
report = dict(threads=arguments.threads)
if cases:
    report["work"] = compare_operations()
if cases or bmn or suppression or compares_sbhar:
    print(f"\n{'case':<34} {'theirs / ours':<22} {'ours, s':>8} {'theirs, s':>9}   memory, ours / theirs")
report["cases"] = [compare(*case) for case in cases]
report["bmn"] = [compare_bmn(phase) for phase in bmn]
report["sbhar"] = [compare_sbhar()] if compares_sbhar else []
report["suppression"] = [compare_suppression(limit) for limit in suppression]
if compares_ranks:
    report["ranks"] = compare_ranks()
write(report)
