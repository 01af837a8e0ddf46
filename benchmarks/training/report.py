"""What people read of the benchmark: tables in Markdown and plots, made from the dated file only.

python -m pliant.benchmarks.training.report benchmarks/results/training-HARDWARE-DATE.json [--docs PAGE]
"""

from __future__ import annotations

import math
import statistics
from collections import defaultdict

from ..reporting import Entry, read_and_report, table
from .delta import Gain, gains, levers, task_gains
from .methods import DEFAULT, MAIN, METHODS, SEPARATE, WIDTHS
from .plateau import plateau
from .plot import plot

_MANY = 6
"""Tasks up to which each has lines of its own."""
_BY_WIDTH = [f"width {width:g}" for width in WIDTHS]


def tables(entry: Entry) -> str:
    """The whole report as Markdown, a part for each data set."""
    seeds = ", ".join(map(str, entry["seeds"]))
    said = f"{entry['hardware']}, {entry['date']}, seeds {seeds}; the file's `command` measures what is missing"
    said += " of it: all, with a `--work` and `--results` of its own."
    parts = [said, *(_of_data(entry, data) for data in dict.fromkeys(row["data"] for row in entry["rows"]))]
    return "\n\n".join(parts) + "\n"


def _of_data(entry: Entry, data: str) -> str:
    """Gains, metrics, costs, levers and curves: what there is of each."""
    of_data = [row for row in entry["rows"] if row["data"] == data]
    few = len({row["task"] for row in of_data}) <= _MANY
    parts = [
        f"### {data}",
        _gains(entry, data, few),
        _values(of_data) if few else _task_means(of_data),
        "" if few else _ahead(entry, data),
        _costs(entry, data),
        levers_of(entry, data),
        _plateau(entry, data),
    ]
    return "\n\n".join(part for part in parts if part)


def _gains(entry: Entry, data: str, by_task: bool) -> str:
    """Of the supernets, and of separate networks of other rates: how far the rate is theirs."""
    rows = []
    for method in [name for name in METHODS if name != SEPARATE and (name in MAIN or METHODS[name].separate)]:
        if found := gains(entry["rows"], data, method):
            rows.append([method, "mean of tasks", *(_percent(found.get(width)) for width in WIDTHS)])
        of_task = task_gains(entry["rows"], data, method) if by_task else {}
        for task in dict.fromkeys(row["task"] for row in entry["rows"] if row["data"] == data):
            if cells := [of_task.get((width, task)) for width in WIDTHS if of_task]:
                rows.append(["", task, *map(_percent, cells)])
    return table([f"gain over {SEPARATE}; seeds ahead", "", *_BY_WIDTH], rows) if rows else ""


def _values(of_data: list[Entry]) -> str:
    """Every task's metric by method and width: mean over seeds and standard deviation."""
    lines = []
    for task, row in {row["task"]: row for row in of_data}.items():
        for method in _compared(of_data):
            found = [each for each in of_data if each["method"] == method and each["task"] == task]
            cells = [_spread([each["value"] for each in found if each["width"] == width]) for width in WIDTHS]
            lines.append([_named(f"{task}, {row['metric']}", row["higher_is_better"]), method, *cells])
    return table(["task", "method", *_BY_WIDTH], lines)


def _compared(rows: list[Entry]) -> list[str]:
    return [name for name in MAIN if any(row["method"] == name for row in rows)]


def _named(what: str, higher_is_better: bool) -> str:
    return f"{what} ({'higher' if higher_is_better else 'lower'} is better)"


def _task_means(of_data: list[Entry]) -> str:
    """Of many tasks: each metric's mean over its tasks, by method and width, with the spread over seeds."""
    lines = []
    for metric, higher in dict.fromkeys((row["metric"], row["higher_is_better"]) for row in of_data):
        rows = [row for row in of_data if row["metric"] == metric]
        said = _named(f"{metric} of {len({row['task'] for row in rows})} tasks", higher)
        for method in _compared(rows):
            means = [_by_seed(rows, method, width) for width in WIDTHS]
            lines.append([said, method, *map(_spread, means), str(max(map(len, means)))])
    return table(["mean of tasks", "method", *_BY_WIDTH, "seeds"], lines)


