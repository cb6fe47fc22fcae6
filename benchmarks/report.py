"""Writes the table of a side-by-side run to docs/performance.md and its chart.

usage: report.py RESULTS.json [LIMITS.txt]

RESULTS.json has for each case the median seconds of each framework, in one run on one machine in
turn: {"case": {"t": {"ours": …, "torch": …, "jax": …, "mlx": …}}}. The first framework is ours.
LIMITS.txt is what the example `roofline` prints.
Why a case is slower than the best of the others, and what would help, stands in reasons.toml.
"""

import json
import math
import pathlib
import platform
import re
import sys
import tomllib

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

ROOT = pathlib.Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "performance.md"
CHART = ROOT / "docs" / "pictures" / "performance.png"


def machine() -> str:
    """The processor, as far as it says."""
    info = pathlib.Path("/proc/cpuinfo")
    if not info.exists():
        return platform.processor() or platform.machine()
    fields: dict[str, str] = {}
    cores = 0
    for line in info.read_text().splitlines():
        name, _, value = line.partition(":")
        cores += name.strip() == "processor"
        fields[name.strip()] = value.strip()
    flags = fields.get("flags", "").split()
    wide = [flag for flag in ("avx2", "avx512f", "avx512_bf16", "amx_bf16") if flag in flags]
    return f"{fields.get('model name', 'unknown')}, {cores} threads, {' '.join(wide)}"


def geometric_mean(values: list[float]) -> float:
    return math.exp(sum(map(math.log, values)) / len(values))


def ratio(ours: float, other: float | None) -> str:
    return "–" if other is None else f"{ours / other:.2f}"


def draw(best: dict[str, float]) -> None:
    names = sorted(best, key=lambda name: best[name])
    figure, axes = plt.subplots(figsize=(7, 0.19 * len(names) + 1))
    colours = ["#3b6ea5" if best[name] <= 1 else "#b5533c" for name in names]
    axes.barh(names, [best[name] for name in names], color=colours)
    axes.axvline(1, color="black", linewidth=0.8)
    axes.set_xscale("log")
    axes.set_xlabel("time over the best other framework's (left of the line is faster)")
    axes.tick_params(labelsize=7)
    axes.invert_yaxis()
    axes.margins(y=0.01)
    figure.tight_layout()
    figure.savefig(CHART, dpi=130)


def near_the_limits(printed: str) -> list[str]:
    """The section with every family's share of the machine's limits."""
    heading, *lines = printed.splitlines()
    rows = [re.split(r"\s{2,}", line.strip()) for line in lines if line.strip()]
    columns, *cases = rows
    return [
        "",
        "## Near the limits",
        "",
        f"Every kernel family by itself ({heading}): bytes that must be read and written once and",
        "multiplications and additions, a second, and what loops that only read and only compute reached",
        "at the same time. The limit is the larger of bytes over the one and operations over the other;",
        "its share of the time is the last column. More than 100% means that writing past the caches is",
        "faster than reading, that the caches helped, or Winograd's algorithm.",
        "",
        "| " + " | ".join(["case", *columns]) + " |",
        "|" + " --- |" * (len(columns) + 1),
        *(f"| {' | '.join(case)} |" for case in cases),
    ]


def main() -> None:
    results = json.loads(pathlib.Path(sys.argv[1]).read_text())
    reasons = tomllib.loads((ROOT / "benchmarks" / "reasons.toml").read_text())
    times = {case: result["t"] for case, result in results.items()}
    ours, *others = next(iter(times.values()))
    best: dict[str, float] = {}
    rows = []
    for case, row in times.items():
        found = [row[name] for name in others if row[name]]
        if not row[ours] or not found:
            rows.append(f"| {case} | " + " | ".join("–" for _ in range(len(others) + 1)) + " |")
            continue
        best[case] = row[ours] / min(found)
        cells = [ratio(row[ours], row[name]) for name in others]
        mark = f"**{best[case]:.2f}**" if best[case] > 1 else f"{best[case]:.2f}"
        rows.append(f"| {case} | " + " | ".join([*cells, mark]) + " |")
    slower = {case: value for case, value in best.items() if value > 1}
    draw(best)
    header = " | ".join(f"/ {name}" for name in others)
    lines = [
        "# Performance",
        "",
        "Time of mlx-oxide over that of others on the CPU: below 1 is faster. Every case ran in turn",
        "in one process for each framework, side by side, on two threads; a figure is the ratio of",
        "median times. Written by `benchmarks/report.py`.",
        "",
        f"Machine: {machine()}. Others share its processor: what it gives varies by up to a factor of",
        "two within seconds, so that ratios near 1 fall on either side of it from run to run.",
        "",
        f"Geometric mean over the best other framework of each case: **{geometric_mean(list(best.values())):.2f}**"
        f" over {len(best)} cases, {len(slower)} of them above 1.",
        "",
        "![ratio to the best other framework](pictures/performance.png)",
        "",
        f"| case | {header} | / best |",
        "|" + " --- |" * (len(others) + 2),
        *rows,
        "",
        "## Above 1",
        "",
        "*Again* is the ratio in a second run of these cases.",
        "",
    ]
    for case, value in sorted(slower.items(), key=lambda item: -item[1]):
        lines.append(f"- `{case}` ({value:.2f}): {reasons.get(case, 'not looked into yet')}.")
    if not slower:
        lines.append("None.")
    if len(sys.argv) > 2:
        lines += near_the_limits(pathlib.Path(sys.argv[2]).read_text())
    PAGE.write_text("\n".join(lines) + "\n")
    print(f"wrote {PAGE} and {CHART}")


if __name__ == "__main__":
    main()
