"""Depths that a network cannot say: a training takes what lies outside a task's range for its nearest end, silently."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from ...runtime.format.tasks import Task
from .sample import Targets

# What depth cameras and their drivers write for "nothing measured", 0 aside: the largest number of 16 bits.
_NOTHING = 65535


@dataclass
class Depths:
    """What the depths of a split are like: how many are known and how many outside the range, for each task.

    `units` are metres of a stored 1, where files store numbers of a unit.
    """

    tasks: Sequence[Task]
    units: Mapping[str, float] = field(default_factory=dict)
    known: Counter[str] = field(default_factory=Counter)
    outside: Counter[str] = field(default_factory=Counter)

    def look(self, targets: Targets) -> dict[str, str]:
        """Count those of a sample; phrases that follow the name of a file most of whose depths are outside, by task.

        And of one whose depths beyond the range look like "no depth".
        """
        said = {task.name: self._seen(task, targets) for task in self.tasks if task.kind == "depth"}
        return {name: phrase for name, phrase in said.items() if phrase}

    def _seen(self, task: Task, targets: Targets) -> str:
        if task.name not in targets:
            return ""
        low, high = task.value_range
        depth = targets[task.name]
        known = depth[depth > 0]
        # The reader's float32 may be a hair beyond an end that the file meets exactly.
        beyond = known[(known < low * (1 - 1e-6)) | (known > high * (1 + 1e-6))]
        self.known[task.name] += known.size
        self.outside[task.name] += beyond.size
        if not beyond.size:
            return ""
        nothing = self._is_nothing(task.name, float(beyond.max()), high)
        if not nothing and 2 * beyond.size <= known.size:
            return ""
        phrase = f"has {beyond.size:,} of {known.size:,} known depths outside {low:g} to {high:g} metres"
        if not nothing:
            return f"{phrase}, from {beyond.min():.4g} to {beyond.max():.4g}"
        end = f"{_NOTHING}, the largest number of 16 bits"
        return f"{phrase}; the farthest is stored as {end}: is that ignore: [{_NOTHING}]?"

    def _is_nothing(self, name: str, farthest: float, high: float) -> bool:
        stored = farthest / self.units[name] if name in self.units else 0.0
        return farthest > high and bool(np.isclose(stored, _NOTHING, rtol=1e-6))

    def faults(self) -> list[str]:
        """Phrases that follow the name of the data, for each task most of whose depths are outside its range."""
        return [
            f"{self.outside[name]:,} of {self.known[name]:,} known depths of {name!r} are outside the {low:g} to "
            f"{high:g} metres that a network is to tell: correct the files, or the unit, range and ignore of the task"
            for name, (low, high) in ((task.name, task.value_range) for task in self.tasks)
            if 2 * self.outside[name] > self.known[name]
        ]
