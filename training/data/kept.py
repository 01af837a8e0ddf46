"""What was read before, as long as there is room: a data set is read in every epoch, and may be larger than memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")

ROOM = 2 << 30


class Kept(Generic[T]):
    """Values by number that take `ROOM` bytes at most, as `weigh` tells them; what comes later is made each time."""

    def __init__(self, weigh: Callable[[T], int]):
        self._weigh, self._left = weigh, ROOM
        self._values: dict[int, T] = {}

    def get(self, number: int, make: Callable[[], T]) -> T:
        """The value of that number, made now where it is not kept."""
        value = self._values.get(number)
        if value is None:
            value = make()
            self._keep(number, value)
        return value

    def _keep(self, number: int, value: T) -> None:
        weight = self._weigh(value)
        # Another thread may have kept it meanwhile.
        if weight <= self._left and number not in self._values:
            self._values[number] = value
            self._left -= weight
