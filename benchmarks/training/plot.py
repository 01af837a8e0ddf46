"""The picture of the benchmark: gains by width, what each lever adds, and how far separate networks got."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from ..reporting import Entry
from .delta import gains, levers
from .methods import MAIN, SEPARATE, WIDTHS
from .plateau import plateau

_FULL = 6.0
"""Points at which a lever's colour is at its deepest."""
_APART = 0.012
"""Of a width, so that the bars of two methods do not lie on one another."""


def plot(entry: Entry, out: Path) -> None:
    """Gain by width for every data set, the separate networks' validation curves, and below them the levers."""
    names = list(dict.fromkeys(row["data"] for row in entry["rows"]))
    of_data = {data: found for data in names if (found := _levers(entry, data))}
    rows = max(map(len, of_data.values()), default=0)
    heights = [3.5, 3.5, *([0.7 + 0.3 * rows] if rows else [])]
    figure, axes = _figure(heights, [4.5] * len(names))
    for column, data in enumerate(names):
        axes[0][column].sharey(axes[0][0])
        _plot_gains(axes[0][column], entry, data)
        _plot_curves(axes[1][column], entry, data)
        if rows:
            _plot_levers(axes[2][column], of_data.get(data, {}))
    _save(figure, out)


def plot_levers(entry: Entry, out: Path) -> None:
    """What each lever adds, alone."""
    of_data = {data: _levers(entry, data) for data in dict.fromkeys(row["data"] for row in entry["rows"])}
    figure, axes = _figure([0.9 + 0.3 * max(map(len, of_data.values()))], [5.5] * len(of_data))
    for axis, found in zip(axes[0], of_data.values(), strict=True):
        _plot_levers(axis, found)
    _save(figure, out)


def _figure(heights: list[float], widths: list[float]) -> tuple[Any, Any]:
    """A figure without a screen, and its axes: rows of these heights, columns of these widths, in inches."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    return pyplot.subplots(
        len(heights),
        len(widths),
        figsize=(sum(widths), sum(heights)),
        squeeze=False,
        height_ratios=heights,
        layout="constrained",
    )


def _save(figure: Any, out: Path) -> None:
    from matplotlib import pyplot

    figure.savefig(out, dpi=110)
    pyplot.close(figure)


def _plot_gains(axis: Any, entry: Entry, data: str) -> None:
    """Mean and standard deviation over seeds; hollow where one seed is all there is, for its spread is not known."""
    for number, method in enumerate(name for name in MAIN if name != SEPARATE):
        found = gains(entry["rows"], data, method)
        if found:
            spreads = [0.0 if math.isnan(gain.spread) else 100 * gain.spread for gain in found.values()]
            means = [100 * gain.mean for gain in found.values()]
            seeds = max(gain.seeds for gain in found.values())
            said = f"{method}, {seeds} seeds" if seeds > 1 else f"{method}, 1 seed"
            places = [width + (2 * number - 1) * _APART for width in found]
            fill = {} if seeds > 1 else {"markerfacecolor": "white"}
            axis.errorbar(places, means, spreads, marker="o", capsize=3, label=said, **fill)
    axis.axhline(0.0, color="black", linewidth=0.8)
    axis.set(title=data, xlabel="width", ylabel="gain over separate, % (± sd over seeds)", xticks=WIDTHS)
    if axis.get_legend_handles_labels()[0]:
        axis.legend(fontsize="small", frameon=False)


def _levers(entry: Entry, data: str) -> dict[str, list[float]]:
    """By lever and how many seeds, points of gain more than the default of the same seeds has, by width."""
    return {
        f"{lever.method} ({lever.points[WIDTHS[0]].seeds})": [100 * lever.points[width].mean for width in WIDTHS]
        for lever in levers(entry["rows"], data)
        if lever.method not in MAIN
    }


def _plot_levers(axis: Any, of_data: dict[str, list[float]]) -> None:
    """A table, coloured: what a lever adds to the default, in points of gain."""
    if not of_data:
        axis.axis("off")
        return
    axis.imshow(list(of_data.values()), cmap="RdBu", vmin=-_FULL, vmax=_FULL, aspect="auto")
    for row, points in enumerate(of_data.values()):
        for column, value in enumerate(points):
            color = "white" if abs(value) > 0.7 * _FULL else "black"
            axis.text(column, row, f"{value:+.1f}", ha="center", va="center", color=color, fontsize="small")
    axis.set_xticks(range(len(WIDTHS)), [f"{width:g}" for width in WIDTHS])
    axis.set_yticks(range(len(of_data)), list(of_data), fontsize="small")
    axis.set(title="points more than the default of the same seeds", xlabel="width; (seeds)")
    axis.title.set_fontsize("small")


def _plot_curves(axis: Any, entry: Entry, data: str) -> None:
    """Where the separate networks' quality stood at the end of an epoch, relative to their last: flat is a plateau."""
    for width, curve in plateau(entry, data).items():
        axis.plot(list(curve), list(curve.values()), label=f"width {width:g}")
    axis.set(xlabel="step", ylabel="separate: quality over its last (validation)")
    if axis.get_legend_handles_labels()[0]:
        axis.legend(fontsize="small", frameon=False)
