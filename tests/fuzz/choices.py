"""A program's bytes as a sequence of choices: what a fuzzer changes, and hypothesis shrinks, is a decision."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


class Choices:
    """Decisions read from bytes; after the last byte all are 0."""

    def __init__(self, data: bytes):
        self._data, self._at = data, 0

    @property
    def left(self) -> int:
        """Bytes that have not decided anything yet."""
        return len(self._data) - self._at

    def below(self, bound: int) -> int:
        """A whole number from 0 to `bound` - 1."""
        if bound <= 1:
            return 0
        size = (bound.bit_length() + 7) // 8
        return int.from_bytes(self.bytes(size).ljust(size, b"\0"), "little") % bound

    def of(self, items: Sequence[T]) -> T:
        """One of them."""
        return items[self.below(len(items))]

    def bytes(self, count: int) -> bytes:
        """The next bytes, as many as there are."""
        found = self._data[self._at : self._at + count]
        self._at += len(found)
        return found
