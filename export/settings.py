"""What an export is given: images, how many each step uses, precisions, and the int8 policy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from ..devices.errors import ExportError, QuantizeError
from ..quantize.policy import Policy
from ..training.data.sample import Dataset

PRECISIONS = ("fp32", "int8")

Progress = Callable[[str, int, int], None]
"""Told (stage, done, total) after each step."""


@dataclass(frozen=True)
class ExportData:
    """Images for an export: `train` to recalibrate batch norm and calibrate ranges, `quality` to measure on.

    `split` is what the suite says that `quality` is.
    """

    train: Dataset
    quality: Dataset
    split: str = "validation"


@dataclass(frozen=True)
class ExportSettings:
    """Numbers of images by use, the precisions to make, the int8 policy, and the batch size of every step."""

    calibration_images: int = 32
    recalibration_images: int = 128
    quality_images: int = 64
    precisions: tuple[str, ...] = PRECISIONS
    policy: Policy = field(default_factory=Policy)
    batch: int = 16

    def __post_init__(self) -> None:
        object.__setattr__(self, "precisions", tuple(self.precisions))
        for precision in self.precisions:
            if precision not in PRECISIONS:
                raise ExportError(f"unknown precision {precision!r}: choose among {', '.join(PRECISIONS)}")
        if not self.precisions:
            raise ExportError("no precision was asked for: choose fp32, int8 or both")
        if self.calibration_images < 1 and "int8" in self.precisions:
            raise QuantizeError("int8 cannot be calibrated without images: give at least one calibration image")
        if min(self.recalibration_images, self.quality_images, self.batch) < 1:
            raise ExportError("recalibration, quality measurement and batches need at least one image each")
