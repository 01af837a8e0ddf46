"""What a subnet of a front may cost at most, beside what the search weighs quality against."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..devices.errors import BudgetError
from ..runtime.planning.budget import BYTES, LATENCY, MACS, MEMORY

if TYPE_CHECKING:
    from ..models.cost import PartCost


@dataclass(frozen=True)
class Limits:
    """Most milliseconds and multiply-adds of one image, bytes of weights, and bytes of a process; None for no limit.

    Both ends of a front stay on it, whatever they cost: the narrowest is what a suite falls back on, and the widest is
    what all are measured by.
    """

    latency_ms: float | None = None
    macs: int | None = None
    bytes: int | None = None
    memory: int | None = None

    @classmethod
    def read(
        cls, latency: str | None = None, macs: str | None = None, size: str | None = None, memory: str | None = None
    ) -> Limits:
        """Limits as people write them, `15ms`, `2G`, `20MB`; BudgetError for what cannot be understood."""
        return cls(
            None if latency is None else LATENCY.parse(latency),
            None if macs is None else max(1, math.floor(MACS.parse(macs))),
            None if size is None else max(1, math.floor(BYTES.parse(size))),
            None if memory is None else max(1, math.floor(MEMORY.parse(memory))),
        )

    def allow(self, macs: int, size: int, nanoseconds: float | None) -> bool:
        """Whether a subnet of `size` bytes keeps them; without a latency it keeps no limit of it.

        Memory is not asked for: it is measured of a front alone (confirm.py).
        """
        return (
            (self.macs is None or macs <= self.macs)
            and (self.bytes is None or size <= self.bytes)
            and (self.latency_ms is None or (nanoseconds is not None and nanoseconds <= self.latency_ms * 1e6))
        )

    def check(self, narrowest: Sequence[PartCost]) -> None:
        """Raise BudgetError where even the narrowest subnet, in whatever precision, has more than is allowed."""
        least = min(each.macs for each in narrowest)
        if self.macs is not None and least > self.macs:
            raise BudgetError(
                f"even the narrowest subnet has {MACS.format(least)} multiply-adds, over the limit "
                f"{MACS.format(self.macs)}: allow more"
            )
        least = min(each.bytes for each in narrowest)
        if self.bytes is not None and least > self.bytes:
            raise BudgetError(
                f"even the narrowest subnet has {BYTES.format(least)}, over the limit {BYTES.format(self.bytes)}: "
                "allow more"
            )


UNLIMITED = Limits()
