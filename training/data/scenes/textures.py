"""Procedural materials: what colour a surface has at a point.

A pattern takes points (3,n) in metres and gives a blend (n,) between the material's two colours
and a tint (n,) that multiplies them. Flat patterns lie in the plane (x + z, y); the ground swaps
y and z before asking. `coarse` (n,) is the size of a pixel on the surface, in units of the
pattern: what is finer than a pixel fades to its mean, as a camera would see it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from .noise import noise
from .vectors import Array, vector

Color = tuple[float, float, float]


@dataclass(frozen=True)
class Material:
    """A pattern of two linear RGB colours; `scale` in metres, `gloss` and `mirror` in [0, 1]."""

    pattern: str
    colors: tuple[Color, Color]
    scale: float
    gloss: float = 0.0
    mirror: float = 0.0
    shift: tuple[float, float, float] = (0.0, 0.0, 0.0)


def albedo(material: Material, points: Array, pixel: Array) -> Array:
    """Linear RGB (3,n) at points (3,n) of the material's frame; `pixel` (n,) in metres."""
    placed = (points + vector(material.shift)) * np.float32(1.0 / material.scale)
    blend, tint = PATTERNS[material.pattern](placed, pixel * np.float32(1.0 / material.scale))
    first, second = vector(material.colors[0]), vector(material.colors[1])
    return np.asarray((first + (second - first) * blend) * tint)


def _plain(p: Array, coarse: Array) -> tuple[Array, Array]:
    cloud = noise(p * 6.0)
    return cloud * 0.25, 0.94 + 0.12 * cloud


def _marble(p: Array, coarse: Array) -> tuple[Array, Array]:
    cloud = noise(p * 5.0)
    vein = 1.0 - np.minimum(np.abs(cloud - 0.5) * 7.0, 1.0)
    return np.asarray(vein * 0.8), 0.85 + 0.3 * cloud


def _blotch(p: Array, coarse: Array) -> tuple[Array, Array]:
    cloud = noise(p * 7.0)
    return np.clip((cloud - 0.5) * 5.0 + 0.5, 0.0, 1.0), 0.95 + 0.1 * cloud


def _checker(p: Array, coarse: Array) -> tuple[Array, Array]:
    cells = np.floor(p).astype(np.int32)
    parity = ((cells[0] + cells[1] + cells[2]) & 1).astype(np.float32)
    return 0.5 + (parity - 0.5) * _sharp(coarse), 0.9 + 0.2 * noise(p * 9.0)


def _stripes(p: Array, coarse: Array) -> tuple[Array, Array]:
    parity = (np.floor(p[1]).astype(np.int32) & 1).astype(np.float32)
    return 0.5 + (parity - 0.5) * _sharp(coarse), 0.95 + 0.1 * noise(p * 5.0)


def _paper(p: Array, coarse: Array) -> tuple[Array, Array]:
    across = p[0] + p[2]
    part = np.abs(across - np.floor(across) - 0.5) * 2.0
    band = np.clip((part - 0.5) * 8.0 + 0.5, 0.0, 1.0)
    return 0.5 + (band - 0.5) * _sharp(coarse) * 0.7, 0.97 + 0.06 * noise(p * 3.0)


def _tiles(p: Array, coarse: Array) -> tuple[Array, Array]:
    across = p[0] + p[2]
    column, row = np.floor(across), np.floor(p[1])
    inside = np.minimum(_border(across - column), _border(p[1] - row))
    joint = (inside < 0.03).astype(np.float32) * _sharp(coarse * 4.0)
    tone = _hash(column, row)
    return joint, (0.86 + 0.2 * tone) * (0.95 + 0.1 * noise(p * 4.0))


def _bricks(p: Array, coarse: Array) -> tuple[Array, Array]:
    row = np.floor(p[1] * 2.0)
    across = p[0] + p[2] + 0.5 * (row.astype(np.int32) & 1).astype(np.float32)
    column = np.floor(across)
    inside = np.minimum(_border(across - column), 0.5 * _border(p[1] * 2.0 - row))
    joint = np.clip((0.055 - inside) * 60.0, 0.0, 1.0) * _sharp(coarse * 3.0)
    return joint, (0.72 + 0.4 * _hash(column, row)) * (0.85 + 0.3 * noise(p * 14.0))


def _planks(p: Array, coarse: Array) -> tuple[Array, Array]:
    row = np.floor(p[1])
    across = (p[0] + p[2]) * 0.14 + _hash(row, row) * 5.0
    column = np.floor(across)
    joint = np.minimum(_border(p[1] - row), _border(across - column) * 7.0) < 0.03
    grain = noise(np.stack([across * 6.0, p[1] * 9.0, row * 3.7]))
    tint = (0.75 + 0.4 * _hash(column, row)) * (1.0 - 0.55 * joint * _sharp(coarse * 4.0))
    return np.clip(grain * 1.3 - 0.2, 0.0, 1.0), tint


def _rings(p: Array, coarse: Array) -> tuple[Array, Array]:
    wobble = noise(p * vector((1.5, 4.0, 1.5)))
    radius = np.sqrt(p[0] * p[0] + p[2] * p[2]) * 1.6 + wobble * 1.8
    part = radius - np.floor(radius)
    ring = part * part * (3.0 - 2.0 * part)
    return 0.4 + (ring - 0.4) * _sharp(coarse), 0.92 + 0.16 * wobble


def _ground(p: Array, coarse: Array) -> tuple[Array, Array]:
    fine, wide = noise(p * 13.0), noise(p * 1.1)
    soft = 0.5 + (fine - 0.5) * _sharp(coarse * 2.5)
    return np.clip(0.6 * wide + 0.8 * soft - 0.2, 0.0, 1.0), 0.75 + 0.5 * soft


def _sharp(coarse: Array) -> Array:
    """How much of a pattern of period 2 is left when a pixel is this large."""
    return np.clip(1.5 - 1.6 * coarse, 0.0, 1.0)


def _border(part: Array) -> Array:
    return np.minimum(part, 1.0 - part)


def _hash(column: Array, row: Array) -> Array:
    """A number in [0, 1) for each cell of a grid."""
    mixed = column.astype(np.int32).astype(np.uint32) * np.uint32(374761393)
    mixed += row.astype(np.int32).astype(np.uint32) * np.uint32(668265263)
    mixed = (mixed ^ (mixed >> np.uint32(13))) * np.uint32(1274126177)
    return ((mixed >> np.uint32(16)) & np.uint32(255)).astype(np.float32) * np.float32(1.0 / 256.0)


PATTERNS: dict[str, Callable[[Array, Array], tuple[Array, Array]]] = {
    "plain": _plain,
    "marble": _marble,
    "blotch": _blotch,
    "checker": _checker,
    "stripes": _stripes,
    "paper": _paper,
    "tiles": _tiles,
    "bricks": _bricks,
    "planks": _planks,
    "rings": _rings,
    "ground": _ground,
}
