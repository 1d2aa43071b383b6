"""A whole run on 1 to N ranks (the same shards, so the same bits), stage by stage, beside what `kairos plan` says: a table. For launch/scaling."""
import json
import os
import statistics


def settings(batch, shards, threads, given):
    return [
        part for one in [f"data.batch_size={batch}", f"data.virtual_shards={shards}", f"training.threads={threads}"] + given for part in ("--set", one)]


def stages_of(folder):
    """Per stage: seconds per step of rank 0 and the seconds between the last step before it and its labels, from the run's log."""
    with open(os.path.join(folder, "log.jsonl")) as file:
        records = [json.loads(line) for line in file]
    stages, before = {}, None
    for record in (one for one in records if "stage" in one):
        stage = stages.setdefault(record["stage"], dict(intervals=[], labelling=None))
        if "loss" in record:
            steps = record["step"] - (before["step"] if before else 0)
            busy = sum(record[key] for key in ("seconds_compute", "seconds_waiting_data", "seconds_waiting_mpi"))
            stage["intervals"].append((busy / steps, record["seconds_waiting_mpi"] / steps))
            before = record
        elif "positive" in record and before:  # the line with which a round begins
            stage["labelling"] = record["time"] - before["time"]
    # The first steps of a stage make its buffers.
    return {
        name: dict(
            seconds_per_step=statistics.fmean(one for one, _ in stage["intervals"][1:] or stage["intervals"]),
            seconds_waiting=statistics.fmean(one for _, one in stage["intervals"][1:] or stage["intervals"]), seconds_labelling=stage["labelling"])
        for name, stage in stages.items() if stage["intervals"]}


def measure(config, counts, batch, threads, given, folder, kairos):
    """`kairos(ranks, command)` runs the program on so many ranks and returns its JSON."""
    # A batch that every count of ranks divides.
    shards = max(counts)
    batch = (max(batch, shards) + shards - 1) // shards * shards
    same = settings(batch, shards, threads, given)
    results = []
    for ranks in counts:
        run = os.path.join(folder, f"run-{ranks}")
        ended = kairos(ranks, ["train", config, "--output", run, "--counts", "--set", "training.log_every=1"] + same)
        planned = kairos(1, [
            "plan", config, "--ranks", str(ranks), "--recordings", str(batch // ranks), "--ranks-per-host", str(ranks)] + same)["ranks"][0]
        results.append(dict(
            ranks=ranks, digest=ended["digest"], counts=ended["counts"], seconds=ended["seconds_training"], stages=stages_of(run), planned=planned))
    return dict(configuration=config, batch=batch, shards=shards, threads=threads, cores=os.cpu_count(), runs=results)


def is_equal(results):
    return len({one["digest"] for one in results["runs"]}) == 1


def table(results):
    runs, threads, cores = results["runs"], results["threads"], results["cores"]
    lines = [
        "## A whole run", "",
        f"`{results['configuration']}`, {results['batch']} recordings per step over {results['shards']} shards, {threads} thread(s) per rank. Seconds per "
        "step: means of rank 0. *Planned*: by `kairos plan` from steps of one rank measured just before; where ranks are more than the "
        f"{cores} cores, times the ranks per core. Labels: from the last step before to the choice, with the checkpoint between them.", ""]
    lines += [
        f"The weights have the same digest on {', '.join(str(one['ranks']) for one in runs)} ranks: {runs[0]['digest']}." if is_equal(results)
        else "**The weights differ:** " + ", ".join(f"{one['ranks']} ranks {one['digest']}" for one in runs) + ".", "",
        "| stage | ranks | s per step | of it waiting for ranks | planned | planned / measured | labels, s | planned |",
        "|---|---|---|---|---|---|---|---|"]
    for name in runs[0]["stages"]:
        for one in runs:
            measured = one["stages"][name]
            planned = next((stage for stage in one["planned"]["stages"] if stage["name"] == name), None)
            shared = max(1, one["ranks"] * threads / cores)
            labels = "" if measured["seconds_labelling"] is None else f"{measured['seconds_labelling']:.2f}"
            cells = ["", "", ""]
            if planned:
                seconds = planned["seconds_per_step"] * shared
                cells = [f"{seconds:.4f}", f"{seconds / measured['seconds_per_step']:.2f}", f"{planned['seconds_labelling'] * shared:.2f}" if labels else ""]
            lines.append(
                f"| {name} | {one['ranks']} | {measured['seconds_per_step']:.4f} | {measured['seconds_waiting']:.4f} | {cells[0]} | {cells[1]} "
                f"| {labels} | {cells[2]} |")
    lines += [
        "", "| ranks | messages counted | of them gradients, planned | collective calls | MiB in messages | seconds of training |", "|---|---|---|---|---|---|"]
    for one in runs:
        gradients = sum(stage["messages_per_step"] * stage["iterations"] for stage in one["planned"]["stages"]) * one["ranks"]
        counts = one["counts"]
        lines.append(
            f"| {one['ranks']} | {counts['messages']} | {gradients} | {counts['collectives']} | {counts['message_bytes'] / 2**20:.1f} | {one['seconds']:.1f} |")
    return "\n".join(lines + [""])
