"""Vectors as arrays of shape (3, N), and rotations without trigonometry.

Only operations that IEEE 754 rounds exactly are used (no sin, pow or BLAS), so that a scene has
the same pixels everywhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


def vector(values: Sequence[float]) -> Array:
    """A constant vector, float32 (3,1), that broadcasts against (3,N)."""
    return np.array(values, dtype=np.float32).reshape(3, 1)


def dot(a: Array, b: Array) -> Array:
    """Inner products along the first axis: (3,N), (3,N) -> (N,)."""
    product: Array = a[0] * b[0]
    product += a[1] * b[1]
    product += a[2] * b[2]
    return product


def reached(center: Array, radius: float, origin: Array, direction: Array, square: Array) -> Array:
    """Indices of the rays that come within `radius` of a point ahead; `square` is |direction|^2 (N,)."""
    offset = center - origin
    ahead = dot(offset, direction)
    room = dot(offset, offset) - np.float32(radius * radius)
    return np.flatnonzero((ahead * np.abs(ahead) > room * square) | (room < 0.0))


def unit(a: Array) -> Array:
    """Vectors scaled to length one: (3,N) -> (3,N)."""
    return np.asarray(a / np.sqrt(dot(a, a)))


def rotate(matrix: Array, v: Array) -> Array:
    """A 3x3 matrix applied to (3,N) vectors."""
    turned: Array = matrix[:, 0:1] * v[0]
    turned += matrix[:, 1:2] * v[1]
    turned += matrix[:, 2:3] * v[2]
    return turned


def rotation(axis: int, half_tangent: float) -> Array:
    """Rotation about a coordinate axis, float32 (3,3), by the angle whose half has this tangent."""
    scale = 1.0 + half_tangent * half_tangent
    cosine, sine = (1.0 - half_tangent * half_tangent) / scale, 2.0 * half_tangent / scale
    matrix = np.eye(3, dtype=np.float32)
    i, j = (axis + 1) % 3, (axis + 2) % 3
    matrix[i, i] = matrix[j, j] = cosine
    matrix[i, j], matrix[j, i] = -sine, sine
    return matrix
