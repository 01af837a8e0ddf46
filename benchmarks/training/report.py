"""What people read of the benchmark: tables in Markdown and plots, made from the dated file only.

python -m pliant.benchmarks.training.report benchmarks/results/training-HARDWARE-DATE.json
"""

from __future__ import annotations

import math
import statistics
from collections import defaultdict

from ..reporting import Entry, read_and_report, table_line
from .delta import Gain, gains, task_gains
from .methods import MAIN, METHODS, SEPARATE, WIDTHS
from .plot import plot


def tables(entry: Entry) -> str:
    """The whole report as Markdown."""
    said = f"`{entry['command']}`, {entry['hardware']}, {entry['date']}, seeds {entry['seeds']}."
    parts = [said, *(_of_data(entry, data) for data in dict.fromkeys(row["data"] for row in entry["rows"]))]
    return "\n\n".join(parts) + "\n"


def _of_data(entry: Entry, data: str) -> str:
    methods = [name for name in METHODS if any(_is(row, data, name) for row in entry["rows"])]
    compared = [name for name in methods if name != SEPARATE and gains(entry["rows"], data, name)]
    head = table_line(["gain over separate, mean of tasks", *(f"width {width:g}" for width in WIDTHS), "seeds"])
    lines = [f"### {data}", "", head, table_line(["---"] * (len(WIDTHS) + 2))]
    for method in compared:
        found = gains(entry["rows"], data, method)
        seeds = max((gain.seeds for gain in found.values()), default=0)
        lines.append(table_line([method, *(_percent(found.get(width)) for width in WIDTHS), str(seeds)]))
    return "\n".join([*lines, "", *_values(entry, data, methods), "", *_costs(entry, data, methods)])


def _values(entry: Entry, data: str, methods: list[str]) -> list[str]:
    """Every task's metric by method and width: mean over seeds and standard deviation; of many tasks their mean."""
    tasks = {row["task"]: row for row in entry["rows"] if row["data"] == data}
    if len(tasks) > 6:
        return [*_task_means(entry, data, methods), "", *_task_count(entry, data, methods)]
    lines = [
        table_line(["task", "method", *(f"width {width:g}" for width in WIDTHS)]),
        table_line(["---"] * (len(WIDTHS) + 2)),
    ]
    for task, row in tasks.items():
        arrow = "higher" if row["higher_is_better"] else "lower"
        for method in [name for name in methods if name in MAIN]:
            cells = [_mean(entry, data, method, width, task) for width in WIDTHS]
            lines.append(table_line([f"{task}, {row['metric']} ({arrow} is better)", method, *cells]))
    return lines


def _task_means(entry: Entry, data: str, methods: list[str]) -> list[str]:
    """Of many tasks: each metric's mean over its tasks, by method and width, with the spread over seeds."""
    lines = [
        table_line(["mean of tasks", "method", *(f"width {width:g}" for width in WIDTHS), "seeds"]),
        table_line(["---"] * (len(WIDTHS) + 3)),
    ]
    of_data = [row for row in entry["rows"] if row["data"] == data]
    for metric, higher in dict.fromkeys((row["metric"], row["higher_is_better"]) for row in of_data):
        rows = [row for row in of_data if row["metric"] == metric]
        tasks = len({row["task"] for row in rows})
        said = f"{metric} of {tasks} tasks ({'higher' if higher else 'lower'} is better)"
        for method in [name for name in methods if name in MAIN]:
            means = {width: _by_seed(rows, method, width) for width in WIDTHS}
            seeds = max(len(values) for values in means.values())
            lines.append(table_line([said, method, *(_spread(values) for values in means.values()), str(seeds)]))
    return lines


def _by_seed(rows: list[Entry], method: str, width: float) -> list[float]:
    """Of each seed, the mean over tasks."""
    found: dict[int, list[float]] = defaultdict(list)
    for row in rows:
        if row["method"] == method and row["width"] == width:
            found[row["seed"]].append(row["value"])
    return [statistics.fmean(values) for values in found.values()]


def _task_count(entry: Entry, data: str, methods: list[str]) -> list[str]:
    """Of many tasks: for how many a method is ahead of separate networks."""
    lines = []
    for method in [name for name in methods if name in MAIN and name != SEPARATE]:
        found = task_gains(entry["rows"], data, method)
        for width in WIDTHS:
            ahead = [gain.mean > 0 for (of_width, _), gain in found.items() if of_width == width]
            if ahead:
                lines.append(f"- {method}, width {width:g}: ahead in {sum(ahead)} of {len(ahead)} tasks")
    return lines


def _costs(entry: Entry, data: str, methods: list[str]) -> list[str]:
    """Compute of training, and what is stored, per method.

    No seconds, though results keep some: jobs ran on several machines, beside others, and a killed part left none.
    """
    lines = [table_line(["method", "training, multiply-adds", "stored, MB (fp32)"]), table_line(["---"] * 3)]
    for method in methods:
        jobs = [job for job in entry["jobs"] if job["data"] == data and job["method"] == method]
        means = {name: statistics.fmean(job[name] for job in jobs) for name in ("macs", "parameter_bytes")}
        lines.append(table_line([method, f"{means['macs']:.2e}", f"{means['parameter_bytes'] / 1e6:.1f}"]))
    return lines


def _mean(entry: Entry, data: str, method: str, width: float, task: str) -> str:
    rows = [row for row in entry["rows"] if _is(row, data, method) and row["width"] == width and row["task"] == task]
    return _spread([row["value"] for row in rows])


def _spread(values: list[float]) -> str:
    """Mean and standard deviation; the latter of one value is not known."""
    if not values:
        return "-"
    spread = f" ± {statistics.stdev(values):.3f}" if len(values) > 1 else ""
    return f"{statistics.fmean(values):.3f}{spread}"


def _is(row: Entry, data: str, method: str) -> bool:
    return bool(row["data"] == data and row["method"] == method)


def _percent(gain: Gain | None) -> str:
    if gain is None:
        return "-"
    spread = "" if math.isnan(gain.spread) else f" ± {100 * gain.spread:.1f}"
    return f"{100 * gain.mean:+.1f}{spread} %"


if __name__ == "__main__":
    raise SystemExit(read_and_report("training", tables, plot))
