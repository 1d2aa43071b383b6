"""What ACP's contrast costs one rank at several sizes of the global mini-batch, by `kairos benchmark contrast`: a table. For launch/scaling."""


def measure(recordings, threads, repetitions, kairos):
    """`kairos(ranks, command)` runs the program on so many ranks and returns its JSON."""
    sizes = ",".join(map(str, recordings))
    return kairos(1, ["benchmark", "contrast", "--recordings", sizes, "--threads", str(threads), "--repetitions", str(repetitions)])


def table(contrast):
    lines = [
        "## Contrast", "",
        f"One rank's share of a pre-training step's contrast: {contrast['per_rank']} recordings of {contrast['frames']} frames, {contrast['columns']} "
        f"input features, embeddings of {contrast['width']}, {contrast['threads']} thread(s). The other ranks are made up; what they send is counted.", "",
        "| recordings | frames | drawn | clusters | seconds | times the first | peak MiB | messages | MiB received |",
        "|---|---|---|---|---|---|---|---|---|"]
    first = contrast["sizes"][0]["seconds"]
    for one in contrast["sizes"]:
        lines.append(
            f"| {one['recordings']} | {one['rows']} | {one['drawn']} | {one['clusters']} | {one['seconds']:.4f} | {one['seconds'] / first:.2f} "
            f"| {one['peak_mib']:.1f} | {one['messages']} | {one['bytes'] / 2**20:.2f} |")
    return "\n".join(lines + [""])
