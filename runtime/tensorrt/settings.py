"""What an engine is built for; every part of it is a part of the key under which the engine is kept."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from typing import Any

from ...devices.errors import BudgetError

ENGINES = ("tensorrt", "tensorrt-rtx")
TITLES = {"tensorrt": "TensorRT", "tensorrt-rtx": "TensorRT for RTX"}


@dataclass(frozen=True)
class BuildSettings:
    """`capability` is the GPU's compute capability, as in 8.9; None is the GPU of this machine. `batch` is the most
    images of a call; engines are tuned for one. `dla` is the number of a deep-learning accelerator (Jetson). Only
    `tasks` are computed; None means all.

    Raises BudgetError for what no engine can be built for.
    """

    engine: str = "tensorrt-rtx"
    capability: str | None = None
    batch: int = 1
    dla: int | None = None
    tasks: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        if self.engine not in ENGINES:
            raise BudgetError(f"there is no engine {self.engine!r} to build for: use {' or '.join(ENGINES)}")
        if self.capability is not None:
            if self.engine != "tensorrt-rtx":
                raise BudgetError("TensorRT builds for the GPU of this machine only: leave out the compute capability")
            if not re.fullmatch(r"\d{1,2}\.\d", self.capability):
                raise BudgetError(f"{self.capability!r} is no compute capability: two numbers, as in 8.9")
        if self.dla is not None and (self.engine != "tensorrt" or not 0 <= self.dla < 16):
            raise BudgetError("a DLA is a Jetson's, for TensorRT: 0 or 1")
        if not 1 <= self.batch <= 1 << 16:
            raise BudgetError(f"a batch of {self.batch} images cannot be built for")

    def to_json(self) -> dict[str, Any]:
        """JSON object."""
        return {**asdict(self), "tasks": None if self.tasks is None else list(self.tasks)}

    def __str__(self) -> str:
        place = f"compute capability {self.capability}" if self.capability else "the GPU of this machine"
        accelerator = "" if self.dla is None else f", DLA {self.dla}"
        images = "1 image" if self.batch == 1 else f"1 to {self.batch} images"
        tasks = "" if self.tasks is None else f", {' and '.join(self.tasks)} only"
        return f"{TITLES[self.engine]} for {place}{accelerator}, {images} a call{tasks}"
