"""What a task is, for everything that has no torch: its kind, units, classes, metric and decoded output.

| kind           | decoded output                  | target in a sample             | metric (better)     |
|----------------|---------------------------------|--------------------------------|---------------------|
| segmentation   | uint8 (N,H,W) class ids         | uint8 (H,W), 255 = ignore      | miou (higher)       |
| depth          | float32 (N,H,W) metres          | float32 (H,W), 0 = unmeasured  | rmse, m (lower)     |
| normals        | float32 (N,H,W,3) unit vectors  | float32 (H,W,3), 0,0,0 = none  | angle, deg (lower)  |
| edges          | float32 (N,H,W) probability     | uint8 (H,W) 0/1, 255 = ignore  | f1 (higher)         |
| classification | float32 (N,C) probabilities     | int64 (), -1 = not labelled    | accuracy (higher)   |
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import numpy as np

from ...devices.errors import BudgetError, SuiteError

Kind = Literal["segmentation", "depth", "normals", "edges", "classification"]
KINDS: tuple[Kind, ...] = get_args(Kind)

_METRICS: dict[Kind, tuple[str, bool, str]] = {
    "segmentation": ("miou", True, ""),
    "depth": ("rmse", False, "m"),
    "normals": ("angle", False, "degrees"),
    "edges": ("f1", True, ""),
    "classification": ("accuracy", True, ""),
}
_UNITS: dict[Kind, str] = {
    "segmentation": "class id",
    "depth": "metres",
    "normals": "unit vector",
    "edges": "probability",
    "classification": "probability",
}


@dataclass(frozen=True)
class Task:
    """One thing that a network tells of an image.

    `classes` and `colors` (RGB 0-255, one a class) are for segmentation and classification;
    `value_range` is the span of decoded values (for depth: metres that the head can express).
    """

    name: str
    kind: Kind
    classes: tuple[str, ...] = ()
    colors: tuple[tuple[int, int, int], ...] = ()
    value_range: tuple[float, float] = field(default=(0.0, 1.0))

    @property
    def units(self) -> str:
        """Unit of the decoded output."""
        return _UNITS[self.kind]

    @property
    def metric(self) -> str:
        """Name of the metric that quality is given in."""
        return _METRICS[self.kind][0]

    @property
    def higher_is_better(self) -> bool:
        """Direction of the metric."""
        return _METRICS[self.kind][1]

    @property
    def metric_units(self) -> str:
        """Unit of the metric, empty for a ratio."""
        return _METRICS[self.kind][2]

    @property
    def channels(self) -> int:
        """Channels of the head's raw output."""
        if self.kind in ("segmentation", "classification"):
            return len(self.classes)
        return 3 if self.kind == "normals" else 1

    def output(self, height: int, width: int, *, raw: bool = False) -> tuple[tuple[int, ...], np.dtype[Any]]:
        """Shape (without N) and dtype of what a network of this image size answers; `raw`: of its logits."""
        dense = () if self.kind == "classification" else (height, width)
        if raw:
            return (self.channels, *dense), np.dtype(np.float32)
        of_one = (self.channels,) if self.kind in ("normals", "classification") else ()
        return (*dense, *of_one), np.dtype(np.uint8 if self.kind == "segmentation" else np.float32)

    def to_json(self) -> dict[str, Any]:
        """The manifest's entry for this task (without its name, which is the key)."""
        return {
            "kind": self.kind,
            "units": self.units,
            "metric": self.metric,
            "metric_units": self.metric_units,
            "higher_is_better": self.higher_is_better,
            "classes": list(self.classes),
            "colors": [list(color) for color in self.colors],
            "value_range": list(self.value_range),
        }

    @classmethod
    def from_json(cls, name: str, entry: Any) -> Task:
        """Read a manifest entry; raises SuiteError when it is not one."""
        try:
            kind = entry["kind"]
            if kind not in KINDS:
                raise SuiteError(f"task {name!r} is of the unknown kind {str(kind)[:60]!r}: a newer pliant may know it")
            low, high = (float(value) for value in entry["value_range"])
            colors = tuple((int(r), int(g), int(b)) for r, g, b in entry["colors"])
            return cls(name, kind, tuple(str(c) for c in entry["classes"]), colors, (low, high))
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise SuiteError(f"task {name!r} is not described as the format asks: {str(error)[:100]}") from error


def check_task(name: object, known: Iterable[str]) -> str:
    """The name itself when it is a task's; BudgetError with the nearest one and all others when it is not."""
    names = list(known)
    if isinstance(name, str) and name in names:
        return name
    import difflib

    near = difflib.get_close_matches(str(name), names, n=1)
    hint = f"did you mean {near[0]!r}? It has" if near else "it has"
    raise BudgetError(f"this suite has no task {name!r}: {hint} {', '.join(names)}")


def check_tasks(given: object, known: Iterable[str]) -> tuple[str, ...]:
    """The tasks asked for, in the suite's order: None for all, one or more names, or names with commas between."""
    names = list(known)
    if given is None:
        return tuple(names)
    if isinstance(given, str) and given not in names:
        given = [name.strip() for name in given.split(",")]
    if not isinstance(given, (str, Iterable)):
        raise BudgetError(f"tasks are names, such as {names[0]!r}, not {given!r}")
    asked = [check_task(name, names) for name in ([given] if isinstance(given, str) else given)]
    if not asked:
        raise BudgetError(f"no task is asked for: this suite has {', '.join(names)}")
    return tuple(name for name in names if name in asked)
