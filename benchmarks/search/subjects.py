"""The data sets: where their supernets are, and which tasks are taken together."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean
from typing import Any

from pliant import PliantError
from pliant.runtime.format.tasks import Task
from pliant.search.preference import Preference
from pliant.training.checkpoints.checkpoint import Checkpoint, load_checkpoint, resolve
from pliant.training.checkpoints.folders import steps

from ..training.job import Job
from ..training.methods import DEFAULT

REAL = ("redkitchen", "camvid", "cifar100-mtl", "cifar100-mtl-convolution")
Entry = dict[str, Any]
MANY = 8
"""More tasks than these are taken in four groups: a volume of twenty axes means nothing."""


@dataclass(frozen=True)
class Groups:
    """Tasks that have one weight and, averaged, one quality; mostly each is alone."""

    members: Mapping[str, tuple[Task, ...]]

    @classmethod
    def of(cls, tasks: tuple[Task, ...]) -> Groups:
        """Each task alone, or four groups of many."""
        if len(tasks) <= MANY:
            return cls({task.name: (task,) for task in tasks})
        size = -(-len(tasks) // 4)
        parts = [tasks[start : start + size] for start in range(0, len(tasks), size)]
        return cls({f"group {number}": part for number, part in enumerate(parts, 1)})

    @property
    def tasks(self) -> tuple[Task, ...]:
        """The groups as tasks: the metric of their members under their own name."""
        return tuple(replace(part[0], name=name) for name, part in self.members.items())

    def preference(self, of_groups: Preference) -> Preference:
        """The weights of the tasks themselves: a group's share is split evenly."""
        shares = of_groups.simplex
        weights = {task.name: shares[name] / len(part) for name, part in self.members.items() for task in part}
        return Preference.of(weights, weights)

    def quality(self, of_tasks: Mapping[str, float]) -> dict[str, float]:
        """The mean metric of each group."""
        return {name: fmean(of_tasks[task.name] for task in part) for name, part in self.members.items()}


class NotTrained(PliantError):
    """A data set's supernet is not there yet; the message has the command that trains it."""


def rows_of(
    names: Sequence[str], work: Path, measure: Callable[[str, Checkpoint], list[Entry]]
) -> tuple[list[Entry], bool]:
    """What is measured of each supernet, and whether one failed; what is not trained is left out, in a line."""
    rows, failed = list[Entry](), False
    for data in names:
        try:
            rows += measure(data, trained(data, work))
        except PliantError as error:
            print(f"{data} is left out: {error}", file=sys.stderr)
            failed = failed or not isinstance(error, NotTrained)
    return rows, failed


def trained(data: str, work: Path) -> Checkpoint:
    """The supernet that the training benchmark trained by the default recipe with seed 0; NotTrained without one."""
    job = Job(data, DEFAULT, 0)
    folder = work / f"{job.name}-{job.digest}" / "nested"
    if not steps(folder):
        raise NotTrained(
            f"the supernet of {data} is not trained: "
            f'make bench-training ARGS="--data {data} --methods {DEFAULT} --seeds 0 --work {work}"'
        )
    return load_checkpoint(resolve(folder)[0])
