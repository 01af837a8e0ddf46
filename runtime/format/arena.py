"""Memory for the arrays of one subnet, in one piece: quicker to get than many, and given back as one.

Arrays are copied out of the file only to be handed to an engine, which keeps weights of its own: what costs is that
memory is new each time, a fault for every 4 KiB. In huge pages there are 512 times fewer, and the heap stays small.
"""

from __future__ import annotations

import contextlib
import math
import mmap
from collections.abc import Sequence
from typing import Any

import numpy as np

HUGE = 2 << 20
# Less is quicker to get from the heap.
LEAST = 4 << 20
_ALIGNED = 64
_PRIVATE = getattr(mmap, "MAP_PRIVATE", 0) | getattr(mmap, "MAP_ANONYMOUS", 0)


class Arena:
    """Room for arrays of `size` bytes in all, each beginning at a multiple of 64; freed when the last of them is.

    What does not fit any more, and all where pages cannot be huge or there is little, are arrays as NumPy makes them.
    """

    def __init__(self, size: int, count: int):
        self._at = 0
        self._room = np.empty(0, np.uint8)
        whole = size + count * _ALIGNED
        if size < LEAST or not _PRIVATE or not hasattr(mmap, "MADV_HUGEPAGE"):
            return
        # The kernel places it at a multiple of a page only: one huge page more is room to begin at a multiple of those.
        try:
            room = mmap.mmap(-1, whole + HUGE, flags=_PRIVATE)
        except OSError:  # NumPy says better that memory is short, or finds some
            return
        with contextlib.suppress(OSError):  # kernels may be built without
            room.madvise(mmap.MADV_HUGEPAGE)
        self._room = np.frombuffer(room, np.uint8)
        self._at = -self._room.ctypes.data % HUGE

    def empty(self, shape: Sequence[int], dtype: np.dtype[Any]) -> np.ndarray[Any, Any]:
        """An array that is not filled."""
        size = math.prod(shape) * dtype.itemsize
        start, stop = self._at, self._at + size
        if stop > len(self._room) or not size:
            return np.empty(shape, dtype)
        self._at = stop + -stop % _ALIGNED
        return self._room[start:stop].view(dtype).reshape(shape)
