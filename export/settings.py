"""What an export is given: images, how many each step uses, precisions, and the int8 policy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from ..devices.errors import ExportError, QuantizeError
from ..quantize.policy import Policy
from ..training.data.sample import Dataset

PRECISIONS = ("fp32", "int8")
"""What is made unless told."""

BATCH = 16
"""Images of a step unless told; ranges depend on it, so a search calibrates by as many."""

KNOWN = ("fp32", "fp16", "int8")
TARGETS = ("onnxruntime", "tensorrt")

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
    """Numbers of images by use, the precisions to make, the int8 policy, and the batch size of every step.

    `max_drop` is the share of any task's quality that int8 or fp16 may cost: blocks stay in fp32 until it
    costs no more, within so many `evaluations` a subnet, and a subnet for which none suffices is left out in that
    precision. None: whatever it costs. `targets` are the engines that graphs are made for; one for onnxruntime is
    always there.
    """

    calibration_images: int = 32
    recalibration_images: int = 128
    quality_images: int = 64
    precisions: tuple[str, ...] = PRECISIONS
    policy: Policy = field(default_factory=Policy)
    batch: int = BATCH
    max_drop: float | None = None
    evaluations: int = 48
    targets: tuple[str, ...] = TARGETS

    def __post_init__(self) -> None:
        object.__setattr__(self, "precisions", tuple(dict.fromkeys(self.precisions)))
        for target in self.targets:
            if target not in TARGETS:
                raise ExportError(f"unknown target {target!r}: choose among {', '.join(TARGETS)}")
        for precision in self.precisions:
            if precision not in KNOWN:
                raise ExportError(f"unknown precision {precision!r}: choose among {', '.join(KNOWN)}")
        if not self.precisions:
            raise ExportError(f"no precision was asked for: choose among {', '.join(KNOWN)}")
        if self.calibration_images < 1 and "int8" in self.precisions:
            raise QuantizeError("int8 cannot be calibrated without images: give at least one calibration image")
        if min(self.recalibration_images, self.quality_images, self.batch) < 1:
            raise ExportError("recalibration, quality measurement and batches need at least one image each")
        if self.max_drop is not None and not 0.0 <= self.max_drop < 1.0:
            raise QuantizeError(f"max_drop is a share of a task's quality, as in 0.01; not {self.max_drop!r}")
        if self.max_drop is not None and "fp32" not in self.precisions:
            raise QuantizeError(
                f"max_drop may leave out {self.precisions[0]}, and without fp32 nothing would be left: ask for both"
            )
