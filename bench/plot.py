# SPDX-License-Identifier: MIT
"""The results as SVG: a bar for each workload and engine, x native, logarithmic."""

import math
from xml.sax.saxutils import escape

import report

LEFT, RIGHT, TOP, BOTTOM = 130, 60, 40, 30
WIDTH = 760
BAR, GAP = 10, 8
COLOURS = ["#8a8f98", "#2b6cb0", "#c05621", "#2f855a", "#6b46c1"]


def rows(results, clock):
    """(name, {column: Figure x native}), and the geometric means."""
    for group in dict.fromkeys(w["group"] for w in results["workloads"]):
        for workload in results["workloads"]:
            figures = report.figures(workload, clock)
            if workload["group"] != group or "native" not in figures:
                continue
            yield workload["name"], {
                column: figures[column].over(figures["native"])
                for column in report.guests(results) if column in figures}
        means = {}
        for column in report.guests(results):
            mean = report.geomean(report.ratios(results, group, column, "native", clock))
            if mean is not None:
                means[column] = report.Figure([mean])
        if means:
            yield f"geomean ({group})", means


class Scale:
    """From a ratio to a place on the x axis."""

    def __init__(self, values):
        self.low = math.floor(min([0.0] + [math.log10(v) for v in values]))
        self.high = max([1.0] + [math.log10(v) for v in values]) + 0.05

    def x(self, value):
        part = (math.log10(value) - self.low) / (self.high - self.low)
        return LEFT + part * (WIDTH - LEFT - RIGHT)

    def ticks(self):
        for power in range(self.low, math.ceil(self.high) + 1):
            for digit in (1, 2, 5):
                value = digit * 10.0 ** power
                if math.log10(value) <= self.high:
                    yield value


def text(x, y, what, anchor="start", extra=""):
    return (f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{extra}>'
            f"{escape(what)}</text>")


def line(x1, y1, x2, y2, colour):
    return (f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" '
            f'stroke="{colour}"/>')


def axis(scale, bottom):
    for value in scale.ticks():
        x = scale.x(value)
        yield line(x, TOP, x, bottom, "#333" if value == 1 else "#ddd")
        yield text(x, bottom + 14, f"{value:g}", "middle")
    yield text(WIDTH - RIGHT, bottom + 26, "times native, logarithmic", "end")


def legend(columns, colours):
    x = LEFT
    for column in columns:
        yield f'<rect x="{x}" y="14" width="12" height="12" fill="{colours[column]}"/>'
        yield text(x + 17, 24, column)
        x += 30 + 8 * len(column)


def bar(scale, y, figure, colour):
    start, end = sorted((scale.x(1), scale.x(figure.median)))
    yield (f'<rect x="{start:.1f}" y="{y}" width="{max(end - start, 1):.1f}" '
           f'height="{BAR - 1}" fill="{colour}"/>')
    low, high = scale.x(figure.low), scale.x(figure.high)
    yield line(low, y + BAR / 2, high, y + BAR / 2, "#000")
    yield text(max(end, high) + 4, y + BAR - 1.5, f"{figure.median:.3g}")


def svg(results, clock):
    columns = report.guests(results)
    colours = {c: COLOURS[i % len(COLOURS)] for i, c in enumerate(columns)}
    data = list(rows(results, clock))
    values = [v for _, figures in data for f in figures.values() for v in f.values]
    scale = Scale(values)
    height = BAR * len(columns) + GAP
    bottom = TOP + height * len(data)
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" '
             f'height="{bottom + BOTTOM}" font-family="sans-serif" font-size="11">',
             f'<rect width="{WIDTH}" height="{bottom + BOTTOM}" fill="#fff"/>']
    parts += [*axis(scale, bottom), *legend(columns, colours)]
    for i, (name, figures) in enumerate(data):
        y = TOP + i * height + GAP // 2
        weight = ' font-weight="bold"' if name.startswith("geomean") else ""
        parts.append(text(LEFT - 8, y + height / 2, name, "end", weight))
        for j, column in enumerate(columns):
            if column in figures:
                parts += bar(scale, y + j * BAR, figures[column], colours[column])
    return "\n".join(parts + ["</svg>"]) + "\n"
