# SPDX-License-Identifier: MIT
"""From the results of scripts/bench to a table.

Results, as in the JSON:
    columns     the engines' names, in order
    workloads   [{name, group, runs: {column: [run...]}}]; a run holds
                nanoseconds per unit: wall (the clock beside the workload),
                best, cpu, host_wall and host_cpu (the host's clocks); units
                and sum, the checksum
    boots       {column: [{wall, cpu, uptime}...]}, seconds
    memory      {column: [MiB...]} beside the guest's RAM; idle_memory: MiB of
                a QEMU that has executed nothing
    scaling     {workload: {column: [{"1": ns, "2": ns}...]}}
    api         [{name, value, unit, low, high}] of anykvm-bench
    failures    [text...]
"""

import math
import re
import statistics

CLOCKS = {"wall": "wall", "cpu": "host_cpu"}
CLOCK_TOLERANCE = 0.1


class Figure:
    """Several measurements of one thing."""

    def __init__(self, values):
        self.values = list(values)
        self.median = statistics.median(self.values)
        self.low = min(self.values)
        self.high = max(self.values)

    def over(self, other):
        """This one in multiples of another's median."""
        return Figure(v / other.median for v in self.values)

    def spread(self):
        """Half of the distance from lowest to highest, relative."""
        return (self.high - self.low) / 2 / self.median if self.median else 0.0


def geomean(values):
    values = list(values)
    return math.exp(statistics.fmean(map(math.log, values))) if values else None


def figures(workload, clock):
    """{column: Figure}, of the columns that have one."""
    return {column: Figure(run[CLOCKS[clock]] for run in runs)
            for column, runs in workload["runs"].items() if runs}


def checksum_failures(results):
    """Every engine has to compute the same."""
    failures = []
    for workload in results["workloads"]:
        sums = {run["sum"]: column
                for column, runs in workload["runs"].items() for run in runs}
        if len(sums) > 1:
            failures.append(f"{workload['name']}: checksums differ: " + ", ".join(
                f"{value} ({column})" for value, column in sums.items()))
    return failures


def clock_doubts(results):
    """Where a guest's clock and the host's do not agree."""
    doubts = []
    for workload in results["workloads"]:
        for column, runs in workload["runs"].items():
            worst = max((abs(run["wall"] / run["host_wall"] - 1) for run in runs),
                        default=0)
            if worst > CLOCK_TOLERANCE:
                doubts.append(f"{workload['name']}, {column}: the guest's clock "
                              f"and the host's differ by {worst:.0%}")
    return doubts


def parse_micro(output):
    """The lines NAME VALUE UNIT (LOW to HIGH) of anykvm-bench."""
    pattern = r"^(\S.*?)\s+([\d.]+) (\S+)(?:\s+\(([\d.]+) to ([\d.]+)\))?\s*$"
    return [{"name": m[1], "value": float(m[2]), "unit": m[3],
             "low": float(m[4]) if m[4] else None,
             "high": float(m[5]) if m[5] else None}
            for m in re.finditer(pattern, output, re.MULTILINE)]


# -- Numbers as text --------------------------------------------------------------


def seconds(ns):
    for factor, unit in ((1e9, "s"), (1e6, "ms"), (1e3, "us")):
        if ns >= factor:
            return f"{three_digits(ns / factor)} {unit}"
    return f"{three_digits(ns)} ns"


def three_digits(value):
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def with_spread(text, figure):
    return f"{text} ±{figure.spread():.0%}"


def times(figure):
    return with_spread(f"{figure.median:.2f}", figure)


# -- The table: rows of cells -----------------------------------------------------


def guests(results):
    return [column for column in results["columns"] if column != "native"]


def compared(results):
    """Columns that are set against TCG's."""
    if "tcg" not in results["columns"]:
        return []
    return [column for column in guests(results) if column != "tcg"]


def header(results):
    return (["", "native, a unit"] + [f"{c}, x native" for c in guests(results)] +
            [f"{c}, x tcg" for c in compared(results)])


def workload_row(results, workload, clock):
    figure = figures(workload, clock)
    native = figure.get("native")
    row = [workload["name"]]
    row.append(with_spread(seconds(native.median), native) if native else "-")
    for column in guests(results):
        if column not in figure:
            row.append("-")
        elif native:
            row.append(times(figure[column].over(native)))
        else:
            row.append(with_spread(seconds(figure[column].median), figure[column]))
    for column in compared(results):
        both = column in figure and "tcg" in figure
        row.append(f"{figure[column].median / figure['tcg'].median:.2f}" if both else "-")
    return row


def ratios(results, group, column, base, clock):
    for workload in results["workloads"]:
        figure = figures(workload, clock)
        if workload["group"] == group and column in figure and base in figure:
            yield figure[column].median / figure[base].median


