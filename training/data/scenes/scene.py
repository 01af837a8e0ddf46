"""What a scene is made of: things, a setting, lights and a camera."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .shapes import Shape, face, slabs
from .textures import Color, Material
from .vectors import Array, rotate, vector

BACKGROUND, FLOOR, WALL, BOX, SPHERE = range(5)
CLASSES = ("background", "floor", "wall", "box", "sphere")


@dataclass(frozen=True)
class Thing:
    """A solid with its material and class."""

    shape: Shape
    material: Material
    label: int


@dataclass(frozen=True)
class Light:
    """A lamp at `position` (metres), or for `sun` the direction towards it.

    `color` is linear RGB strength (for a lamp: at one metre); `size` widens the penumbra;
    only lights with `shadow` cast one.
    """

    position: tuple[float, float, float]
    color: Color
    sun: bool = False
    size: float = 0.1
    shadow: bool = True


@dataclass(frozen=True)
class Sky:
    """Linear RGB of the sky above, at the horizon, and of the hills before it (0 high: none)."""

    zenith: Color
    horizon: Color
    hills: Color
    hill_height: float
    clouds: float
    shift: tuple[float, float, float]


@dataclass(frozen=True)
class Window:
    """A bright window in a wall: which wall (axis and sign), its centre, half size, and the light in it."""

    axis: int
    sign: float
    along: float
    above: float
    half: tuple[float, float]
    color: Color


@dataclass(frozen=True)
class Setting:
    """The ground alone, or a room (`half` extents, metres) whose floor is y = 0.

    `turn` and `place` put the room into the world; the ground uses them for its texture.
    """

    floor: Material
    wall: Material
    turn: Array
    place: tuple[float, float, float] = (0.0, 0.0, 0.0)
    half: tuple[float, float, float] | None = None
    skirting: Color = (0.7, 0.7, 0.7)
    window: Window | None = None

    def local(self, points: Array) -> Array:
        """World points (3,N) in the room's frame, whose origin is the middle of its floor."""
        return rotate(self.turn, points - vector(self.place))

    def hit(self, origin: Array, direction: Array) -> tuple[Array, Array, Array]:
        """Distance (N,), normal (3,N) and class (N,) of the floor or wall that each ray meets."""
        if self.half is None:
            return _ground(origin, direction)
        half = vector(self.half)
        middle = vector((0.0, -self.half[1], 0.0))
        o, d = self.local(origin) - middle, rotate(self.turn, direction)
        _, far = slabs(o, d, half)
        inward = -face((o + d * far) / half)
        label = np.where(inward[1] < 0.0, FLOOR, WALL).astype(np.uint8)
        return far, rotate(self.turn.T, inward), label


@dataclass(frozen=True)
class Camera:
    """A pinhole: `position` in metres, `turn` from camera to world, `focal` in image widths."""

    position: tuple[float, float, float]
    turn: Array
    focal: float

    def rays(self, columns: Array, rows: Array, size: tuple[int, int]) -> Array:
        """Directions (3,N) in the world through pixel positions (centres are whole numbers).

        Their component along the optical axis is one, so that distances along them are depths.
        """
        height, width = size
        pixels = self.focal * width
        x = (columns - (width - 1) / 2.0) / pixels
        y = (rows - (height - 1) / 2.0) / pixels
        return rotate(self.turn, np.stack([x, y, np.ones_like(x)]).astype(np.float32))


@dataclass(frozen=True)
class Lens:
    """How light becomes a picture: mean brightness, colour balance, dark corners, noise (8-bit levels), blur."""

    exposure: float
    balance: Color
    vignette: float
    grain: float
    blur: float


@dataclass(frozen=True)
class Scene:
    """All that is needed to take a picture."""

    camera: Camera
    setting: Setting
    things: tuple[Thing, ...]
    lights: tuple[Light, ...]
    sky: Sky
    ambient: tuple[Color, Color]
    haze: float
    lens: Lens


def _ground(origin: Array, direction: Array) -> tuple[Array, Array, Array]:
    down = direction[1]
    with np.errstate(divide="ignore"):
        distance = np.where(down > 1e-4, -origin[1] / down, np.float32(np.inf))
    normal = np.zeros_like(direction)
    normal[1] = -1.0
    label = np.where(np.isfinite(distance), FLOOR, BACKGROUND).astype(np.uint8)
    return distance, normal, label
