"""Convex solids, by the interval of each ray that lies inside them.

The world has x right, y down and z forward; the floor is y = 0, so that up is negative. Rays are
an origin (3,1) or (3,N) and directions (3,N), which need not be of length one; distances are in
units of the direction. A ray that misses gets `near > far`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from .vectors import Array, dot, rotate, vector

_TINY = np.float32(1e-9)
_UPRIGHT = np.eye(3, dtype=np.float32)


class Shape(Protocol):
    """A convex solid in the world."""

    @property
    def center(self) -> tuple[float, float, float]:
        """Centre in metres."""
        ...

    @property
    def radius(self) -> float:
        """Radius of a ball of about the same size, which stands for the shape in ambient light."""
        ...

    @property
    def bound(self) -> float:
        """Radius of the ball around the centre that holds the shape."""
        ...

    def interval(self, origin: Array, direction: Array) -> tuple[Array, Array]:
        """Where rays enter and leave: near (N,), far (N,)."""
        ...

    def local(self, points: Array) -> Array:
        """World points (3,N) in the shape's own frame, in metres."""
        ...

    def normal(self, points: Array) -> Array:
        """Outward unit normals (3,N) in the world, at points (3,N) on the surface."""
        ...


@dataclass(frozen=True)
class Sphere:
    """A ball."""

    center: tuple[float, float, float]
    radius: float
    turn: Array = field(default_factory=lambda: _UPRIGHT, compare=False)

    @property
    def bound(self) -> float:
        """Radius of the ball around the centre that holds the shape."""
        return self.radius

    def interval(self, origin: Array, direction: Array) -> tuple[Array, Array]:
        """Where rays enter and leave: near (N,), far (N,)."""
        offset = origin - vector(self.center)
        return _quadratic(dot(direction, direction), dot(offset, direction), dot(offset, offset) - self.radius**2)

    def local(self, points: Array) -> Array:
        """World points (3,N) in the ball's own frame."""
        return rotate(self.turn, points - vector(self.center))

    def normal(self, points: Array) -> Array:
        """Outward unit normals (3,N)."""
        outward = points - vector(self.center)
        return np.asarray(outward / np.sqrt(dot(outward, outward)))


@dataclass(frozen=True)
class Box:
    """A box of the given half extents; the rows of `turn` are its axes in the world."""

    center: tuple[float, float, float]
    half: tuple[float, float, float]
    turn: Array = field(default_factory=lambda: _UPRIGHT, compare=False)

    @property
    def radius(self) -> float:
        """Radius of a ball of about the same size."""
        return sum(self.half) / 3.0

    @property
    def bound(self) -> float:
        """Radius of the ball around the centre that holds the shape."""
        return math.sqrt(self.half[0] ** 2 + self.half[1] ** 2 + self.half[2] ** 2) + 1e-3

    def interval(self, origin: Array, direction: Array) -> tuple[Array, Array]:
        """Where rays enter and leave: near (N,), far (N,)."""
        return slabs(self.local(origin), rotate(self.turn, direction), vector(self.half))

    def local(self, points: Array) -> Array:
        """World points (3,N) in the box's own frame."""
        return rotate(self.turn, points - vector(self.center))

    def normal(self, points: Array) -> Array:
        """Outward unit normals (3,N): those of the nearest face."""
        place = self.local(points) / vector(self.half)
        return rotate(self.turn.T, face(place))


def slabs(origin: Array, direction: Array, half: Array) -> tuple[Array, Array]:
    """Interval inside a box around the frame's origin."""
    inverse = 1.0 / np.where(np.abs(direction) < _TINY, _TINY, direction)
    middle, reach = -origin * inverse, half * np.abs(inverse)
    low, high = middle - reach, middle + reach
    near = np.maximum(np.maximum(low[0], low[1]), low[2])
    return near, np.minimum(np.minimum(high[0], high[1]), high[2])


def face(place: Array) -> Array:
    """Axis-parallel unit vectors (3,N) of the largest component of (3,N)."""
    size = np.abs(place)
    axis = np.where(size[0] >= np.maximum(size[1], size[2]), 0, np.where(size[1] >= size[2], 1, 2))
    chosen = np.arange(3).reshape(3, 1) == axis
    return np.where(chosen, np.sign(place), 0.0).astype(np.float32)


def _quadratic(a: Array, half_b: Array, c: Array) -> tuple[Array, Array]:
    square = half_b * half_b - a * c
    root = np.sqrt(np.maximum(square, 0.0))
    near, far = (-half_b - root) / a, (-half_b + root) / a
    missed = square <= 0.0
    return np.where(missed, np.float32(np.inf), near), np.where(missed, np.float32(-np.inf), far)
