"""One picture of a scene with its exact labels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ....devices.errors import DataError
from ....runtime.format.tasks import Task
from ..sample import Sample
from .compose import compose
from .draw import Draw
from .scene import BACKGROUND, CLASSES, FLOOR, WALL, Lens, Scene
from .shading import Hits, shade, trace
from .vectors import Array, rotate, vector

VERSION = 2
FARTHEST = 20.0
SPLITS = ("train", "validation", "test")
COLORS = ((104, 160, 214), (178, 148, 108), (226, 214, 186), (214, 84, 68), (94, 170, 96))
TASKS = (
    Task("segmentation", "segmentation", CLASSES, COLORS),
    Task("depth", "depth", value_range=(0.3, FARTHEST)),
    Task("normals", "normals", value_range=(-1.0, 1.0)),
    Task("edges", "edges"),
)
_CONTRAST = 0.06
_SUBPIXELS = ((-0.375, -0.125), (0.125, -0.375), (0.375, 0.125), (-0.125, 0.375))


@dataclass(frozen=True)
class Picture:
    """A sample together with `instance`, uint8 (H,W): 0 background, 1 floor, 2 wall, then each thing."""

    sample: Sample
    instance: npt.NDArray[np.uint8]
    scene: Scene


def render(seed: int, index: int, size: tuple[int, int] = (96, 128), split: str = "test") -> Sample:
    """Picture `index` of a split, (height, width) pixels, with all labels; the same everywhere.

    Depth is in metres along the optical axis, 0 beyond 20 m. Normals are in the camera's frame.
    Raises DataError for a split or size that does not exist.
    """
    return picture(seed, index, size, split).sample


def picture(seed: int, index: int, size: tuple[int, int], split: str) -> Picture:
    """As `render`, with instances and the scene itself."""
    if split not in SPLITS:
        raise DataError(f"scenes have no split {split!r}: choose one of {', '.join(SPLITS)}")
    if min(size) < 8 or max(size) > 4096:
        raise DataError(f"scenes cannot be rendered at {size[0]}x{size[1]}: choose sides from 8 to 4096 pixels")
    draw = Draw(VERSION, seed, SPLITS.index(split), index)
    scene = compose(draw)
    rows, columns = (grid.reshape(-1).astype(np.float32) for grid in np.indices(size))
    direction = scene.camera.rays(columns, rows, size)
    origin = vector(scene.camera.position)
    hits = trace(scene, origin, direction)
    light = _photograph(scene, size, rows, columns, direction, hits)
    image = _develop(scene.lens, light, size, draw)
    instance = hits.instance.reshape(size)
    return Picture(Sample(image, _labels(scene, hits, size)), instance, scene)


def _labels(scene: Scene, hits: Hits, size: tuple[int, int]) -> dict[str, Array]:
    classes = np.array([BACKGROUND, FLOOR, WALL, *(thing.label for thing in scene.things)], dtype=np.uint8)
    normal = rotate(scene.camera.turn.T, hits.normal)
    normal[:, hits.instance == BACKGROUND] = 0.0
    depth = np.where(hits.distance <= FARTHEST, hits.distance, 0.0).astype(np.float32)
    return {
        "segmentation": classes[hits.instance].reshape(size),
        "depth": depth.reshape(size),
        "normals": np.ascontiguousarray(normal.T).reshape(*size, 3),
        "edges": boundaries(hits.instance.reshape(size)),
    }


def boundaries(instance: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """1 on both sides of every change of instance, uint8 (H,W).

    Things are convex, so that depth is continuous within one of them.
    """
    edge = np.zeros_like(instance)
    across, down = instance[:, 1:] != instance[:, :-1], instance[1:] != instance[:-1]
    edge[:, 1:] |= across
    edge[:, :-1] |= across
    edge[1:] |= down
    edge[:-1] |= down
    return edge


def _photograph(
    scene: Scene, size: tuple[int, int], rows: Array, columns: Array, direction: Array, hits: Hits
) -> Array:
    """Light (3,H*W) in each pixel: one ray, and four more where neighbours differ."""
    origin = vector(scene.camera.position)
    pixel = 1.0 / (scene.camera.focal * size[1])
    light = _exposed(shade(scene, origin, direction, hits, pixel))
    rough = np.flatnonzero(_uneven(light.reshape(3, *size)))
    if rough.size == 0:
        return light
    x = np.concatenate([columns[rough] + dx for dx, _ in _SUBPIXELS])
    y = np.concatenate([rows[rough] + dy for _, dy in _SUBPIXELS])
    finer = scene.camera.rays(x, y, size)
    parts = _exposed(shade(scene, origin, finer, trace(scene, origin, finer), pixel * 0.5))
    a, b, c, d = (parts[:, i * rough.size : (i + 1) * rough.size] for i in range(4))
    light[:, rough] = (a + b + c + d) * np.float32(0.25)
    return light


def _exposed(light: Array) -> Array:
    """Very bright light saturates before pixels are averaged, as in a sensor."""
    return np.clip(light, 0.0, 6.0)


def _uneven(light: Array) -> Array:
    """Where a pixel differs visibly from a neighbour: bool (H,W)."""
    tone = light[1] / (light[1] + np.float32(0.6))
    rough = np.zeros(tone.shape, dtype=bool)
    across = np.abs(tone[:, 1:] - tone[:, :-1]) > _CONTRAST
    down = np.abs(tone[1:] - tone[:-1]) > _CONTRAST
    rough[:, 1:] |= across
    rough[:, :-1] |= across
    rough[1:] |= down
    rough[:-1] |= down
    return rough


def _develop(lens: Lens, light: Array, size: tuple[int, int], draw: Draw) -> npt.NDArray[np.uint8]:
    """Linear light (3,H*W) to an 8-bit picture (H,W,3): exposure, lens, tone curve and grain."""
    # Whole numbers: their sum does not depend on the order in which a processor adds.
    level = int(np.minimum(light[1] * 4096.0, 8192.0).astype(np.int64).sum()) / (4096.0 * light.shape[1])
    gain = min(lens.exposure / max(level, 1e-3), 8.0)
    view = light.reshape(3, *size) * vector([c * gain for c in lens.balance]).reshape(3, 1, 1)
    view *= _falloff(size, lens.vignette)
    if lens.blur > 0.0:
        view = _soften(view, np.float32(lens.blur))
    tone = np.clip(view * (2.2 * view + 0.05) / (view * (2.1 * view + 0.66) + 0.14), 0.0, 1.0)
    pixels = np.sqrt(tone) * np.float32(255.0)
    grain = draw.octets(2 * pixels.size).reshape(2, *pixels.shape).astype(np.int16)
    pixels += (grain[0] - grain[1]) * np.float32(lens.grain / 104.0)
    return np.ascontiguousarray(np.clip(pixels + 0.5, 0.0, 255.0).astype(np.uint8).transpose(1, 2, 0))


def _falloff(size: tuple[int, int], amount: float) -> Array:
    """Darkening towards the corners (H,W)."""
    y = np.linspace(-1.0, 1.0, size[0], dtype=np.float32).reshape(-1, 1)
    x = np.linspace(-1.0, 1.0, size[1], dtype=np.float32)
    return np.asarray(1.0 - np.float32(0.5 * amount) * (x * x + y * y))


def _soften(view: Array, part: np.float32) -> Array:
    """A small blur along both axes of (3,H,W)."""
    across = np.pad(view, ((0, 0), (0, 0), (1, 1)), mode="edge")
    view = view * (1 - 2 * part) + (across[:, :, 2:] + across[:, :, :-2]) * part
    down = np.pad(view, ((0, 0), (1, 1), (0, 0)), mode="edge")
    return np.asarray(view * (1 - 2 * part) + (down[:, 2:] + down[:, :-2]) * part)
