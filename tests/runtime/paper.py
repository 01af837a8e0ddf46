"""Suites on paper: subnets with made-up numbers, for the rule and for the order of measuring, where no engine runs."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from hypothesis import strategies as st

from pliant.runtime.manifest import Cost, GraphInfo, InputInfo, Quality, SubnetInfo, Widths
from pliant.runtime.tasks import Task

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
