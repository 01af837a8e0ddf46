"""Suites on paper: subnets with made-up numbers, for the rule and for the order of measuring, where no engine runs."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from hypothesis import strategies as st

import pliant
from pliant.devices.cache import MeasurementCache
from pliant.devices.fingerprint import read_fingerprint
from pliant.devices.measure import summarize
from pliant.devices.profile import MemoryUse
from pliant.runtime.format.manifest import Cost, GraphInfo, InputInfo, Quality, SubnetInfo, Widths
from pliant.runtime.format.tasks import Task
from pliant.runtime.planning.book import Book
from pliant.runtime.planning.deciding import make_plan
from pliant.runtime.planning.plan import Plan

MACHINE = read_fingerprint()
TASKS = {
    "depth": Task("depth", "depth"),
    "edges": Task("edges", "edges"),
    "floor": Task("floor", "segmentation", ("a", "b"), ((0, 0, 0), (1, 1, 1))),
}


@dataclass(frozen=True)
class Paper:
    """What `make_plan` looks at of a suite."""

    subnets: tuple[SubnetInfo, ...]
    tasks: dict[str, Task] = field(default_factory=lambda: TASKS)
    input: InputInfo = field(default_factory=lambda: InputInfo(8, 8, "RGB", "uint8", (1, 1)))
    path: Path = Path("paper.pliant")


def subnet(
    number: int, quality: dict[str, float], encoder: Cost, decoders: dict[str, Cost], precision: str = "fp32"
) -> SubnetInfo:
    """A subnet whose cost is the sum of its parts and whose graph is its own."""
    parts = [encoder, *decoders.values()]
    return SubnetInfo(
        id=f"s{number:02d}-{precision}",
        widths=Widths((1.0,), dict.fromkeys(TASKS, 1.0)),
        precision=precision,
        macs=sum(part.macs for part in parts),
        bytes=sum(part.bytes for part in parts),
        encoder=encoder,
        decoders=decoders,
        quality={name: Quality(task.metric, quality[name], task.higher_is_better) for name, task in TASKS.items()},
        graphs={"onnxruntime": GraphInfo(f"graph/{number}", f"{number:064x}", 1)},
        record=f"record/{number}",
    )


# Powers of two divide exactly, so that equal scores are equal whatever order they are summed in.
_QUALITIES = st.sampled_from([0.125, 0.25, 0.5, 1.0])
_COSTS = st.builds(Cost, st.integers(1, 6), st.integers(1, 6))


@st.composite
def papers(draw: st.DrawFn, most: int = 8) -> Paper:
    """Random suites in which ties are common."""
    found = []
    for number in range(draw(st.integers(1, most))):
        quality = {name: draw(_QUALITIES) for name in TASKS}
        decoders = {name: draw(_COSTS) for name in TASKS}
        found.append(subnet(number, quality, draw(_COSTS), decoders, draw(st.sampled_from(["fp32", "int8"]))))
    return Paper(tuple(found))


def ladder(count: int) -> Paper:
    """The wider the better and the dearer."""
    made = []
    for number in range(count):
        part = (number + 1) / count
        quality = {"depth": 1.0 / part, "edges": part, "floor": part}
        decoders = {name: Cost(10 * (number + 1), 1_000_000 * (number + 1)) for name in TASKS}
        made.append(subnet(number, quality, Cost(100, 1_000_000), decoders))
    return Paper(tuple(made))


def unwanted(what: str, done: int, total: int) -> None:
    raise AssertionError(f"measured: {what}")


def plan(suite: Paper, **words: Any) -> Plan:
    """The plan of a suite that is only on paper."""
    return make_plan(cast(pliant.Suite, suite), **words)


def in_memory(suite: Paper, times: dict[str, list[float]], memory: dict[str, int] | None = None) -> MeasurementCache:
    """A cache that is filled, in a folder that cannot be made."""
    cache = MeasurementCache("/dev/null/cache")
    book = Book(cast(pliant.Suite, suite), tuple(TASKS), cache=cache)
    keys = {item.id: book.key(item).text for item in suite.subnets}
    cache.add(
        MACHINE,
        latency={keys[name]: summarize(values) for name, values in times.items()},
        memory={keys[name]: MemoryUse(size, size, 0) for name, size in (memory or {}).items()},
    )
    cache.note = ""
    return cache
