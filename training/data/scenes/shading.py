"""Light on surfaces: lamps and sun with soft shadows, ambient light with occlusion, gloss, mirrors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .noise import noise
from .scene import BACKGROUND, FLOOR, Light, Scene, Setting, Sky
from .textures import albedo
from .vectors import Array, dot, reached, unit, vector

_LIFT = np.float32(2e-3)
FIRST_THING = 3


@dataclass(frozen=True)
class Hits:
    """What rays met: distance (N,), normal (3,N) towards the ray's origin, instance (N,).

    Instances are 0 background, 1 floor, 2 wall of the room, then one a thing.
    """

    distance: Array
    normal: Array
    instance: Array


def trace(scene: Scene, origin: Array, direction: Array) -> Hits:
    """First surfaces along rays."""
    distance, normal, instance = scene.setting.hit(origin, direction)
    square = dot(direction, direction)
    for number, thing in enumerate(scene.things, FIRST_THING):
        shape = thing.shape
        rays = reached(vector(shape.center), shape.bound, origin, direction, square)
        if rays.size == 0:
            continue
        start, d = _some(origin, rays), direction.take(rays, 1)
        near, far = shape.interval(start, d)
        closer = np.flatnonzero((near < distance[rays]) & (near <= far) & (near > 1e-3))
        if closer.size:
            rays, near = rays[closer], near[closer]
            normal[:, rays] = shape.normal(_some(start, closer) + d.take(closer, 1) * near)
            distance[rays], instance[rays] = near, number
    return Hits(distance, normal, instance)


def shade(scene: Scene, origin: Array, direction: Array, hits: Hits, pixel: float, mirrors: bool = True) -> Array:
    """Linear radiance (3,N) that comes back along rays; `pixel` is its angle in radians."""
    color = sky(scene.sky, scene.lights, direction)
    seen = np.flatnonzero(hits.instance != BACKGROUND)
    if seen.size == 0:
        return color
    d, normal, instance = direction.take(seen, 1), hits.normal.take(seen, 1), hits.instance[seen]
    distance = hits.distance[seen]
    points = _some(origin, seen) + d * distance
    surface, gloss, mirror = _materials(scene, points, normal, instance, distance * np.float32(pixel), d)
    light = _ambient(scene, points, normal)
    view = -unit(d)
    shine = np.zeros_like(points)
    for lamp in scene.lights:
        _add_light(scene, lamp, points, normal, view, gloss, light, shine)
    shaded = surface * light + shine
    if mirrors:
        _add_reflections(scene, points, normal, view, mirror, shaded, pixel)
    color[:, seen] = _hazed(scene, shaded, distance)
    return color


def _some(vectors: Array, which: Array) -> Array:
    """Some of (3,N) vectors; (3,1) stands for all."""
    return vectors if vectors.shape[1] == 1 else vectors.take(which, 1)


def sky(look: Sky, lights: tuple[Light, ...], direction: Array) -> Array:
    """Radiance (3,N) of the sky and the hills at the horizon."""
    flat = np.sqrt(direction[0] * direction[0] + direction[2] * direction[2]) + np.float32(1e-6)
    height = np.maximum(-direction[1] / flat, 0.0)
    up = height / (height + 0.35)
    color: Array = vector(look.horizon) + (vector(look.zenith) - vector(look.horizon)) * up
    if look.clouds > 0.0:
        reach = 2.5 / (height * flat + 0.12)
        spot = np.stack([direction[0] * reach, direction[2] * reach, np.zeros_like(reach)])
        cover = np.clip((noise(spot + vector(look.shift)) - 0.62 + 0.3 * look.clouds) * 4.0, 0.0, 1.0)
        color += (vector((1.0, 1.0, 1.0)) * max(look.horizon) - color) * cover * np.minimum(height * 6.0, 0.8)
    if look.hill_height > 0.0:
        around = np.stack([direction[0] / flat * 9.0, direction[2] / flat * 9.0, np.zeros_like(flat)])
        ridge = noise(around + vector(look.shift)) * np.float32(look.hill_height)
        color = np.where(height < ridge, vector(look.hills), color)
    return color


def _materials(
    scene: Scene, points: Array, normal: Array, instance: Array, pixel: Array, direction: Array
) -> tuple[Array, Array, Array]:
    """Albedo (3,N), gloss (N,) and mirror (N,) at points."""
    facing = np.abs(dot(normal, direction)) / np.sqrt(dot(direction, direction))
    footprint = pixel / np.maximum(facing, 0.08)
    surface = np.empty_like(points)
    gloss, mirror = np.zeros_like(pixel), np.zeros_like(pixel)
    for number in np.flatnonzero(np.bincount(instance)):
        where = np.flatnonzero(instance == number)
        place, size = points.take(where, 1), footprint[where]
        if number >= FIRST_THING:
            thing = scene.things[number - FIRST_THING]
            material = thing.material
            surface[:, where] = albedo(material, thing.shape.local(place), size)
        elif number == FLOOR:
            material = scene.setting.floor
            surface[:, where] = albedo(material, scene.setting.local(place)[[0, 2, 1]], size)
        else:
            material = scene.setting.wall
            surface[:, where] = _walls(scene, place, normal.take(where, 1), size)
        gloss[where], mirror[where] = material.gloss, material.mirror
    return surface, gloss, mirror


def _walls(scene: Scene, points: Array, normal: Array, pixel: Array) -> Array:
    """Albedo (3,n) of the walls of a room: paper or paint, skirting and window; a plain white ceiling."""
    setting = scene.setting
    local = setting.local(points)
    color = albedo(setting.wall, local, pixel)
    color = np.where(normal[1] > 0.5, vector((0.85, 0.85, 0.83)), color)
    color = np.where(local[1] > -0.09, vector(setting.skirting), color)
    window = setting.window
    if window is None or setting.half is None:
        return color
    other = 2 - window.axis
    away = np.abs(local[window.axis] - window.sign * setting.half[window.axis])
    across = np.abs(local[other] - window.along) / window.half[0]
    upward = np.abs(local[1] + window.above) / window.half[1]
    edge = np.maximum(across, upward)
    at = (away < 0.01) & (edge < 1.0)
    glass = (edge < 0.9) & (np.minimum(across, upward) > 0.06)
    sight = np.where(glass, vector(window.color), vector((0.8, 0.79, 0.76)))
    return np.where(at, sight, color)


def _ambient(scene: Scene, points: Array, normal: Array) -> Array:
    """Light from everywhere (3,N): sky above, bounce from below, less near other things."""
    above, below = vector(scene.ambient[0]), vector(scene.ambient[1])
    open_part = np.ones_like(points[0])
    for thing in scene.things:
        radius = np.float32(thing.shape.radius)
        toward = vector(thing.shape.center) - points
        square = np.maximum(dot(toward, toward), radius * radius)
        cover = np.maximum(dot(toward, normal), 0.0) * (radius * radius) / (square * np.sqrt(square))
        open_part *= 1.0 - 0.85 * np.minimum(cover, 1.0)
    # A floor takes away half of the sky from whatever stands upright close above it.
    height = np.maximum(-points[1], 0.0)
    open_part *= 1.0 - 0.4 * (1.0 - np.abs(normal[1])) * 0.12 / (height + 0.12)
    if scene.setting.half is not None:
        open_part *= _corners(scene.setting, scene.setting.half, points, normal)
    return np.asarray((below + (above - below) * (0.5 - 0.5 * normal[1])) * open_part)


def _corners(setting: Setting, half: tuple[float, float, float], points: Array, normal: Array) -> Array:
    """Rooms are darker towards their corners: a factor (N,)."""
    local = setting.local(points)
    turned = np.abs(dot(normal, setting.turn[0].reshape(3, 1)))
    left, front = half[0] - np.abs(local[0]), half[2] - np.abs(local[2])
    shadow = (1.0 - turned) * 0.06 / (left * left + 0.15)
    shadow += turned * 0.06 / (front * front + 0.15)
    return np.asarray(1.0 - np.minimum(shadow, 0.6))


def _add_light(
    scene: Scene,
    lamp: Light,
    points: Array,
    normal: Array,
    view: Array,
    gloss: Array,
    light: Array,
    shine: Array,
) -> None:
    """Add what one lamp gives to `light` (diffuse) and `shine` (highlights), both (3,N)."""
    toward = vector(lamp.position)
    if not lamp.sun:
        toward = toward - points
    square = dot(toward, toward)
    strength = np.maximum(dot(toward, normal), 0.0) / np.sqrt(square)
    if not lamp.sun:
        strength /= square + 0.3
    if lamp.shadow:
        _cast_shadows(scene, lamp, points + normal * _LIFT, toward, square, strength)
    color = vector(lamp.color)
    light += color * strength
    polished = np.flatnonzero((gloss > 0.0) & (strength > 0.0))
    if polished.size:
        middle = unit(unit(_some(toward, polished)) + view.take(polished, 1))
        peak = np.maximum(dot(middle, normal.take(polished, 1)), 0.0)
        for _ in range(5):
            peak = peak * peak
        shine[:, polished] += color * (strength[polished] * peak * gloss[polished] * 1.6)


def _cast_shadows(scene: Scene, lamp: Light, points: Array, toward: Array, square: Array, strength: Array) -> None:
    """Take from `strength` (N,) what things keep from the points.

    The penumbra grows with the way from blocker to shadow, by how long the ray is inside.
    """
    end = np.float32(np.inf if lamp.sun else 1.0)
    for thing in scene.things:
        shape = thing.shape
        rays = reached(vector(shape.center), shape.bound, points, toward, square)
        if rays.size == 0:
            continue
        near, far = shape.interval(points.take(rays, 1), _some(toward, rays))
        near = np.maximum(near, 0.0)
        inside = np.minimum(far, end) - near
        blocked = np.flatnonzero((inside > 0.0) & (far > 1e-3))
        if blocked.size:
            cover = inside[blocked] / (np.float32(lamp.size) * near[blocked] + np.float32(1e-4))
            strength[rays[blocked]] *= 1.0 - np.minimum(cover, 1.0)


def _add_reflections(
    scene: Scene, points: Array, normal: Array, view: Array, mirror: Array, shaded: Array, pixel: float
) -> None:
    """Blend in what glossy floors and polished things mirror, once."""
    where = np.flatnonzero(mirror > 0.0)
    if where.size == 0:
        return
    n, v = normal.take(where, 1), view.take(where, 1)
    facing = dot(n, v)
    bounce = n * (2.0 * facing) - v
    start = points.take(where, 1) + n * _LIFT
    hits = trace(scene, start, bounce)
    seen = shade(scene, start, bounce, hits, pixel * 3.0, mirrors=False)
    rest = 1.0 - np.clip(facing, 0.0, 1.0)
    amount = mirror[where] * (0.35 + 0.65 * rest * rest * rest)
    shaded[:, where] += (np.minimum(seen, 3.0) - shaded[:, where]) * amount


def _hazed(scene: Scene, color: Array, distance: Array) -> Array:
    """Distance fades to the horizon's colour out of doors."""
    if scene.haze <= 0.0:
        return color
    far = distance * np.float32(scene.haze)
    far = far * far
    return np.asarray(color + (vector(scene.sky.horizon) - color) * (far / (1.0 + far)))
