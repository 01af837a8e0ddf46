"""What calibration images say of activations: ranges, which give uint8 scales and zero points, and channels."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..devices.errors import QuantizeError


class Channels(NamedTuple):
    """Of one tensor, over all images: the greatest value of each channel (C,), and the mean at each place (C, H, W)."""

    high: NDArray[np.float32]
    mean: NDArray[np.float32]


class Extremes(NamedTuple):
    """Least and greatest value of one tensor, each one value an image (N,), and its channels where they are wanted."""

    low: NDArray[np.float32]
    high: NDArray[np.float32]
    channels: Channels | None = None


@dataclass(frozen=True)
class Range:
    """The span of one tensor's values that int8 is to express, and what is known of its channels."""

    low: float
    high: float
    channels: Channels | None = field(default=None, compare=False)

    def parameters(self) -> tuple[np.float32, np.uint8]:
        """Scale and zero point of asymmetric uint8; zero is always exact, as padding and ReLU need."""
        low, high = min(self.low, 0.0), max(self.high, 0.0)
        scale = np.float32(max((high - low) / 255, 1e-12))
        return scale, np.uint8(np.clip(round(-low / float(scale)), 0, 255))

    def symmetric(self) -> np.float32:
        """Scale of signed int8 whose zero point is 0."""
        return np.float32(max(-self.low, self.high, 127e-12) / 127)


def merge_extremes(batches: Iterable[Mapping[str, Extremes]]) -> dict[str, Extremes]:
    """Extremes of all images, from those of each batch; QuantizeError where there are no images."""
    collected: dict[str, list[Extremes]] = {}
    for batch in batches:
        for name, extremes in batch.items():
            collected.setdefault(name, []).append(extremes)
    if not collected:
        raise QuantizeError("int8 cannot be calibrated without images: give at least one calibration image")
    return {name: _merged(parts) for name, parts in collected.items()}


def find_ranges(extremes: Mapping[str, Extremes]) -> dict[str, Range]:
    """One range a tensor: all values that the calibration images gave (why: docs/quantization.md).

    Raises QuantizeError where values are not finite, or where no tensor varies.
    """
    for name, (low, high, _) in extremes.items():
        if not (np.isfinite(low).all() and np.isfinite(high).all()):
            raise QuantizeError(
                f"calibration met values that are not finite at {name}: the network overflows on these images"
            )
    ranges = {
        name: Range(float(low.min()), float(high.max()), channels) for name, (low, high, channels) in extremes.items()
    }
    if ranges and all(found.high - found.low < 1e-9 for found in ranges.values()):
        raise QuantizeError("calibration saw nothing but constants: give images that look like the real input")
    return ranges


def _merged(parts: list[Extremes]) -> Extremes:
    low, high = np.concatenate([part.low for part in parts]), np.concatenate([part.high for part in parts])
    channels = [(part.channels, len(part.low)) for part in parts if part.channels is not None]
    if not channels:
        return Extremes(low, high)
    means = np.average([each.mean for each, _ in channels], 0, [images for _, images in channels])
    return Extremes(low, high, Channels(np.max([each.high for each, _ in channels], 0), means.astype(np.float32)))
