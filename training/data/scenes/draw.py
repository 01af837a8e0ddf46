"""Random numbers that are the same on every platform and with every numpy.

Only the raw stream of PCG64 and SeedSequence are used, whose values numpy guarantees; the
distributions of `numpy.random.Generator` may change between versions.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
T = TypeVar("T")


class Draw:
    """A stream of random choices, fixed by a key of non-negative integers."""

    def __init__(self, *key: int):
        self._bits = np.random.PCG64(np.random.SeedSequence(key))

    def uniform(self, low: float = 0.0, high: float = 1.0) -> float:
        """A number in [low, high)."""
        return low + (high - low) * (int(self._bits.random_raw()) >> 11) * 2.0**-53

    def chance(self, probability: float) -> bool:
        """True with the given probability."""
        return self.uniform() < probability

    def integer(self, low: int, high: int) -> int:
        """An integer in [low, high]."""
        return low + int(self.uniform(0.0, high - low + 1))

    def choice(self, options: Sequence[T]) -> T:
        """One of the options, all equally likely."""
        return options[self.integer(0, len(options) - 1)]

    def triple(self, low: float, high: float) -> tuple[float, float, float]:
        """Three numbers in [low, high)."""
        return self.uniform(low, high), self.uniform(low, high), self.uniform(low, high)

    def octets(self, count: int) -> npt.NDArray[np.uint8]:
        """`count` random bytes, shape (count,)."""
        words = np.asarray(self._bits.random_raw(count // 8 + 1)).astype("<u8")
        return words.view(np.uint8)[:count]
