"""Fractal noise from a fixed volume that repeats in all directions."""

from __future__ import annotations

from functools import cache

import numpy as np

from .draw import Draw
from .vectors import Array

SIDE = 32
_OCTAVES = ((4, 0.5), (8, 0.27), (16, 0.15), (32, 0.08))


@cache
def volume() -> Array:
    """The noise volume, float32 (SIDE**3,), values in [0, 1] with a mean near one half."""
    total = np.zeros((SIDE, SIDE, SIDE), dtype=np.float32)
    for cells, weight in _OCTAVES:
        coarse = Draw(7919, cells).octets(cells**3).reshape(cells, cells, cells)
        total += np.float32(weight) * _enlarge(coarse.astype(np.float32) / 255.0)
    spread = np.clip((total - 0.5) * 1.8 + 0.5, 0.0, 1.0)
    return np.ascontiguousarray(spread.reshape(-1), dtype=np.float32)


def noise(points: Array) -> Array:
    """Noise at points (3,N), in cells of the volume: (N,) in [0, 1], linear between cells."""
    floor = np.floor(points)
    fx, fy, fz = points - floor
    cell = floor.astype(np.int32) & (SIDE - 1)
    after = (cell + 1) & (SIDE - 1)
    x0, x1 = cell[0] * SIDE**2, after[0] * SIDE**2
    y0, y1 = cell[1] * SIDE, after[1] * SIDE
    near: Array = _plane(x0 + cell[2], x1 + cell[2], y0, y1, fx, fy)
    return np.asarray(near + (_plane(x0 + after[2], x1 + after[2], y0, y1, fx, fy) - near) * fz)


def _plane(x0: Array, x1: Array, y0: Array, y1: Array, fx: Array, fy: Array) -> Array:
    grid = volume()
    a, b = grid[x0 + y0], grid[x0 + y1]
    left: Array = a + (grid[x1 + y0] - a) * fx
    return np.asarray(left + (b + (grid[x1 + y1] - b) * fx - left) * fy)


def _enlarge(coarse: Array) -> Array:
    """Linear enlargement to SIDE on all three axes, around the borders."""
    for axis in range(3):
        steps = SIDE // coarse.shape[axis]
        position = np.arange(SIDE) // steps
        part = ((np.arange(SIDE) % steps) / steps).astype(np.float32)
        part = part.reshape([-1 if a == axis else 1 for a in range(3)])
        here = coarse.take(position, axis)
        coarse = here + (coarse.take((position + 1) % coarse.shape[axis], axis) - here) * part
    return coarse
