"""Random scenes: a furnished room or open ground, with light and a camera that suit it."""

from __future__ import annotations

from .draw import Draw
from .furnish import furnish
from .palette import Palette, mixed, scaled
from .scene import Camera, Lens, Light, Scene, Setting, Sky, Window
from .textures import Color, Material
from .vectors import Array, rotate, rotation, vector

_DAYLIGHT = ((1.0, 0.98, 0.94), (1.0, 0.86, 0.66), (1.0, 0.74, 0.5), (0.92, 0.96, 1.0))
_SKIES = (
    ((0.16, 0.36, 0.78), (0.62, 0.76, 0.9)),
    ((0.3, 0.42, 0.6), (0.8, 0.8, 0.78)),
    ((0.24, 0.3, 0.56), (0.95, 0.68, 0.46)),
    ((0.1, 0.24, 0.6), (0.5, 0.68, 0.9)),
    ((0.5, 0.54, 0.6), (0.66, 0.68, 0.7)),
)


def compose(draw: Draw) -> Scene:
    """A scene from a stream of random choices."""
    return _outdoors(draw) if draw.chance(0.42) else _indoors(draw)


def _indoors(draw: Draw) -> Scene:
    palette = Palette(draw)
    camera = _camera(draw, (1.05, 1.65), (0.08, 0.2))
    half = (draw.uniform(1.7, 3.2), draw.uniform(1.2, 1.55), draw.uniform(2.3, 3.6))
    turn = rotation(1, draw.uniform(-0.26, 0.26))
    stand = (draw.uniform(-0.5, 0.5) * half[0], camera.position[1], 0.35 - half[2])
    place = _world(turn, stand, camera.position)
    window = _window(draw, half) if draw.chance(0.55) else None
    setting = Setting(
        floor=_indoor_floor(draw, palette),
        wall=_wallpaper(draw, palette),
        turn=turn,
        place=place,
        half=half,
        skirting=draw.choice(((0.75, 0.74, 0.7), (0.12, 0.08, 0.06), (0.5, 0.48, 0.45))),
        window=window,
    )
    warm = draw.choice(_DAYLIGHT)
    lights = _lamps(draw, setting, warm)
    gloom = draw.uniform(0.22, 0.6)
    bounce = mixed(setting.floor.colors[0], (0.5, 0.48, 0.45), 0.5)
    return Scene(
        camera=camera,
        setting=setting,
        things=furnish(draw, palette, setting),
        lights=lights,
        sky=Sky((0.1, 0.1, 0.1), (0.1, 0.1, 0.1), (0.1, 0.1, 0.1), 0.0, 0.0, (0.0, 0.0, 0.0)),
        ambient=(scaled(mixed(warm, (0.9, 0.95, 1.0), 0.5), gloom), scaled(bounce, gloom * 0.9)),
        haze=0.0,
        lens=_lens(draw),
    )


def _outdoors(draw: Draw) -> Scene:
    palette = Palette(draw)
    camera = _camera(draw, (0.95, 1.7), (0.04, 0.16))
    setting = Setting(
        floor=_outdoor_floor(draw, palette),
        wall=_wallpaper(draw, palette),
        turn=rotation(1, draw.uniform(-1.0, 1.0)),
    )
    zenith, horizon = draw.choice(_SKIES)
    overcast = draw.chance(0.22)
    height = draw.uniform(0.35, 1.3)
    color = scaled(draw.choice(_DAYLIGHT), draw.uniform(0.25, 0.5) if overcast else draw.uniform(1.4, 2.4))
    sun = Light(
        position=(draw.uniform(-1.2, 1.2), -height, draw.uniform(-1.1, 0.6)),
        color=color,
        sun=True,
        size=draw.uniform(0.5, 1.0) if overcast else draw.uniform(0.04, 0.12),
    )
    strength = draw.uniform(0.7, 1.1) if overcast else draw.uniform(0.4, 0.75)
    green = draw.choice(((0.05, 0.09, 0.05), (0.08, 0.1, 0.12), (0.12, 0.1, 0.08)))
    return Scene(
        camera=camera,
        setting=setting,
        things=furnish(draw, palette, setting),
        lights=(sun,),
        sky=Sky(
            zenith,
            horizon,
            mixed(green, horizon, draw.uniform(0.15, 0.5)),
            draw.choice((0.0, draw.uniform(0.05, 0.3))),
            draw.uniform(0.0, 1.0),
            draw.triple(0.0, 32.0),
        ),
        ambient=(scaled(mixed(zenith, horizon, 0.5), strength), scaled(setting.floor.colors[0], 0.5)),
        haze=draw.uniform(0.012, 0.05),
        lens=_lens(draw),
    )


def _camera(draw: Draw, heights: tuple[float, float], pitches: tuple[float, float]) -> Camera:
    """A camera at the world's x = z = 0, looking ahead and somewhat down, nearly level."""
    tilt = rotation(0, -draw.uniform(*pitches))
    level = rotation(2, draw.uniform(-0.025, 0.025))
    return Camera((0.0, -draw.uniform(*heights), 0.0), rotate(tilt, level), draw.uniform(0.78, 1.05))


