"""Weak and strong scaling of training steps, measured on this machine and predicted for up to 1,024 ranks. For launch/scaling."""
import argparse
import atexit
import itertools
import json
import os
import statistics
import subprocess
import sys

import scaling_contrast
import scaling_plot
import scaling_reads
import scaling_run
from scaling_model import Machine, Work, busiest, drawn, efficiency, step_seconds

VARIANTS = {
    "overlap": [],
    "no overlap": ["training.overlap=false"],
    "overlap, bfloat16 gradients": ["training.gradient_precision=bfloat16"],
}


def fail(what, advice, code=1):
    sys.stderr.write(f"error: {what}\n  do: {advice}\n")
    sys.exit(code)


def numbers(text):
    try:
        found = sorted({int(part) for part in text.split(",")})
    except ValueError:
        found = []
    if not found or found[0] < 1:
        raise argparse.ArgumentTypeError(f"'{text}' is no list of numbers from 1")
    return found


def options():
    parser = argparse.ArgumentParser(prog="launch/scaling", description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--ranks", type=numbers, default=[1, 2, 4], help="rank counts to measure; 1 is always among them")
    parser.add_argument("--kinds", default="weak,strong", help="weak, strong, both, or none: --store or --run alone")
    parser.add_argument("--lengths", default="dense", help="dense, true or both; true needs --annotations")
    parser.add_argument("--annotations", help="ActivityNet JSON that says how long recordings are")
    parser.add_argument("--model", default="configs/thumos14_i3d_supervised.yaml", help="the configuration whose model and cropping are measured")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="set a key of the configuration; may be given several times")
    parser.add_argument("--rows", type=int, help="of a dense recording")
    parser.add_argument("--batch", type=int, default=1, help="recordings per rank (weak); times the most ranks: in all (strong)")
    parser.add_argument("--threads", type=int, default=1, help="per rank")
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--largest", type=int, default=16_777_216, help="bytes that the fit of latency and bandwidth goes up to")
    parser.add_argument("--ranks-per-host", type=int, default=8, help="of the predicted cluster")
    parser.add_argument("--between", default="30us,10gbit", help="latency and bandwidth between the predicted hosts, where they were not measured")
    parser.add_argument("--store", metavar="FILE", help="a feature store: how fast 1 to N ranks read it, too")
    parser.add_argument(
        "--contrast", type=numbers, default=[2, 8, 32, 128, 512, 2048], help="recordings of mini-batches: what their contrast costs a rank")
    parser.add_argument(
        "--run", metavar="CONFIG", help="a configuration whose whole run is made on each number of ranks, beside what kairos plan says; --batch per rank "
        "of the most ranks; --set holds for it too")
    parser.add_argument("--output", default="runs/scaling", help="folder of scaling.md, scaling.json, scaling.svg, and reads.svg with --store")
    parser.add_argument("--launcher", default="launch/mpirun RANKS", help="what starts RANKS ranks")
    parser.add_argument("--kairos", default=os.environ.get("KAIROS", ".build/release/kairos"))
    parser.add_argument("--read", metavar="FILE", help="predict and write from an earlier scaling.json instead of measuring")
    return parser.parse_args()


def load(path):
    """An earlier scaling.json."""
    try:
        with open(path) as file:
            results = json.load(file)
        if not isinstance(results, dict) or not isinstance(results.get("measured"), list):
            raise ValueError("it holds no measurements")
    except (OSError, ValueError) as error:
        refuse(path, getattr(error, "strerror", None) or str(error))
    if any(isinstance(one, dict) and one and "rows" not in one for one in results["measured"]):
        fail(f"'{path}' does not say how long its recordings were: an earlier version wrote it", "measure again, without --read")
    return results


def refuse(path, why):
    fail(f"'{path}' is no scaling.json: {why}", "name one that launch/scaling has written", 3)


def kairos(arguments, ranks, command):
    launcher = [part.replace("RANKS", str(ranks)) for part in arguments.launcher.split()]
    environment = dict(os.environ, OPENBLAS_NUM_THREADS="1", OMP_NUM_THREADS="1")
    try:
        ended = subprocess.run(launcher + [arguments.kairos] + command + ["--json"], stdout=subprocess.PIPE, text=True, env=environment)
    except OSError as error:
        fail(f"'{launcher[0]}' does not start: {error.strerror}", "name a launcher with --launcher, for example 'mpirun -np RANKS'", 2)
    if ended.returncode != 0:
        fail(f"{ranks} ranks ended with exit code {ended.returncode}", "look at the lines above")
    return json.loads(ended.stdout)


