"""Random changes of a sample that its labels follow: mirror, zoom, shift and colour."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from ...runtime.format.tasks import Kind
from .resize import resize_image, resize_target
from .sample import IGNORED, Sample, Targets

Array = npt.NDArray[Any]
_SMALL = 48
_LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)


class Changes(Protocol):
    """What may be changed, as a recipe's `augmentation` says it.

    `crop` is the largest share of the sides that a random crop takes away, `jitter` the largest
    relative change of brightness, contrast and saturation.
    """

    @property
    def flip(self) -> bool:
        """Whether half of the images are mirrored."""
        ...

    @property
    def crop(self) -> float:
        """From 0 (none) to less than 1."""
        ...

    @property
    def jitter(self) -> float:
        """From 0 (none) to 1."""
        ...


@dataclass(frozen=True)
class Augment:
    """The usual `Changes`."""

    flip: bool = True
    crop: float = 0.3
    jitter: float = 0.2


def is_small(size: tuple[int, ...]) -> bool:
    """Whether images are like CIFAR's: too small to be enlarged, they are shifted instead."""
    return max(size) <= _SMALL


def augmented(sample: Sample, kinds: dict[str, Kind], changes: Changes, chance: np.random.Generator) -> Sample:
    """A randomly changed sample; `kinds` tells for each task how its target follows.

    Small images are not cropped and enlarged but shifted by up to half of `crop`, into black.
    """
    draws = chance.random(12)
    if changes.flip and draws[0] < 0.5:
        sample = flipped(sample, kinds)
    if changes.crop > 0.0 and is_small(sample.image.shape[:2]):
        sample = shifted(sample, kinds, changes.crop, (draws[2], draws[3]))
    elif changes.crop > 0.0:
        sample = zoomed(sample, kinds, 1.0 / (1.0 - changes.crop * draws[1]), (draws[2], draws[3]))
    if changes.jitter > 0.0:
        sample = Sample(_recolored(sample.image, changes.jitter * (2.0 * draws[4:10] - 1.0)), sample.targets)
    return sample


def flipped(sample: Sample, kinds: dict[str, Kind]) -> Sample:
    """The mirror image: left is right, and the x of normals changes its sign."""
    targets: Targets = {}
    for name, values in sample.targets.items():
        mirrored = values[:, ::-1] if values.ndim >= 2 else values
        if kinds[name] == "normals":
            mirrored = mirrored * np.array([-1.0, 1.0, 1.0], dtype=values.dtype)
        targets[name] = np.ascontiguousarray(mirrored) if values.ndim >= 2 else values
    return Sample(np.ascontiguousarray(sample.image[:, ::-1]), targets)


def zoomed(sample: Sample, kinds: dict[str, Kind], zoom: float, place: tuple[float, float]) -> Sample:
    """A crop 1/zoom as large, enlarged to the old size; `place` is where, (down, across) in [0, 1].

    The same picture by a camera that stands nearer by the factor: depth is divided by it, and
    normals stay. Labels are taken from the nearest pixel.
    """
    height, width = sample.image.shape[:2]
    high, wide = height / zoom, width / zoom
    top, left = place[0] * (height - high), place[1] * (width - wide)
    box = (left, top, left + wide, top + high)
    targets: Targets = {}
    for name, values in sample.targets.items():
        targets[name] = resize_target(values, kinds[name], (height, width), box)
        if kinds[name] == "depth":
            targets[name] = targets[name] / np.float32(zoom)
    return Sample(resize_image(sample.image, (height, width), box), targets)


def shifted(sample: Sample, kinds: dict[str, Kind], share: float, place: tuple[float, float]) -> Sample:
    """An image moved by up to half of `share` of its sides, black and unlabelled where nothing is."""
    reach = [round(side * share / 2.0) for side in sample.image.shape[:2]]
    down, across = (int(part * (2 * most + 1)) - most for part, most in zip(place, reach, strict=True))
    targets = {
        name: _moved(values, down, across, IGNORED[kinds[name]]) if values.ndim >= 2 else values
        for name, values in sample.targets.items()
    }
    return Sample(_moved(sample.image, down, across, 0), targets)


def _moved(values: Array, down: int, across: int, fill: int) -> Array:
    moved = np.full_like(values, fill)
    height, width = values.shape[:2]
    to_rows, from_rows = slice(max(down, 0), height + min(down, 0)), slice(max(-down, 0), height + min(-down, 0))
    to_columns, from_columns = (
        slice(max(across, 0), width + min(across, 0)),
        slice(max(-across, 0), width + min(-across, 0)),
    )
    moved[to_rows, to_columns] = values[from_rows, from_columns]
    return moved


def _recolored(image: Array, amounts: Array) -> Array:
    """Brightness, contrast, saturation and a gain for each channel, changed by (6,) fractions."""
    brightness, contrast, saturation = 1.0 + amounts[:3]
    gains = (brightness * contrast * (1.0 + 0.3 * amounts[3:6])).astype(np.float32)
    mix = np.float32(saturation) * np.eye(3, dtype=np.float32) + np.float32(1.0 - saturation) * _LUMA
    pixels = image.reshape(-1, 3).astype(np.float32) @ (mix * gains[:, None]).T
    # Contrast turns about the image's own mean brightness.
    middle = float(image[::4, ::4].mean()) * float(brightness) * (1.0 - float(contrast))
    pixels += np.float32(middle + 0.5)
    np.clip(pixels, 0.0, 255.0, out=pixels)
    return np.asarray(pixels.astype(np.uint8).reshape(image.shape))
