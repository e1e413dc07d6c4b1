"""The picture: medians as bars, the least and the most as whiskers."""

from pathlib import Path
from typing import Any, Final

import matplotlib as mpl

mpl.use("Agg")

from matplotlib import pyplot as plt

from bench.plan import GRPC, LABELS, LEVELS, PGBENCH_CLIENTS, REST, Case
from bench.summary import Lines

COLOURS: Final = {
    "native": "#1f5fa8",
    "grpcio": "#6fa8dc",
    "gateway": "#1f5fa8",
    "go": "#e08e2b",
    "express": "#e08e2b",
    "naive": "#8c8c8c",
    "fastapi": "#8c8c8c",
    "pgbench": "#2e7d32",
}
_WIDTH: Final = 0.8


def draw(found: Lines, machine: dict[str, int], folder: Path, name: str) -> None:
    """Write NAME.svg and NAME.png."""
    # No random ids and no time in the file: the same figures make the same picture.
    mpl.rcParams.update({"svg.hashsalt": "readstate", "font.size": 9, "axes.axisbelow": True})
    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 5), width_ratios=[4, 3], layout="constrained")
    _bars(left, found, GRPC)
    left.set_title("gRPC: MarkRead, one id a call")
    _database_alone(left, found)
    _bars(right, found, REST)
    right.set_title("REST: POST /systemevent/read")
    for axes in left, right:
        axes.set_xlabel("calls in flight")
        axes.set_ylabel("durable calls a second")
        axes.yaxis.set_major_formatter(mpl.ticker.StrMethodFormatter("{x:,.0f}"))
        axes.grid(axis="y", color="#dddddd")
        axes.spines[["top", "right"]].set_visible(False)
        axes.margins(y=0.1)
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.13), ncols=2, frameon=False)
    cores, memory = machine["cores"], machine["memory_gib"]
    figure.suptitle(f"Durable MarkRead calls on {cores} cores and {memory} GiB, load generator included", fontsize=11)
    figure.savefig(folder / f"{name}.svg", metadata={"Date": None})
    figure.savefig(folder / f"{name}.png", dpi=150, metadata={"Software": None})
    plt.close(figure)


def _bars(axes: Any, found: Lines, contenders: tuple[str, ...]) -> None:
    width = _WIDTH / len(contenders)
    for place, contender in enumerate(contenders):
        groups = [group for group, level in enumerate(LEVELS) if Case(contender, level) in found]
        spreads = [found[Case(contender, LEVELS[group])].calls_per_second for group in groups]
        if not spreads:
            continue
        bars = axes.bar(
            [group + (place + 0.5) * width - _WIDTH / 2 for group in groups],
            [spread.median for spread in spreads],
            width * 0.92,
            yerr=[[s.median - s.min for s in spreads], [s.max - s.median for s in spreads]],
            color=COLOURS[contender],
            label=LABELS[contender],
            error_kw={"elinewidth": 1, "capsize": 3, "ecolor": "#222222"},
        )
        axes.bar_label(bars, [f"{spread.median:,.0f}" for spread in spreads], padding=2, fontsize=7)
    axes.set_xticks(range(len(LEVELS)), [str(level) for level in LEVELS])


def _database_alone(axes: Any, found: Lines) -> None:
    line = found.get(Case("pgbench", PGBENCH_CLIENTS))
    if line is None:
        return
    spread, colour = line.calls_per_second, COLOURS["pgbench"]
    label = f"{LABELS['pgbench']}, {PGBENCH_CLIENTS} clients: {spread.median:,.0f}"
    axes.axhspan(spread.min, spread.max, color=colour, alpha=0.12, linewidth=0)
    axes.axhline(spread.median, color=colour, linestyle="--", linewidth=1.2, label=label)
