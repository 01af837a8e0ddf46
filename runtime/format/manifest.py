"""The manifest: what a suite says of itself, as frozen dataclasses (`manifest_reading` makes them)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from .tasks import Task

FORMAT_MAJOR = 1
PRECISIONS = ("fp32", "fp16", "int8")


@dataclass(frozen=True)
class InputInfo:
    """What the network looks at: uint8 RGB images of one size, `batch` = (fewest, most) images a call."""

    height: int
    width: int
    color: str
    dtype: str
    batch: tuple[int, int]

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape of one image: (H, W, 3)."""
        return self.height, self.width, 3


class Widths(NamedTuple):
    """Fractions of the full channels, per encoder stage and per task's decoder.

    Tuples, as the four below: a suite has thousands, and a frozen dataclass takes some times as long to make.
    """

    encoder: tuple[float, ...]
    decoders: dict[str, float]


class Cost(NamedTuple):
    """Multiply-adds and weight bytes of one part of a subnet."""

    macs: int
    bytes: int


class Quality(NamedTuple):
    """Measured quality of one task, in its metric's units."""

    metric: str
    value: float
    higher_is_better: bool


class GraphInfo(NamedTuple):
    """A weightless graph for one target: the tensor that holds it, sha256 and size of its inflated bytes."""

    tensor: str
    sha256: str
    size: int


class SubnetInfo(NamedTuple):
    """One subnet of a suite. `encoder` and `decoders` are the parts of `macs` and `bytes`."""

    id: str
    widths: Widths
    precision: str
    macs: int
    bytes: int
    encoder: Cost
    decoders: dict[str, Cost]
    quality: dict[str, Quality]
    graphs: dict[str, GraphInfo]
    record: str

    def cost(self, tasks: tuple[str, ...] | None = None) -> Cost:
        """Multiply-adds and bytes when only `tasks` are run (None: all)."""
        if tasks is None:
            return Cost(self.macs, self.bytes)
        parts = [self.encoder, *(self.decoders[task] for task in tasks)]
        return Cost(sum(part.macs for part in parts), sum(part.bytes for part in parts))


@dataclass(frozen=True)
class QualityData:
    """Where the quality numbers come from: data set, split, number of images, and the engine that ran."""

    name: str
    split: str
    images: int
    engine: str


@dataclass(frozen=True)
class Manifest:
    """A whole manifest. `subnets` go from the cheapest to the widest."""

    format_version: str
    name: str
    input: InputInfo
    tasks: dict[str, Task]
    subnets: tuple[SubnetInfo, ...]
    quality_data: QualityData
    witness_tolerance: dict[str, float]
    digests_sha256: str
    provenance: dict[str, str]


def widest(subnets: Sequence[SubnetInfo]) -> SubnetInfo:
    """The subnet whose quality others are relative to: the widest fp32, or the widest where there is no fp32."""
    full = [subnet for subnet in subnets if subnet.precision == "fp32"] or list(subnets)
    return max(full, key=lambda subnet: subnet.macs)
