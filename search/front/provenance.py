"""How a front came to be, and what its numbers are by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ...devices.errors import InputError
from ...devices.words import counted

BY_MACS = "macs"
COSTS = (BY_MACS, "measured latency", "estimated latency", "partly estimated latency")
"""What a front's subnets are compared by."""


@dataclass(frozen=True)
class Provenance:
    """How a front came to be.

    `supernet` is its sha256 (quality/identity.py), `images` the validation images that quality was measured on,
    `evaluations` the encoders (by `joint`: subnets) that were truly evaluated, `candidates` the subnets whose quality
    that gave.
    `hypervolume` of the front and its `references` (share of the widest's cost, loss), by preference, are those of
    algorithms/hypervolume.py, by the front's own costs: `cost` says which, one of COSTS (None in fronts of earlier
    versions, whose hypervolume is by multiply-adds or, before anything was measured, by estimated latency).
    """

    algorithm: str
    supernet: str
    data: str
    split: str
    images: int
    recalibration_images: int
    seed: int
    evaluations: int
    candidates: int
    hypervolume: float
    references: Mapping[str, tuple[float, float]]
    cost: str | None = None

    def __post_init__(self) -> None:
        if self.cost not in (None, *COSTS):
            raise InputError(f"a front's cost is one of {', '.join(COSTS)}, not {self.cost!r}")

    @property
    def chosen_of(self) -> str:
        """For people: what the front was chosen from; an encoder's evaluation gives its quality with any decoders."""
        if self.algorithm == "joint":  # its evaluations are of subnets
            return counted(self.candidates, "evaluated subnet")
        return f"{counted(self.candidates, 'subnet')} of {counted(self.evaluations, 'evaluated encoder')}"
