"""Does memory grow? A straight line through block medians, with the interval of its slope."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

BLOCKS = 20
# Student's t of two sides and 95 % for BLOCKS - 2 degrees of freedom.
_T = 2.101
# Growth over the whole run below this share of what is held is not called growth, however sure it is.
LEAST = 0.01


@dataclass(frozen=True)
class Slope:
    """Growth a step, in bytes, with its 95 % interval; `growth` over all steps, as a share of what was held."""

    a_step: float
    low: float
    high: float
    growth: float
    steps: int

    @property
    def flat(self) -> bool:
        """Whether nothing grew: the slope may well be none, or what grew is too little to tell."""
        return self.low <= 0.0 or self.growth <= LEAST

    def to_json(self) -> dict[str, Any]:
        """JSON object, with `flat`."""
        return {**asdict(self), "flat": self.flat}


def slope(values: Sequence[float], skip: int) -> Slope | None:
    """The slope of bytes held at each step after the first `skip`; None where there are too few to tell."""
    kept = np.asarray(values[skip:], dtype=np.float64)
    if len(kept) < 2 * BLOCKS:
        return None
    blocks = np.array_split(np.arange(len(kept)), BLOCKS)
    at = np.array([np.mean(block) for block in blocks])
    held = np.array([np.median(kept[block]) for block in blocks])
    centred = at - at.mean()
    a_step = float((centred * held).sum() / (centred**2).sum())
    rest = held - held.mean() - a_step * centred
    error = float(np.sqrt((rest**2).sum() / (BLOCKS - 2) / (centred**2).sum()))
    growth = a_step * len(kept) / float(np.median(held))
    return Slope(a_step, a_step - _T * error, a_step + _T * error, growth, len(kept))
