"""Efficiency against ranks as SVG: lines for predictions, dots for measurements."""
import math

from scaling_model import efficiency

COLOURS = ["#1b6ca8", "#c44536", "#4a7c59", "#8a5a9e", "#b8860b", "#555555", "#2a9d9d", "#d16ba5"]
# What lies on one another stays visible: later lines are dashed, later dots smaller.
DASHES = ["none", "9 5", "3 5"]
WIDTH, HEIGHT, LEFT, TOP = 420, 260, 60, 40


def svg(series):
    panels = []
    for one in series:
        key = (one["kind"], one["lengths"])
        if key not in panels:
            panels.append(key)
    parts = []
    for number, key in enumerate(panels):
        x, y = (number % 2) * (WIDTH + 100) + LEFT, (number // 2) * (HEIGHT + 110) + TOP
        parts.append(panel(key, [one for one in series if (one["kind"], one["lengths"]) == key], x, y))
    return document(parts, max(1, math.ceil(len(panels) / 2)))


def document(panels, lines):
    """Panels, two to a line."""
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {2 * (WIDTH + 100)} {(HEIGHT + 110) * lines + 40}" '
        'font-family="sans-serif" font-size="12">',
        '<rect width="100%" height="100%" fill="white"/>', *panels, "</svg>"]) + "\n"


def panel(key, series, left, top):
    ranks = [row["ranks"] for one in series for row in one["rows"]]
    last = max(1, math.ceil(math.log2(max(ranks))))

    def x(count):
        return left + WIDTH * math.log2(count) / last

    def y(efficiency):
        return top + HEIGHT * (1 - min(efficiency, 1.25) / 1.25)

    parts = [f'<text x="{left}" y="{top - 14}" font-size="14">{key[0]}, {key[1]} lengths: efficiency</text>']
    for percent in range(0, 126, 25):
        parts.append(f'<line x1="{left}" x2="{left + WIDTH}" y1="{y(percent / 100):.1f}" y2="{y(percent / 100):.1f}" stroke="#ddd"/>')
        parts.append(f'<text x="{left - 8}" y="{y(percent / 100) + 4:.1f}" text-anchor="end">{percent} %</text>')
    for power in range(last + 1):
        parts.append(f'<text x="{x(1 << power):.1f}" y="{top + HEIGHT + 16}" text-anchor="middle">{1 << power}</text>')
    parts.append(
        f'<text x="{left + WIDTH / 2}" y="{top + HEIGHT + 32}" text-anchor="middle">'
        'ranks (line: predicted on a cluster; dots: measured here)</text>')
    for number, one in enumerate(series):
        colour, dashes, radius = COLOURS[number % len(COLOURS)], DASHES[number % len(DASHES)], max(2, 6 - 1.7 * number)
        points = " ".join(f'{x(row["ranks"]):.1f},{y(efficiency(one["kind"], row, "predicted_cluster")):.1f}' for row in one["rows"])
        parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2" stroke-dasharray="{dashes}"/>')
        for row in one["rows"]:
            if row["measured"] is not None:
                height = y(efficiency(one["kind"], row, "measured"))
                parts.append(f'<circle cx="{x(row["ranks"]):.1f}" cy="{height:.1f}" r="{radius:.1f}" fill="{colour}"/>')
        parts.append(f'<text x="{left + 10}" y="{top + HEIGHT - 12 - 16 * number}" fill="{colour}">{one["variant"]}</text>')
    return "\n".join(parts)
