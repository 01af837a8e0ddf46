"""What people read of the benchmark: tables in Markdown and a plot, made from the dated file only.

python -m pliant.benchmarks.search.report benchmarks/results/search-HARDWARE-DATE.json [--docs PAGE]
"""

from __future__ import annotations

import statistics
from pathlib import Path
from typing import Any

import numpy as np

from ..reporting import Entry, read_and_report, table
from ..training.methods import SUBJECTS

BASE = "uniform-width"
RULE, RIVALS = "ecmt", ("encoder-only", "random")
"""The predecessor's rule, and what it has to beat beside the base."""
MEASURES = ("control", "hypervolume", "uniformity", "response")
RESAMPLES = 10_000
_NUMBERED = {
    name: number
    for number, name in enumerate(
        (BASE, "encoder-only", RULE, "joint-fp32", "search-then-int8", "joint", "random", "factorized"), 1
    )
}
"""Methods that texts call by their number."""
CONTROL = "control, 1e-3"
"""What the column of control is called: a volume of as many axes as there are tasks is small."""


def tables(entry: Entry) -> str:
    """The whole report as Markdown."""
    said = f"{entry['hardware']}, {entry['date']}; the file's `command` measures it anew."
    names = sorted(_names(entry, "data"), key=list(SUBJECTS).index)
    return "\n\n".join([said, *(_of_data(entry, data) for data in names)]) + "\n"


def _of_data(entry: Entry, data: str) -> str:
    head = ["method", "seeds", "evaluations", CONTROL, f"over ({_NUMBERED[BASE]})", "95 % interval", *MEASURES[1:]]
    lines = []
    for method in _names(entry, "method"):
        if rows := _rows(entry, data, method):
            control, *others = (_mean(rows, name) for name in MEASURES)
            over = _over(entry, data, method)
            lines.append([_named(method), str(len(rows)), _effort(rows), control, *over, *others])
    parts = [f"### {data}", f"{_estimated(entry, data)} {_learned(entry, data)}", table(head, lines)]
    return "\n\n".join([*parts, *_rule(entry, data)])


def _named(method: str) -> str:
    return f"({_NUMBERED[method]}) {method}" if method in _NUMBERED else method


def _effort(rows: list[Entry]) -> str:
    """How many evaluations, and what they are worth: multiply-adds of one image through all of them."""
    count = f"{statistics.fmean(row['evaluations'] for row in rows):.0f}"
    macs = [row["evaluated_macs"] for row in rows if "evaluated_macs" in row]
    return f"{count} ({statistics.fmean(macs) / 1e9:.1f} G)" if macs else count


def _rule(entry: Entry, data: str) -> list[str]:
    """How much more control the predecessor's rule has than its other rivals."""
    told = [f"{over[0]} over {rival} ({over[1]})" for rival in RIVALS if (over := _over(entry, data, RULE, rival))[0]]
    return [f"Control of {RULE}: {', '.join(told)}."] if told else []


def _estimated(entry: Entry, data: str) -> str:
    fits = entry["latency"][data]
    told = [
        f"{fit['held_out_error']:.1%} off in {name} (Kendall's tau {fit['held_out_tau']:.2f})"
        for name, fit in fits.items()
    ]
    return f"Latencies of subnets that were not learned from are estimated {', '.join(told)}."


def _learned(entry: Entry, data: str) -> str:
    fit = entry.get("quality", {}).get(data)
    if fit is None:
        return "Too few encoders were measured to say how well quality is predicted."
    off, tau = f"{fit['held_out_error']:.1%}", f"{fit['held_out_tau']:.2f}"
    return f"Quality, learned from 60 measured encoders, is predicted {off} off on others (tau {tau})."


def _over(entry: Entry, data: str, method: str, base: str = BASE) -> list[str]:
    """How much more control than the base, and its interval by bootstrap over seeds and budgets."""
    mine, theirs = _rows(entry, data, method), _rows(entry, data, base)
    if method == base or not mine or not theirs:
        return ["", ""]
    low, middle, high = control_ratio(mine, theirs)
    return [f"{100 * middle - 100:+.0f} %", f"{100 * low - 100:+.0f} to {100 * high - 100:+.0f} %"]