def step(arguments, ranks, batch, shards, lengths, settings):
    command = ["benchmark", "step", "--model", arguments.model, "--threads", str(arguments.threads), "--repetitions", str(arguments.repetitions)]
    for setting in [f"data.batch_size={batch}", f"data.virtual_shards={shards}"] + arguments.set + settings:
        command += ["--set", setting]
    if lengths == "true":
        command += ["--lengths", "thumos14", "--annotations", arguments.annotations]
    elif arguments.rows:
        command += ["--rows", str(arguments.rows)]
    return kairos(arguments, ranks, command)


def measure(arguments):
    most = arguments.ranks[-1]
    measured = []
    results = dict(threads=arguments.threads, cores=os.cpu_count(), measured=measured)
    if arguments.store:
        results["reads"] = scaling_reads.measure(
            arguments.store, arguments.ranks, arguments.repetitions, lambda ranks, command: kairos(arguments, ranks, command))
    if arguments.run:
        results["run"] = scaling_run.measure(
            arguments.run, arguments.ranks, arguments.batch * most, arguments.threads, arguments.set, arguments.output,
            lambda ranks, command: kairos(arguments, ranks, command))
    if arguments.kinds == "none":
        return results
    for kind, lengths, ranks in itertools.product(arguments.kinds.split(","), arguments.lengths.split(","), arguments.ranks):
        batch = arguments.batch * (ranks if kind == "weak" else most)
        # One shard per rank in weak scaling; in strong scaling as many as the most ranks, so that the work is the same whoever does it.
        shards = ranks if kind == "weak" else most
        for variant, settings in VARIANTS.items():
            # A rank alone sends nothing: its variants would differ by noise alone.
            if ranks == 1 and variant != "overlap":
                continue
            report = step(arguments, ranks, batch, shards, lengths, settings)
            steps = len(report["rows"])
            seconds = [one / steps for one in report["seconds"]]
            optimizer = sum(kernel["seconds"] for kernel in report["kernels"] if kernel["name"] == "optimizer") / steps
            measured.append(dict(
                kind=kind, lengths=lengths, ranks=ranks, variant=variant, recordings=batch, shards=shards, seconds=seconds,
                seconds_processor=[one / steps for one in report["seconds_processor"]], seconds_optimizer=optimizer,
                parameters=report["parameters"], rows=report["rows"]))
            sys.stderr.write(f"{kind}, {lengths}, {ranks} ranks, {variant}: {statistics.median(seconds):.3f} s per step\n")
    results["contrast"] = scaling_contrast.measure(
        arguments.contrast, arguments.threads, arguments.repetitions, lambda ranks, command: kairos(arguments, ranks, command))
    results["collectives"] = kairos(
        arguments, max(2, most), ["benchmark", "collectives", "--threads", str(arguments.threads), "--largest", str(arguments.largest)])
    return results


def between(text):
    try:
        latency, rate = text.split(",")
        unit = dict(k=1e3, m=1e6, g=1e9)[rate[-4]]
        return float(latency.removesuffix("us")) * 1e-6, 8 / (float(rate[:-4]) * unit)
    except (ValueError, KeyError, IndexError, ZeroDivisionError):
        fail(f"'{text}' is no latency and bandwidth", "write --between like 30us,10gbit", 2)