def _lens(draw: Draw) -> Lens:
    warmth = draw.uniform(-0.1, 0.1)
    return Lens(
        exposure=draw.uniform(0.17, 0.34),
        balance=(1.0 + warmth, 1.0 + draw.uniform(-0.03, 0.03), 1.0 - warmth),
        vignette=draw.uniform(0.1, 0.45),
        grain=draw.uniform(0.6, 3.2),
        blur=draw.choice((0.0, 0.0, draw.uniform(0.0, 0.18))),
    )


def _world(turn: Array, local: tuple[float, float, float], position: tuple[float, float, float]) -> Color:
    """Where a room's origin is when `position` in the world is at `local` in the room."""
    back = rotate(turn.T, vector((local[0], 0.0, local[2])))
    return float(position[0] - back[0, 0]), 0.0, float(position[2] - back[2, 0])


def _window(draw: Draw, half: tuple[float, float, float]) -> Window:
    axis, sign = draw.choice(((2, 1.0), (2, 1.0), (0, 1.0), (0, -1.0)))
    wide = draw.uniform(0.35, 0.7)
    reach = half[2 - axis] - wide - 0.1
    sky = draw.choice(((0.75, 0.85, 1.0), (1.0, 0.92, 0.75), (0.6, 0.75, 0.95)))
    return Window(
        axis=axis,
        sign=sign,
        along=draw.uniform(-0.3 if axis == 0 else -1.0, 1.0) * reach,
        above=draw.uniform(1.35, 1.55),
        half=(wide, draw.uniform(0.4, 0.6)),
        color=scaled(sky, draw.uniform(1.5, 2.6)),
    )


def _lamps(draw: Draw, setting: Setting, warm: Color) -> tuple[Light, ...]:
    """A lamp below the ceiling and light from a window, or a second lamp."""
    half = setting.half or (2.0, 1.4, 3.0)

    def at(x: float, up: float, z: float) -> tuple[float, float, float]:
        back = rotate(setting.turn.T, vector((x, 0.0, z)))
        return float(back[0, 0]) + setting.place[0], -up, float(back[2, 0]) + setting.place[2]

    ceiling = 2.0 * half[1]
    lamp = at(draw.uniform(-0.6, 0.6) * half[0], draw.uniform(0.8, 0.95) * ceiling, draw.uniform(-0.5, 0.4) * half[2])
    key = Light(lamp, scaled(warm, draw.uniform(2.2, 4.5)), size=draw.uniform(0.08, 0.35))
    window = setting.window
    if window is None:
        side = at(draw.choice((-0.8, 0.8)) * half[0], draw.uniform(1.2, 2.0), draw.uniform(-0.8, 0.2) * half[2])
        other = draw.choice(_DAYLIGHT)
        return key, Light(side, scaled(other, draw.uniform(0.5, 1.8)), size=0.3, shadow=draw.chance(0.5))
    inward = window.sign * (half[window.axis] - 0.15)
    x, z = (inward, window.along) if window.axis == 0 else (window.along, inward)
    glow = scaled(window.color, draw.uniform(0.8, 1.6))
    return key, Light(at(x, window.above, z), glow, size=0.6)


def _indoor_floor(draw: Draw, palette: Palette) -> Material:
    pattern = draw.choice(("planks", "planks", "tiles", "checker", "plain", "ground", "marble"))
    first, second = palette.wood() if pattern == "planks" else palette.pair(soft=True)
    scale = {"planks": (0.11, 0.2), "tiles": (0.25, 0.5), "checker": (0.25, 0.5)}.get(pattern, (0.4, 0.9))
    shiny = pattern != "ground" and draw.chance(0.55)
    return Material(
        pattern,
        (first, second),
        draw.uniform(*scale),
        gloss=draw.uniform(0.1, 0.5) if shiny else 0.0,
        mirror=draw.uniform(0.1, 0.45) if shiny else 0.0,
        shift=draw.triple(0.0, 30.0),
    )


def _outdoor_floor(draw: Draw, palette: Palette) -> Material:
    pattern = draw.choice(("ground", "ground", "ground", "tiles", "bricks", "blotch"))
    pair = palette.soil() if pattern in ("ground", "blotch") else palette.pair(soft=True)
    scale = draw.uniform(0.5, 1.2) if pattern in ("ground", "blotch") else draw.uniform(0.35, 0.8)
    return Material(pattern, pair, scale, shift=draw.triple(0.0, 30.0))


def _wallpaper(draw: Draw, palette: Palette) -> Material:
    pattern = draw.choice(("plain", "plain", "plain", "paper", "bricks", "blotch", "tiles"))
    scale = {"paper": (0.15, 0.5), "bricks": (0.22, 0.3), "tiles": (0.15, 0.4)}.get(pattern, (0.5, 1.2))
    pair = palette.clay() if pattern == "bricks" else palette.pair(soft=True)
    return Material(pattern, pair, draw.uniform(*scale), shift=draw.triple(0.0, 30.0))
