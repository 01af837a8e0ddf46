"""What an export did, as JSON: sizes, parity, quality, how far int8 is from fp32, and the time that it took."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .parity import Parity

VERSION = 1


@dataclass(frozen=True)
class SubnetReport:
    """One exported subnet. `parity` (fp32) is against torch; `noise_db` (int8) is each raw output's
    signal-to-quantization-noise ratio against fp32, in decibels; `floats` are the blocks that stayed in fp32, and
    `elsewhere` those of the graphs for other engines, None where such a graph would cost a task more than it may and is
    left out. `refused` (fp32): int8 was asked for too, and cost a task more than it may. `over` (a front's own policy):
    tasks that it costs more than they may lose, and how much, as a share of their quality in fp32.
    """

    id: str
    precision: str
    macs: int
    bytes: int
    quality: dict[str, float]
    parity: Parity
    noise_db: dict[str, float]
    seconds: float
    floats: tuple[str, ...] = ()
    elsewhere: Mapping[str, tuple[str, ...] | None] = field(default_factory=dict)
    refused: bool = False
    over: Mapping[str, float] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """JSON object."""
        return {
            "id": self.id,
            "precision": self.precision,
            "macs": self.macs,
            "bytes": self.bytes,
            "quality": self.quality,
            "parity": {name: statistics.to_json() for name, statistics in self.parity.items()},
            "noise_db": self.noise_db,
            "seconds": self.seconds,
            "floats": list(self.floats),
            "elsewhere": {target: None if kept is None else list(kept) for target, kept in self.elsewhere.items()},
            "refused": self.refused,
            "over": dict(self.over),
        }


@dataclass(frozen=True)
class ExportReport:
    """A whole export. `size` is the file's in bytes; `seconds` by stage add up to less than the total by little."""

    path: str
    size: int
    subnets: tuple[SubnetReport, ...]
    seconds: dict[str, float]

    @property
    def worst_parity(self) -> float:
        """Largest relative error of a raw fp32 output."""
        return max(
            (
                statistics.relative
                for subnet in self.subnets
                for name, statistics in subnet.parity.items()
                if name.endswith("/logits")
            ),
            default=0.0,
        )

    def to_json(self) -> dict[str, Any]:
        """JSON object."""
        return {
            "_version": VERSION,
            "path": self.path,
            "size": self.size,
            "worst_parity": self.worst_parity,
            "subnets": [subnet.to_json() for subnet in self.subnets],
            "seconds": self.seconds,
        }
