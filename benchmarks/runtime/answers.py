"""What subnets answer to one image, by plain onnxruntime: an output is whole if it is one subnet's in all tasks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pliant.runtime.format.manifest import SubnetInfo
from pliant.runtime.suite import Suite

from ..bench import bare

Outputs = dict[str, np.ndarray[Any, Any]]


class Answers:
    """Extracted files of some subnets, bare sessions of them, and what each answers to the suite's own image."""

    def __init__(self, suite: Suite, subnets: Sequence[SubnetInfo], folder: Path, threads: int):
        self.image = suite.witness_input()
        self.tasks, self.threads = list(suite.tasks), threads
        self.paths = {each.id: suite.extract(each, folder / f"{each.id}.onnx")[0] for each in subnets}
        self.expected = {name: self.run(self.session(name)) for name in self.paths}
        names = list(self.expected)
        alike = [(a, b) for i, a in enumerate(names) for b in names[:i] if _same(self.expected[a], self.expected[b])]
        if alike:
            raise RuntimeError(f"{alike[0][0]} and {alike[0][1]} answer alike: nothing could be told from outputs")

    def session(self, name: str) -> Any:
        """A bare session of an extracted file."""
        return bare(self.paths[name], self.threads)

    def run(self, session: Any) -> Outputs:
        """All tasks of a bare session."""
        return dict(zip(self.tasks, session.run(self.tasks, {"images": self.image}), strict=True))

    def whose(self, outputs: Outputs) -> str | None:
        """The one subnet whose outputs these are, in every task; None where they are nobody's."""
        return next((name for name, expected in self.expected.items() if _same(outputs, expected)), None)


def _same(one: Outputs, other: Outputs) -> bool:
    return one.keys() == other.keys() and all(np.array_equal(one[task], other[task]) for task in one)


def spread(suite: Suite, count: int) -> list[SubnetInfo]:
    """Subnets from the narrowest to the widest, of whatever precision."""
    ordered = sorted(suite.subnets, key=lambda each: (each.macs, each.bytes))
    places = np.unique(np.linspace(0, len(ordered) - 1, count).round().astype(int))
    return [ordered[place] for place in places]
