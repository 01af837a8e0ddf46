"""Things on the floor: where they stand, how large they are and what they are made of."""

from __future__ import annotations

from dataclasses import dataclass

from .draw import Draw
from .palette import Palette
from .scene import BOX, SPHERE, WALL, Setting, Thing
from .shapes import Box, Shape, Sphere
from .textures import Material
from .vectors import rotate, rotation, vector

_TRIES = 24


@dataclass(frozen=True)
class _Spot:
    x: float
    z: float
    reach: float


def furnish(draw: Draw, palette: Palette, setting: Setting) -> tuple[Thing, ...]:
    """Three to nine solids that neither overlap nor cut a wall, some of them stacked."""
    things: list[Thing] = []
    spots: list[_Spot] = []
    if setting.half is None and draw.chance(0.45):
        things.append(_garden_wall(draw, setting))
    for _ in range(draw.integer(3, 8)):
        label = draw.choice((BOX, SPHERE))
        size = draw.uniform(0.17, 0.58) * (0.75 if setting.half else 1.0)
        spot = _free_spot(draw, setting, spots, size * 1.5, things[:1] if setting.half is None else [])
        if spot is None:
            continue
        spots.append(spot)
        thing = _thing(draw, palette, label, size, spot.x, spot.z, 0.0)
        things.append(thing)
        top = _top(thing.shape)
        if top is not None and draw.chance(0.35):
            small = min(top[1], size) * draw.uniform(0.45, 0.8)
            upper = draw.choice((BOX, SPHERE))
            things.append(_thing(draw, palette, upper, small, spot.x, spot.z, top[0]))
    return tuple(things)


def _free_spot(draw: Draw, setting: Setting, taken: list[_Spot], reach: float, walls: list[Thing]) -> _Spot | None:
    """A place in sight of the camera, apart from the others; None where none is found."""
    for _ in range(_TRIES):
        far = draw.uniform(0.0, 1.0)
        z = 1.7 + reach + 4.8 * far * far
        x = draw.uniform(-0.52, 0.52) * z
        clear = all((x - s.x) ** 2 + (z - s.z) ** 2 > (reach + s.reach) ** 2 for s in taken)
        if clear and _inside(setting, x, z, reach) and not any(_cuts(wall, x, z, reach) for wall in walls):
            return _Spot(x, z, reach)
    return None


def _inside(setting: Setting, x: float, z: float, reach: float) -> bool:
    if setting.half is None:
        return True
    local = setting.local(vector((x, 0.0, z)))
    return bool(abs(local[0, 0]) + reach < setting.half[0] and abs(local[2, 0]) + reach < setting.half[2])


def _cuts(wall: Thing, x: float, z: float, reach: float) -> bool:
    if wall.label != WALL or not isinstance(wall.shape, Box):
        return False
    local = wall.shape.local(vector((x, 0.0, z)))
    return bool(abs(local[2, 0]) < reach + wall.shape.half[2])


def _garden_wall(draw: Draw, setting: Setting) -> Thing:
    """A long free-standing wall behind the things, open to the sky above."""
    height, thick = draw.uniform(0.4, 1.3), draw.uniform(0.08, 0.2)
    center = (draw.uniform(-3.0, 3.0), -height, draw.uniform(4.0, 9.0))
    turn = rotation(1, draw.uniform(-0.25, 0.25))
    return Thing(Box(center, (draw.uniform(3.0, 9.0), height, thick), turn), setting.wall, WALL)


def _thing(
    draw: Draw,
    palette: Palette,
    label: int,
    size: float,
    x: float,
    z: float,
    ground: float,
) -> Thing:
    """One solid of about the radius `size` that stands on the height `ground` (y, so negative is up)."""
    turn = rotation(1, draw.uniform(-1.0, 1.0))
    if label == SPHERE:
        spin = rotate(rotation(0, draw.uniform(-1.0, 1.0)), turn)
        shape: Shape = Sphere((x, ground - size, z), size, spin)
    else:
        half = (size * draw.uniform(0.45, 1.0), size * draw.uniform(0.4, 1.5), size * draw.uniform(0.45, 1.0))
        shape = Box((x, ground - half[1], z), half, turn)
    return Thing(shape, _material(draw, palette, label, size), label)


def _material(draw: Draw, palette: Palette, label: int, size: float) -> Material:
    """What a thing is made of; no pattern or colour belongs to one class."""
    pattern = draw.choice(
        ("plain", "plain", "plain", "checker", "stripes", "rings", "marble", "blotch", "bricks", "planks")
    )
    if pattern in ("rings", "planks"):
        pair = palette.wood() if draw.chance(0.7) else palette.pair()
    else:
        pair = palette.clay() if pattern == "bricks" and draw.chance(0.5) else palette.pair()
    scale = {"checker": 0.4, "stripes": 0.3, "rings": 0.45, "bricks": 0.5, "planks": 0.35}.get(pattern, 1.0)
    polished = draw.chance(0.5)
    return Material(
        pattern,
        pair,
        size * scale * draw.uniform(0.7, 1.5),
        gloss=draw.uniform(0.2, 1.0) if polished else 0.0,
        mirror=draw.uniform(0.1, 0.6) if polished and draw.chance(0.4) else 0.0,
        shift=draw.triple(0.0, 30.0) if pattern != "rings" else (0.0, 0.0, 0.0),
    )


def _top(shape: Shape) -> tuple[float, float] | None:
    """Height (y) and half width of a flat top, None where there is none."""
    if isinstance(shape, Box):
        return shape.center[1] - shape.half[1], min(shape.half[0], shape.half[2])
    return None
