"""Parts of a tensor: ranges along its axes, how to read them in few pieces, how to cut them out of what was read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

Ranges = Sequence[Sequence[tuple[int, int]]]
"""Per axis ascending [start, stop); whole trailing axes are omitted."""
# A page: skipping less of a row spares the disk nothing (no page is read that holds nothing of the view: tested), and
# costs a system call. So a ResNet-18 of a quarter of its width reads 1.45 times what it needs (4 times without
# skipping), in no more time; to the byte it takes twice as long.
WORTH_SKIPPING = 4 << 10


def near(pieces: Sequence[tuple[int, int]], inner: int) -> list[list[tuple[int, int]]]:
    """Ranges in groups, of an axis whose steps are `inner` bytes: between those of one nothing is worth skipping."""
    groups = [[pieces[0]]]
    for start, stop in pieces[1:]:
        if (start - groups[-1][-1][1]) * inner < WORTH_SKIPPING:
            groups[-1].append((start, stop))
        else:
            groups.append([(start, stop)])
    return groups


def select(block: np.ndarray[Any, Any], ranges: Ranges, shift: int) -> np.ndarray[Any, Any]:
    """Cut axes 1 and up by `ranges`, theirs; axis 1 of `block` starts at index `shift` of the tensor."""
    for axis, pieces in enumerate(ranges, 1):
        offset = shift if axis == 1 else 0
        before = (slice(None),) * axis
        cuts = [(*before, slice(start - offset, stop - offset)) for start, stop in pieces]
        parts = [block[cut] for cut in cuts]
        block = parts[0] if len(parts) == 1 else np.concatenate(parts, axis)
    return block