def predict(arguments, results):
    links = {link["name"]: link["fit"] for link in results["collectives"]["links"]}
    near = links.get("within a host")
    far = links.get("between hosts")
    alpha, beta = (far["alpha_seconds"], far["beta_seconds_per_byte"]) if far else between(arguments.between)
    results["links"] = dict(
        within=[near["alpha_seconds"], near["beta_seconds_per_byte"]] if near else None, between=[alpha, beta],
        between_is="measured" if far else "assumed")
    inner = results["links"]["within"] or [alpha, beta]
    if near and near["alpha_seconds"] > 1e-3:
        sys.stderr.write(
            f"warning: a message within this host took {near['alpha_seconds'] * 1e3:.1f} ms, since other programs hold its cores: "
            "the predictions, which rest on that, say nothing about a cluster\n")
    # This machine: its ranks share its cores, and there is nothing between hosts unless it was measured.
    hosts = results["collectives"]["hosts"]
    here = Machine(results["cores"], results["threads"], max(1, max(2, arguments.ranks[-1]) // hosts), inner, [alpha, beta] if far else inner)
    cluster = Machine(None, results["threads"], arguments.ranks_per_host, inner, [alpha, beta])
    series = []
    for kind, lengths in itertools.product(arguments.kinds.split(","), arguments.lengths.split(",")):
        points = [one for one in results["measured"] if one["kind"] == kind and one["lengths"] == lengths]
        single = [one for one in points if one["ranks"] == 1]
        if not single:
            continue
        single = single[0]
        per_row = (statistics.median(single["seconds"]) - single["seconds_optimizer"]) * len(single["rows"]) / sum(map(sum, single["rows"]))
        lengths_known = [rows for one in points for step in one["rows"] for rows in step]
        for variant in VARIANTS:
            own = {one["ranks"]: one for one in points if one["variant"] == variant or one["ranks"] == 1}

            def work(ranks):
                recordings = arguments.batch * ranks if kind == "weak" else single["recordings"]
                shards = ranks if kind == "weak" else max(single["shards"], ranks)
                # What was measured had its own recordings.
                steps = own[ranks]["rows"] if ranks in own else drawn(lengths_known, recordings)
                per_recording = per_row * sum(map(sum, steps)) / sum(map(len, steps))
                return Work(
                    recordings, shards, per_recording, single["seconds_optimizer"], busiest(steps, ranks), single["parameters"],
                    2 if "bfloat16" in variant else 4, variant != "no overlap")
            # Strong scaling ends where every rank has one recording.
            last = 1024 if kind == "weak" else single["recordings"]
            counts = [1 << power for power in range(11) if 1 << power <= last]
            rows = []
            for ranks in sorted(set(counts) | set(own)):
                seconds = statistics.median(own[ranks]["seconds"]) if ranks in own else None
                asked = work(ranks)
                rows.append(dict(
                    ranks=ranks, recordings=asked.recordings, measured=seconds, predicted_here=step_seconds(asked, here, ranks),
                    predicted_cluster=step_seconds(asked, cluster, ranks),
                    # Of one rank alone, with the same work (strong) or its average share of it (weak).
                    seconds_alone=asked.recordings * asked.seconds_per_recording / (ranks if kind == "weak" else 1) + asked.seconds_per_step))
            series.append(dict(kind=kind, lengths=lengths, variant=variant, rows=rows))
    results["series"] = series


def table(arguments, results):
    def text(seconds):
        return "" if seconds is None else f"{seconds:.3f}"

    within, far = results["links"]["within"], results["links"]["between"]
    lines = [
        f"{results['threads']} thread(s) per rank, {results['cores']} processor cores here. Seconds per step, medians. "
        "*Here*: ranks beyond the cores share them. "
        f"*Cluster*: every rank has cores of its own, {arguments.ranks_per_host} ranks per host.", ""]
    if within:
        lines.append(f"Within a host: {within[0] * 1e6:.1f} us and {1e-9 / max(within[1], 1e-15):.2f} GB/s, measured.")
    lines += [f"Between hosts: {far[0] * 1e6:.1f} us and {1e-9 / max(far[1], 1e-15):.2f} GB/s, {results['links']['between_is']}.", ""]
    for one in results["series"]:
        lines += [
            f"## {one['kind'].capitalize()}, {one['lengths']} lengths, {one['variant']}", "",
            "| ranks | recordings | measured | predicted here | predicted / measured | efficiency measured "
            "| predicted on a cluster | its efficiency |",
            "|---|---|---|---|---|---|---|---|"]
        for row in one["rows"]:
            def percent(field):
                return "" if row[field] is None else f"{100 * efficiency(one['kind'], row, field):.0f} %"
            ratio = "" if row["measured"] is None else f"{row['predicted_here'] / row['measured']:.2f}"
            here = text(row["predicted_here"]) if row["measured"] is not None else ""
            lines.append(
                f"| {row['ranks']} | {row['recordings']} | {text(row['measured'])} | {here} | {ratio} "
                f"| {percent('measured')} | {text(row['predicted_cluster'])} | {percent('predicted_cluster')} |")
        lines.append("")
    return "\n".join(lines)


def write(folder, name, text):
    part = os.path.join(folder, f"{name}.{os.getpid():016x}.part")
    with open(part, "w") as file:
        file.write(text)
    os.replace(part, os.path.join(folder, name))


def hold(program, folder):
    """Keeps other jobs out of the folder until this process ends."""
    holder = subprocess.Popen([program, "hold", folder], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    if holder.stdout.readline() != "held\n":
        sys.exit(holder.wait() or 1)

    def let_go():
        holder.stdin.close()
        holder.wait()
    atexit.register(let_go)


def describe(arguments, results):
    """The files to write, by name."""
    pages, pictures = [], {}
    if results["measured"] and arguments.kinds != "none":
        predict(arguments, results)
        pages.append(table(arguments, results))
        pictures["scaling.svg"] = scaling_plot.svg(results["series"])
    if "contrast" in results and pages:
        pages.append(scaling_contrast.table(results["contrast"]))
    if "run" in results:
        pages.append(scaling_run.table(results["run"]))
    if "reads" in results:
        pages.append(scaling_reads.table(results["reads"]))
        pictures["reads.svg"] = scaling_reads.svg(results["reads"])
    if not pages:
        raise IndexError("nothing measured")
    return {**pictures, "scaling.json": json.dumps(results, indent=1) + "\n", "scaling.md": "# Scaling\n\n" + "\n".join(pages)}


def main():
    arguments = options()
    if arguments.kinds != "none" and not set(arguments.kinds.split(",")) <= {"weak", "strong"}:
        fail(f"'{arguments.kinds}' is no kind of scaling", "give --kinds weak, strong, weak,strong or none", 2)
    if arguments.kinds == "none" and not arguments.store and not arguments.run and not arguments.read:
        fail("there is nothing to measure", "name a store with --store or a configuration with --run, or leave --kinds out", 2)
    if not set(arguments.lengths.split(",")) <= {"dense", "true"}:
        fail(f"'{arguments.lengths}' are no lengths", "give --lengths dense, true or dense,true", 2)
    for option in ("store", "run"):
        if arguments.read and getattr(arguments, option):
            fail(f"--read measures nothing, --{option} would be measured", "leave one of them out", 2)
    if "true" in arguments.lengths and not arguments.annotations and not arguments.read:
        fail("true lengths need annotations", "give --annotations thumos14.json", 2)
    for name in ("batch", "threads", "repetitions", "ranks_per_host", "rows"):
        if getattr(arguments, name) is not None and getattr(arguments, name) < 1:
            fail(f"--{name.replace('_', '-')} must be at least 1, not {getattr(arguments, name)}", "give a larger number", 2)
    between(arguments.between)
    # Before hours of measuring.
    try:
        os.makedirs(arguments.output, exist_ok=True)
    except OSError as error:
        fail(f"the folder '{arguments.output}' cannot be made: {error.strerror}", "choose another --output")
    arguments.ranks = sorted({1, *arguments.ranks})
    if arguments.ranks[-1] > 1 and any(arguments.ranks[-1] % ranks for ranks in arguments.ranks):
        fail(f"{arguments.ranks[-1]} ranks cannot share work out like the smaller counts", "give --ranks that divide the largest", 2)
    if arguments.read:
        results = load(arguments.read)
    else:
        if not os.access(arguments.kairos, os.X_OK):
            fail(f"there is no program '{arguments.kairos}'", "build it with launch/build, or name it with --kairos")
        hold(arguments.kairos, arguments.output)
        results = measure(arguments)
        write(arguments.output, "scaling.json", json.dumps(results, indent=1) + "\n")
    try:
        pages = describe(arguments, results)
    except (KeyError, IndexError, TypeError, AttributeError, ValueError, statistics.StatisticsError) as error:
        if not arguments.read:
            raise
        refuse(arguments.read, f"'{error.args[0]}' is missing" if isinstance(error, KeyError) else "it is not complete")
    for name, text in pages.items():
        write(arguments.output, name, text)
    print(os.path.join(arguments.output, "scaling.md"))
    if "run" in results and not scaling_run.is_equal(results["run"]):
        fail("the whole run ended in other bits on other numbers of ranks", "look at the table, and report it: it must not happen")


try:
    main()
except KeyboardInterrupt:
    # launch/mpirun ends its ranks when it is killed.
    sys.exit(130)
