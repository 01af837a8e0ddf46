"""Arrays of one piece of memory: apart from one another, aligned, and given back."""

from __future__ import annotations

import mmap
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pliant.runtime.format.arena import LEAST, Arena
from pliant.runtime.planning.memory import resident

SHAPES = st.lists(st.lists(st.integers(0, 40), max_size=4).map(tuple), max_size=30)


@given(SHAPES, st.sampled_from(["<f4", "<i1", "<i8", "?"]), st.integers(0, 3 * LEAST))
@settings(max_examples=50)
def test_no_array_overlaps_another_however_much_was_asked_for(
    shapes: list[tuple[int, ...]], code: str, size: int
) -> None:
    arena, dtype = Arena(size, 10), np.dtype(code)
    arrays = [arena.empty(shape, dtype) for shape in shapes]
    for number, array in enumerate(arrays):
        array[...] = np.array(number).astype(dtype)
    for number, (array, shape) in enumerate(zip(arrays, shapes, strict=True)):
        assert (array.shape, array.dtype) == (shape, dtype)
        assert array.flags.c_contiguous
        assert array.flags.writeable
        assert bool((array == np.array(number).astype(dtype)).all())


@pytest.mark.skipif(not hasattr(mmap, "MADV_HUGEPAGE"), reason="there are no huge pages")
def test_all_that_was_said_before_has_room_in_one_piece() -> None:
    sizes = [LEAST, 1, 63, 65, 4096]
    arena = Arena(sum(sizes), len(sizes))
    arrays = [arena.empty((size,), np.dtype(np.uint8)) for size in sizes]
    assert {array.ctypes.data % 64 for array in arrays} == {0}
    places = [array.ctypes.data for array in arrays]
    assert max(places) - min(places) < sum(sizes) + 64 * len(sizes), "all of them, side by side"


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux's /proc")
def test_memory_is_given_back_with_the_last_array() -> None:
    before, _ = resident()
    arena = Arena(100_000_000, 2)
    held = [arena.empty((50_000_000,), np.dtype(np.uint8)) for _ in range(2)]
    for each in held:
        each[...] = 1
    full, _ = resident()
    del arena, held[0]
    assert full - before > 80_000_000
    del held, each
    after, _ = resident()
    assert after - before < 20_000_000


@pytest.mark.skipif(not hasattr(mmap, "MADV_HUGEPAGE"), reason="there are no huge pages")
def test_a_kernel_without_huge_pages_or_memory_is_no_reason_to_fail() -> None:
    class Refusing(mmap.mmap):
        def madvise(self, *_: object) -> None:
            raise OSError(22, "Invalid argument")

    for made in (Refusing, mock.Mock(side_effect=OSError(12, "Cannot allocate memory"))):
        with mock.patch("pliant.runtime.format.arena.mmap.mmap", made):
            array = Arena(LEAST, 1).empty((LEAST,), np.dtype(np.uint8))
        array[...] = 7
        assert int(array[-1]) == 7
