"""How far separate networks got: flat curves, or networks that more epochs would still have made better?"""

from __future__ import annotations

import statistics
from collections import defaultdict

from ..reporting import Entry
from .methods import SEPARATE

Curve = dict[int, float]
"""Step -> quality over that at the end."""


def plateau(entry: Entry, data: str) -> dict[float, Curve]:
    """By width: validation quality of separate networks over that at their end, mean of tasks and of seeds.

    Below 1 is worse than at the end, whichever way a task's metric goes.
    """
    better = {row["task"]: row["higher_is_better"] for row in entry["rows"] if row["data"] == data}
    points: dict[float, dict[int, list[float]]] = defaultdict(lambda: defaultdict(list))
    for job in entry["jobs"]:
        if job["data"] == data and job["method"] == SEPARATE:
            for width in dict.fromkeys(point["width"] for point in job["curves"]):
                curve = [point for point in job["curves"] if point["width"] == width]
                for point in curve:
                    points[width][point["step"]].append(_relative(point["quality"], curve[-1]["quality"], better))
    return {
        width: {step: statistics.fmean(values) for step, values in sorted(found.items())}
        for width, found in sorted(points.items())
    }


def _relative(quality: dict[str, float], last: dict[str, float], better: dict[str, bool]) -> float:
    ratios = [
        quality[task] / last[task] if better[task] else last[task] / quality[task]
        for task in better
        if quality.get(task) and last.get(task)
    ]
    return statistics.fmean(ratios) if ratios else float("nan")
