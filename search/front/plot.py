"""A front as a picture: quality of each task over cost, what its preference buys in colour."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...devices.errors import InputError
from ...devices.writing import write_atomically
from ...runtime.format.tasks import Task
from ..entries import FrontEntry
from .front import Front

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito's colours, a task each: distinct for colour-blind readers too.
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#B8A900")
GREY, INK, RULE = "#A9B0B7", "#22272B", "#DFE3E6"
MOST_PANELS = 24
STYLE: dict[str, Any] = {
    "font.size": 9,
    "axes.edgecolor": GREY,
    "axes.labelcolor": INK,
    "axes.titleweight": "bold",
    "axes.titlesize": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "grid.color": RULE,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
}


def plot_front(front: Front, path: str | Path) -> None:
    """Write a PNG: one panel a task, quality over macs, and a second row over latency where every entry has one."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    costs = ["macs"] + (["latency"] if all(entry.latency for entry in front.entries) else [])
    tasks = front.tasks[:MOST_PANELS]
    columns = min(len(tasks), 4)
    rows = math.ceil(len(tasks) / columns)
    with mpl.rc_context(STYLE):  # type: ignore[arg-type]
        figure = Figure(figsize=(3.4 * columns + 0.3, 3.0 * rows * len(costs) + 1.1), dpi=130, layout="constrained")
        panels = figure.subplots(rows * len(costs), columns, squeeze=False)
        for place, cost in enumerate(costs):
            for index, axes in enumerate(panels[place * rows : (place + 1) * rows].flat):
                if index < len(tasks):
                    _panel(axes, front, index, cost)
                else:
                    axes.set_axis_off()
        figure.suptitle(title(front), fontsize=11, x=0.01, ha="left")
        legend = dict(pair for axes in panels.flat for pair in zip(*_swapped(axes), strict=True))
        if legend:
            figure.legend([*legend.values()], [*legend], loc="outside lower left", ncols=min(len(legend), 2 * columns))
        save_picture(figure, path)


def save_picture(figure: Figure, path: str | Path) -> None:
    """Write a figure as a PNG, whole or not at all; InputError where it cannot be written."""
    drawn, path = io.BytesIO(), Path(path)
    figure.savefig(drawn, format="png", facecolor="white")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, drawn.getvalue())
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror}") from error


def _swapped(axes: Axes) -> tuple[list[str], list[Any]]:
    handles, labels = axes.get_legend_handles_labels()
    return list(labels), list(handles)


def _panel(axes: Axes, front: Front, index: int, cost: str) -> None:
    """Every subnet as a dot; what a growing budget buys when all tasks are equal, and when this one is preferred.

    A line for each preference in each panel would hide what they do: to raise their own task.
    """
    task = front.tasks[index]
    scale, unit = _scale(front, cost)
    axes.grid(True, linewidth=0.8)
    equal, favourite = _shown_preferences(front, task)
    # Under another mark a grey dot is not seen, and the legend would explain what is not there.
    rest = [each for each in front.entries if not {equal, favourite} & {*each.preferences}]
    rest = [each for each in rest if each not in (front.narrowest, front.widest)]
    if rest:
        axes.scatter(*_points(rest, task, cost, scale), s=15, color=GREY, linewidths=0, label="a subnet")
    for name, color, label in ((equal, INK, "all tasks equal"), (favourite, COLORS[index % len(COLORS)], None)):
        chosen = [each for each in front.entries if name in each.preferences]
        if chosen:
            xs, ys = _points(chosen, task, cost, scale)
            axes.plot(xs, ys, "-", drawstyle="steps-post", color=color, linewidth=1.2, alpha=0.45 if label else 0.9)
            axes.plot(xs, ys, "o", color=color, markersize=3.6, label=label or f"prefer {name}")
    _name_ends(axes, front, task, cost, scale)
    arrow = "higher is better" if task.higher_is_better else "lower is better"
    axes.set_title(task.name, loc="left")
    axes.set_ylabel(f"{task.metric}{f', {task.metric_units}' if task.metric_units else ''} ({arrow})")
    axes.set_xlabel(unit)
    axes.set_xlim(left=0.0)
    axes.margins(y=0.14)
    if not task.higher_is_better:
        axes.invert_yaxis()


def _shown_preferences(front: Front, task: Task) -> tuple[str | None, str | None]:
    """Names of the preference with equal weights, and of the one that gives this task the largest share."""
    shares = {name: weights[task.name] / sum(weights.values()) for name, weights in front.preferences.items()}
    equal = next((name for name, weights in front.preferences.items() if len(set(weights.values())) == 1), None)
    favourite = max(shares, key=lambda name: shares[name], default=None)
    return equal, favourite if favourite != equal else None


def _name_ends(axes: Axes, front: Front, task: Task, cost: str, scale: float) -> None:
    for entry, name, side, shift in ((front.narrowest, "narrowest", "left", 5), (front.widest, "widest", "right", -2)):
        ((x,), (y,)) = _points([entry], task, cost, scale)
        axes.plot(x, y, marker="D", color=INK, markersize=5.5, zorder=5)
        below = -12 if name == "narrowest" else 7
        axes.annotate(name, (x, y), (shift, below), textcoords="offset points", ha=side, fontsize=8, zorder=6)


def _points(entries: Sequence[FrontEntry], task: Task, cost: str, scale: float) -> tuple[list[float], list[float]]:
    pairs = sorted((_cost(entry, cost) / scale, entry.quality[task.name]) for entry in entries)
    return [x for x, _ in pairs], [y for _, y in pairs]


def _cost(entry: FrontEntry, cost: str) -> float:
    if cost == "macs" or entry.latency is None:
        return float(entry.macs)
    return entry.latency.value


def _scale(front: Front, cost: str) -> tuple[float, str]:
    """What costs are divided by, and how the axis is called."""
    if cost == "latency":
        kinds = {entry.latency.kind for entry in front.entries if entry.latency}
        return 1.0, f"latency, ms ({' and '.join(sorted(kinds))})"
    widest = front.widest.macs
    for scale, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if widest >= scale:
            return scale, f"multiply-adds, {unit}"
    return 1.0, "multiply-adds"


def title(front: Front) -> str:
    """In a line: the data, the subnets, and what they were found by."""
    origin = front.provenance
    return (
        f"{origin.data}: {len(front.entries)} subnets by {origin.algorithm}, from {origin.evaluations} "
        f"evaluations, on {origin.images} {origin.split} images"
    )