def geomean_row(results, group, clock):
    row = [f"geomean ({group})", ""]
    pairs = [(column, "native") for column in guests(results)]
    pairs += [(column, "tcg") for column in compared(results)]
    for column, base in pairs:
        mean = geomean(ratios(results, group, column, base, clock))
        row.append("-" if mean is None else f"{mean:.2f}")
    return row


def workload_table(results, clock):
    rows = [header(results)]
    groups = list(dict.fromkeys(w["group"] for w in results["workloads"]))
    for group in groups:
        rows += [workload_row(results, w, clock)
                 for w in results["workloads"] if w["group"] == group]
        rows.append(geomean_row(results, group, clock))
    return rows


def versus(results, figure, better):
    """Ratios to TCG of figures by column."""
    return [better(figure[column], figure["tcg"]) if column in figure and "tcg" in figure
            else "-" for column in compared(results)]


def quotient(a, b):
    return f"{a.median / b.median:.2f}" if b.median else "-"


def machine_rows(results, clock):
    """Boot, memory and scaling: the columns' own values, then x TCG."""
    rows = [["", "native"] + guests(results) + [f"{c}, x tcg" for c in compared(results)]]

    def add(name, figure, text, better=quotient):
        cells = [text(figure[c]) if c in figure else "-"
                 for c in ["native"] + guests(results)]
        if figure:
            rows.append([name] + cells + versus(results, figure, better))

    def measured(samples):
        return {column: Figure(values) for column, values in samples.items() if values}

    boots = results["boots"]
    for key, name in ((clock, f"boot to userspace ({clock}, s)"),
                      ("uptime", "the same, guest's uptime (s)")):
        add(name, measured({c: [b[key] for b in v] for c, v in boots.items()}), times)
    idle = results.get("idle_memory", 0)
    add("memory added to an idle QEMU's (MiB)",
        measured({c: [m - idle for m in v] for c, v in results["memory"].items()}),
        lambda f: f"{f.median:.1f}")
    for name, samples in results["scaling"].items():
        add(f"2 CPUs against 1: {name} (x)",
            measured({c: [p["1"] / p["2"] for p in v] for c, v in samples.items()}),
            times, lambda a, b: "")
    return rows


def api_rows(results):
    return [["anykvm's API without a VMM", "median", "lowest to highest"]] + [
        [f["name"], f"{f['value']:g} {f['unit']}",
         f"{f['low']:g} to {f['high']:g}" if f.get("low") is not None else ""]
        for f in results["api"]]


# -- Tables as text ---------------------------------------------------------------


def plain(rows):
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = [row[0].ljust(widths[0])]
        cells += [cell.rjust(width) for cell, width in zip(row[1:], widths[1:])]
        lines.append("  ".join(cells).rstrip())
    lines.insert(1, "-" * max(map(len, lines)))
    return "\n".join(lines)


def markdown(rows):
    def line(cells):
        return "| " + " | ".join(cells) + " |"
    return "\n".join([line(rows[0]), "|---" * len(rows[0]) + "|"] +
                     [line(row) for row in rows[1:]])


def tables(results, clock):
    every = [workload_table(results, clock), machine_rows(results, clock)]
    if results["api"]:
        every.append(api_rows(results))
    return [rows for rows in every if len(rows) > 1]


def conditions(results):
    about = results["about"]
    return (f"{about['cpu']}, {about['cpus']} CPUs, Linux {about['kernel']}; "
            f"{about['qemu']}; guest {about['guest']}; {about['commit']}, {about['date']}; "
            f"{about['rounds']} rounds; load {about['load'][0]:.1f} to {about['load'][1]:.1f}")


def problems(results):
    return results["failures"] + checksum_failures(results)


def text(results, clock):
    parts = [plain(rows) for rows in tables(results, clock)]
    parts.append(conditions(results))
    parts += [f"note: {doubt}" for doubt in clock_doubts(results)]
    parts += [f"FAILED: {problem}" for problem in problems(results)]
    return "\n\n".join(parts)


def document(results, clock, plot):
    """The page in docs/bench."""
    what = {"wall": "elapsed time", "cpu": "CPU time of the host"}[clock]
    parts = ["# Benchmarks", "Written by `make bench ARGS=--write-docs`; "
             "[performance.md](../performance.md) says what is measured, and how.",
             f"Medians of {what}, ± half the distance from lowest to highest.",
             conditions(results), f"![times native]({plot})"]
    parts += [markdown(rows) for rows in tables(results, clock)]
    parts += [f"- {line}" for line in problems(results)]
    return "\n\n".join(parts) + "\n"
