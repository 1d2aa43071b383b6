"""How fast 1 to N ranks read a feature store together, by `kairos benchmark store`: a table and a drawing. For launch/scaling."""
import math
import os
import statistics

from scaling_plot import COLOURS, HEIGHT, LEFT, TOP, WIDTH, document


def measure(path, ranks, repetitions, kairos):
    """`kairos(ranks, command)` runs the program on so many ranks and returns its JSON."""
    return dict(
        file=os.path.basename(path), repetitions=repetitions,
        measured=[kairos(count, ["benchmark", "store", path, "--repetitions", str(repetitions)]) for count in ranks])


def points(reads, is_cold, way):
    """Ranks and median bytes per second of one way of reading."""
    return [
        (report["ranks"], report["bytes"] / statistics.median(one["seconds"]), one["part_of_dd"], one["part_of_plain"])
        for report in reads["measured"] for one in report["series"] if one["cold"] == is_cold and one["way"] == way]


def ways(reads):
    return [one["way"] for one in reads["measured"][0]["series"] if one["cold"]]


def table(reads):
    first = reads["measured"][0]
    lines = [
        f"## Reads of {reads['file']}", "",
        f"{first['bytes'] * 1e-6:.0f} MB of {first['videos']} recordings; GB/s of all ranks together, medians of {reads['repetitions']}; in brackets "
        "the part of what one `dd` reads, and of what plain reads by all ranks do.", ""]
    columns = [f"{report['ranks']} rank{'s' * (report['ranks'] > 1)}" for report in reads["measured"]]
    for is_cold in (True, False):
        lines += ["| " + " | ".join(["cold" if is_cold else "warm"] + columns) + " |", "|---" * (len(columns) + 1) + "|"]
        for way in ways(reads):
            found = points(reads, is_cold, way)
            cells = [f"{rate * 1e-9:.2f} ({100 * dd:.0f}, {100 * plain:.0f} %)" for _, rate, dd, plain in found]
            lines.append("| " + " | ".join([way] + cells) + " |")
        lines.append("")
    return "\n".join(lines)


def svg(reads):
    return document([panel(reads, is_cold, LEFT + number * (WIDTH + 100), TOP) for number, is_cold in enumerate((True, False))], 1)


def panel(reads, is_cold, left, top):
    shown = {way: points(reads, is_cold, way) for way in ways(reads)}
    counts = sorted({point[0] for found in shown.values() for point in found})
    last = max(1, math.ceil(math.log2(counts[-1])))
    fastest = max(point[1] for found in shown.values() for point in found)
    unit = 10 ** math.floor(math.log10(fastest))
    # At most six lines, at round numbers.
    step = next(part * unit for part in (0.2, 0.5, 1, 2) if fastest <= 6 * part * unit)
    ticks = [number * step for number in range(math.ceil(fastest / step) + 1)]

    def x(count):
        return left + WIDTH * math.log2(count) / last

    def y(rate):
        return top + HEIGHT * (1 - rate / ticks[-1])

    parts = [f'<text x="{left}" y="{top - 14}" font-size="14">{"cold" if is_cold else "warm"}: GB/s of all ranks together</text>']
    for rate in ticks:
        parts.append(f'<line x1="{left}" x2="{left + WIDTH}" y1="{y(rate):.1f}" y2="{y(rate):.1f}" stroke="#ddd"/>')
        parts.append(f'<text x="{left - 8}" y="{y(rate) + 4:.1f}" text-anchor="end">{rate * 1e-9:.2g}</text>')
    parts += [f'<text x="{x(count):.1f}" y="{top + HEIGHT + 16}" text-anchor="middle">{count}</text>' for count in counts]
    parts.append(f'<text x="{left + WIDTH / 2}" y="{top + HEIGHT + 32}" text-anchor="middle">ranks</text>')
    for number, (way, found) in enumerate(shown.items()):
        colour = COLOURS[number % len(COLOURS)]
        # Dashed: reads without the store.
        dashes = "5 4" if way.startswith(("dd", "plain")) else "none"
        line = " ".join(f"{x(count):.1f},{y(rate):.1f}" for count, rate, *_ in found)
        parts.append(f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2" stroke-dasharray="{dashes}"/>')
        parts += [f'<circle cx="{x(count):.1f}" cy="{y(rate):.1f}" r="3" fill="{colour}"/>' for count, rate, *_ in found]
        parts.append(f'<text x="{left + (number % 2) * WIDTH / 2}" y="{top + HEIGHT + 50 + 16 * (number // 2)}" fill="{colour}">{way}</text>')
    return "\n".join(parts)