def control_ratio(rows: list[Entry], base: list[Entry], seed: int = 0) -> tuple[float, float, float]:
    """Control of a method over a base's: 2.5 % quantile, ratio of means, 97.5 % quantile.

    Budgets, the same for both, and seeds, each method's own, are drawn with replacement.
    """
    mine, theirs = (np.array([row["control_by_budget"] for row in each]) for each in (rows, base))
    rng = np.random.default_rng(seed)
    budgets = rng.integers(0, mine.shape[1], (RESAMPLES, mine.shape[1]))

    def resampled(values: np.ndarray[Any, np.dtype[np.float64]]) -> np.ndarray[Any, np.dtype[np.float64]]:
        seeds = rng.integers(0, len(values), (RESAMPLES, len(values)))
        by_seed = values[seeds].mean(1)
        return np.asarray(np.take_along_axis(by_seed, budgets, 1).mean(1))

    ratios = resampled(mine) / np.maximum(resampled(theirs), 1e-12)
    low, high = np.quantile(ratios, [0.025, 0.975])
    return float(low), float(mine.mean() / max(theirs.mean(), 1e-12)), float(high)


def _mean(rows: list[Entry], measure: str) -> str:
    scale, digits = (1e3, 2) if measure == "control" else (1.0, 4)
    values = [scale * row[measure] for row in rows]
    spread = f" ± {statistics.stdev(values):.{digits}f}" if len(values) > 1 else ""
    return f"{statistics.fmean(values):.{digits}f}{spread}"


def _names(entry: Entry, key: str) -> list[str]:
    return list(dict.fromkeys(row[key] for row in entry["rows"]))


def _rows(entry: Entry, data: str, method: str) -> list[Entry]:
    return [row for row in entry["rows"] if row["data"] == data and row["method"] == method]


def plot(entry: Entry, out: Path) -> None:
    """Control at each budget, and hypervolume of each method with its spread, for every data set."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    names = _names(entry, "data")
    figure, axes = pyplot.subplots(
        2, len(names), figsize=(4.8 * len(names) + 1.6, 7.5), squeeze=False, layout="constrained"
    )
    for column, data in enumerate(names):
        _plot_control(axes[0][column], entry, data)
        _plot_volume(axes[1][column], entry, data)
    shown = {name: line for axis in axes[0] for line, name in zip(*axis.get_legend_handles_labels(), strict=True)}
    figure.legend(list(shown.values()), list(shown), loc="outside right upper", frameon=False)
    figure.savefig(out, dpi=110)
    pyplot.close(figure)


def _plot_control(axis: Any, entry: Entry, data: str) -> None:
    for color, method in _colored(entry):
        rows = _rows(entry, data, method)
        if rows:
            means = np.array([row["control_by_budget"] for row in rows]).mean(0)
            budgets = np.arange(1, len(means) + 1) / (len(means) + 1)
            axis.plot(budgets, means, marker="o", markersize=3, label=method, color=color)
    axis.set(title=data, xlabel="latency budget, from narrowest (0) to widest (1)", ylabel="control", xlim=(0, 1))


def _plot_volume(axis: Any, entry: Entry, data: str) -> None:
    shown = [(color, method) for color, method in _colored(entry) if _rows(entry, data, method)]
    for place, (color, method) in enumerate(shown):
        values = [row["hypervolume"] for row in _rows(entry, data, method)]
        spread = statistics.stdev(values) if len(values) > 1 else 0.0
        axis.errorbar(statistics.fmean(values), place, xerr=spread, fmt="o", capsize=3, color=color)
    labels = [method for _, method in shown]
    axis.set(yticks=range(len(shown)), yticklabels=labels, xlabel="hypervolume over measured latency")
    axis.invert_yaxis()


def _colored(entry: Entry) -> list[tuple[str, str]]:
    """Every method with its colour, the same for all data sets, whichever of them lack it."""
    return [(f"C{place}", method) for place, method in enumerate(_names(entry, "method"))]


if __name__ == "__main__":
    raise SystemExit(read_and_report("search", tables, plot))
