"""Colours that go together, as linear RGB."""

from __future__ import annotations

import colorsys

from .draw import Draw
from .textures import Color

_WOODS = (
    ((0.42, 0.25, 0.12), (0.26, 0.14, 0.06)),
    ((0.58, 0.42, 0.25), (0.42, 0.28, 0.15)),
    ((0.2, 0.11, 0.06), (0.12, 0.06, 0.03)),
    ((0.5, 0.44, 0.36), (0.36, 0.31, 0.25)),
    ((0.45, 0.2, 0.09), (0.3, 0.11, 0.05)),
)
_SOILS = (
    ((0.1, 0.22, 0.05), (0.2, 0.33, 0.09)),
    ((0.14, 0.2, 0.06), (0.3, 0.3, 0.12)),
    ((0.46, 0.36, 0.22), (0.62, 0.52, 0.36)),
    ((0.2, 0.13, 0.08), (0.34, 0.25, 0.17)),
    ((0.3, 0.3, 0.29), (0.46, 0.45, 0.43)),
    ((0.75, 0.78, 0.82), (0.88, 0.9, 0.93)),
)
_CLAYS = (
    ((0.36, 0.13, 0.08), (0.5, 0.46, 0.4)),
    ((0.5, 0.34, 0.2), (0.55, 0.52, 0.46)),
    ((0.55, 0.54, 0.5), (0.4, 0.39, 0.37)),
    ((0.24, 0.1, 0.08), (0.3, 0.28, 0.26)),
)


def mixed(a: Color, b: Color, part: float) -> Color:
    """The colour a part of the way from a to b."""
    return (a[0] + (b[0] - a[0]) * part, a[1] + (b[1] - a[1]) * part, a[2] + (b[2] - a[2]) * part)


def scaled(color: Color, factor: float) -> Color:
    """A colour made brighter or darker."""
    return color[0] * factor, color[1] * factor, color[2] * factor


class Palette:
    """A theme hue with its complement and neighbours; walls and things draw from the same one."""

    def __init__(self, draw: Draw):
        self._draw = draw
        self._hue = draw.uniform()

    def color(self, saturation: tuple[float, float], value: tuple[float, float]) -> Color:
        """A colour near the theme's hue, near its complement, or (one in four) anywhere."""
        draw = self._draw
        turn = draw.choice((0.0, 0.08, 0.5, draw.uniform()))
        hue = (self._hue + turn + draw.uniform(-0.04, 0.04)) % 1.0
        red, green, blue = colorsys.hsv_to_rgb(hue, draw.uniform(*saturation), draw.uniform(*value))
        return red * red, green * green, blue * blue

    def pair(self, soft: bool = False) -> tuple[Color, Color]:
        """Two colours of one pattern: soft ones are pale or grey, with little contrast."""
        draw = self._draw
        if soft:
            first = self.color((0.02, 0.4), (0.5, 0.95))
            return first, mixed(scaled(first, draw.uniform(0.45, 0.9)), self.color((0.0, 0.3), (0.3, 0.95)), 0.3)
        if draw.chance(0.22):
            return self.color((0.0, 0.12), (0.75, 0.98)), self.color((0.0, 0.6), (0.15, 0.5))
        first = self.color((0.4, 0.85), (0.45, 0.95))
        return first, draw.choice((scaled(first, 0.4), (0.8, 0.78, 0.72), self.color((0.4, 0.9), (0.3, 0.9))))

    def wood(self) -> tuple[Color, Color]:
        """Two browns."""
        return self._shaded(_WOODS)

    def soil(self) -> tuple[Color, Color]:
        """Grass, sand, earth, gravel or snow."""
        return self._shaded(_SOILS)

    def clay(self) -> tuple[Color, Color]:
        """Brick and mortar."""
        return self._shaded(_CLAYS)

    def _shaded(self, options: tuple[tuple[Color, Color], ...]) -> tuple[Color, Color]:
        light = self._draw.uniform(0.75, 1.2)
        first, second = self._draw.choice(options)
        return scaled(first, light), scaled(second, light)