def _by_seed(rows: list[Entry], method: str, width: float) -> list[float]:
    """Of each seed, the mean over tasks."""
    found: dict[int, list[float]] = defaultdict(list)
    for row in rows:
        if row["method"] == method and row["width"] == width:
            found[row["seed"]].append(row["value"])
    return [statistics.fmean(values) for values in found.values()]


def _ahead(entry: Entry, data: str) -> str:
    """Of many tasks: for how many a method is ahead of separate networks."""
    lines = []
    for method in [name for name in MAIN if name != SEPARATE]:
        found = task_gains(entry["rows"], data, method)
        of_width = {width: [gain.mean > 0 for (each, _), gain in found.items() if each == width] for width in WIDTHS}
        if found:
            lines.append([method, *(f"{sum(ahead)} of {len(ahead)}" if ahead else "-" for ahead in of_width.values())])
    return table(["tasks in which it is ahead of separate", *_BY_WIDTH], lines) if lines else ""


def _costs(entry: Entry, data: str) -> str:
    """Compute of training, what is stored, and which seeds ended on which machine, per method.

    No seconds, though results keep some: jobs ran beside others, and a killed part left none.
    """
    lines = []
    for method in MAIN:
        if jobs := _jobs(entry, data, method):
            machines = [
                f"{', '.join(str(job['seed']) for job in jobs if job['hardware'] == machine)} on {machine}"
                for machine in dict.fromkeys(job["hardware"] for job in jobs)
            ]
            stored = statistics.fmean(job["parameter_bytes"] for job in jobs)
            sizes = [f"{stored / 4e6:.2f}", f"{stored / 1e6:.1f}"]  # weights of 4 bytes
            lines.append([method, f"{_macs(jobs):.2e}", *sizes, "; ".join(machines)])
    head = ["method", "training, multiply-adds", "parameters, millions", "stored, MB (fp32)", "seeds"]
    return table(head, lines) if lines else ""


def _jobs(entry: Entry, data: str, method: str) -> list[Entry]:
    return [job for job in entry["jobs"] if job["data"] == data and job["method"] == method]


def _macs(jobs: list[Entry]) -> float:
    return statistics.fmean(job["macs"] for job in jobs)


def levers_of(entry: Entry, data: str) -> str:
    """What each change of the default gives, in points more than the default of the same seeds, and what it costs."""
    lines = []
    for lever in levers(entry["rows"], data):
        cost = _macs(_jobs(entry, data, lever.method)) / _macs(_jobs(entry, data, DEFAULT))
        points = [lever.points[width] for width in WIDTHS]
        cells = [f"{100 * each.mean:+.1f}{_plus_minus(each)}" for each in points]
        about = METHODS[lever.method].about
        lines.append([f"`{lever.method}`", about, *cells, str(points[0].seeds), f"{cost:.2f}"])
    head = [f"instead of the {DEFAULT}", "", *_BY_WIDTH, "seeds", "multiply-adds"]
    return f"Points of gain more than the {DEFAULT} of the same seeds:\n\n{table(head, lines)}" if lines else ""


def _plateau(entry: Entry, data: str) -> str:
    """At every epoch that was judged before the last."""
    found = {width: list(curve.items())[:-1] for width, curve in plateau(entry, data).items()}
    steps = [step for step, _ in max(found.values(), key=len, default=[])]
    lines = [[f"{width:g}", *(f"{value:.3f}" for _, value in curve)] for width, curve in found.items()]
    if not steps:
        return ""
    head = ["separate, width", *(f"step {step}" for step in steps)]
    return f"Validation quality of separate networks over that at their end:\n\n{table(head, lines)}"


def _spread(values: list[float]) -> str:
    """Mean and standard deviation; the latter of one value is not known."""
    if not values:
        return "-"
    spread = f" ± {statistics.stdev(values):.3f}" if len(values) > 1 else ""
    return f"{statistics.fmean(values):.3f}{spread}"


def _percent(gain: Gain | None) -> str:
    if gain is None:
        return "-"
    return f"{100 * gain.mean:+.1f}{_plus_minus(gain)} %, {gain.ahead} of {gain.seeds}"


def _plus_minus(gain: Gain) -> str:
    """The spread of one seed is not known."""
    return "" if math.isnan(gain.spread) else f" ± {100 * gain.spread:.1f}"


if __name__ == "__main__":
    raise SystemExit(read_and_report("training", tables, plot))
