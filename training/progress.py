"""What a training tells while it runs: to whoever watches (`Progress`), to a log, to TensorBoard if installed."""

from __future__ import annotations

import json
import time
from collections import deque
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

from .disk import writing

VERSION = 1


@dataclass(frozen=True)
class StepReport:
    """After a step: `losses` by task of its first subnet, the widest; `total` averaged over all of its subnets.

    `total` is the weighted sum of a subnet's losses. `distillation` is CI-KD and `soft_labels` those of the outputs,
    each averaged over the subnets that were taught, 0 where none was. `gradient_norm` is that before clipping, of the
    step's largest update. `step` counts finished steps out of `steps`; `seconds_left` is None until it can be told.
    """

    step: int
    steps: int
    epoch: int
    losses: dict[str, float]
    total: float
    distillation: float
    learning_rate: float
    images_per_second: float
    seconds_left: float | None
    soft_labels: float = 0.0
    gradient_norm: float = 0.0


class Progress(Protocol):
    """Whoever watches a training; every method is called from the training's thread and should return soon."""

    def preparing(self, done: int, total: int) -> None:
        """Pictures of a split are being rendered, before training."""

    def started(self, step: int, steps: int) -> None:
        """Training begins after `step` finished steps (more than 0: it was resumed) out of `steps`."""

    def step(self, report: StepReport) -> None:
        """A step is done."""

    def quality(self, step: int, rows: list[dict[str, Any]]) -> None:
        """Subnets were evaluated; each row is `{"config": ..., "quality": {task: value}}`."""

    def message(self, text: str) -> None:
        """Something worth a line, such as a checkpoint that was damaged."""


class Silent:
    """A `Progress` that watches nothing."""

    def preparing(self, done: int, total: int) -> None:
        """Nothing."""

    def started(self, step: int, steps: int) -> None:
        """Nothing."""

    def step(self, report: StepReport) -> None:
        """Nothing."""

    def quality(self, step: int, rows: list[dict[str, Any]]) -> None:
        """Nothing."""

    def message(self, text: str) -> None:
        """Nothing."""


class Pace:
    """Images a second and time left, from the last steps of this run."""

    def __init__(self, batch_size: int, window: int = 50):
        self._batch_size = batch_size
        self._times: deque[float] = deque([time.perf_counter()], maxlen=window + 1)

    def tick(self, steps_left: int) -> tuple[float, float | None]:
        """(images a second, seconds left), after a step."""
        self._times.append(time.perf_counter())
        seconds = (self._times[-1] - self._times[0]) / (len(self._times) - 1)
        return self._batch_size / max(seconds, 1e-9), seconds * steps_left if len(self._times) > 2 else None


class MetricsLog:
    """OUT/metrics.jsonl, one JSON object a line, and OUT/tensorboard where TensorBoard is installed.

    A resumed run first cuts the file back to its checkpoint's step, so that no step stands there twice.
    """

    def __init__(self, out: Path, step: int):
        self._path = out / "metrics.jsonl"
        self._judged = _cut_back(self._path, step)
        with writing(self._path):
            self._file = self._path.open("a", encoding="utf-8")
        self._folder = out / "tensorboard"
        with writing(self._folder):
            self._board = _board(self._folder, step)

    def step(self, report: StepReport) -> None:
        """Log a finished step."""
        self._line({"kind": "step", **asdict(report)})
        taught = {"ci-kd": report.distillation, "soft labels": report.soft_labels}
        losses = {f"loss/{name}": value for name, value in {**report.losses, "total": report.total, **taught}.items()}
        beside = {name: getattr(report, name) for name in ("learning_rate", "gradient_norm")}
        self._scalars({**losses, **beside}, report.step)

    def quality(self, step: int, rows: list[dict[str, Any]]) -> None:
        """Log measured quality, unless one that was killed before a checkpoint knew of it has."""
        entry = {"kind": "quality", "step": step, "rows": json.loads(json.dumps(rows))}
        if any(entry.items() <= line.items() for line in self._judged):
            return
        self._line(entry)
        self._judged.append(entry)
        for row in rows:
            widths = "-".join(f"{width:g}" for width in row["config"]["encoder"])
            known = {task: value for task, value in row["quality"].items() if value is not None}
            self._scalars({f"quality/{task}/{widths}": value for task, value in known.items()}, step)

    def has_quality(self, step: int) -> bool:
        """Whether quality was logged at a step, by this run or the one that it goes on from."""
        return any(line["step"] == step for line in self._judged)

    def close(self) -> None:
        """Finish both."""
        # Every line was flushed; a line that could not be written was reported then.
        with suppress(OSError):
            self._file.close()
        with suppress(OSError):
            if self._board is not None:
                self._board.close()

    def _scalars(self, values: dict[str, float], step: int) -> None:
        if self._board is not None:
            with writing(self._folder):
                for name, value in values.items():
                    self._board.add_scalar(name, value, step)

    def _line(self, entry: dict[str, Any]) -> None:
        with writing(self._path):
            self._file.write(json.dumps({"_version": VERSION, **entry}) + "\n")
            self._file.flush()


class NoLog:
    """A log that keeps nothing: that of a process which does not lead."""

    def step(self, report: StepReport) -> None:
        """Nothing."""

    def quality(self, step: int, rows: list[dict[str, Any]]) -> None:
        """Nothing."""

    def has_quality(self, step: int) -> bool:
        """Asked of the leading process only."""
        return False

    def close(self) -> None:
        """Nothing."""


def _cut_back(path: Path, step: int) -> list[dict[str, Any]]:
    """Keep the whole lines up to `step`, and give those of quality; what a killed run wrote after its last checkpoint
    comes again. What is damaged goes, whatever bytes it is of.
    """
    if not path.exists():
        return []
    partial = path.with_name(".writing-metrics.jsonl")
    with writing(path, partial):
        kept = [line for line in path.read_bytes().splitlines() if _step_of(line) <= step]
        partial.write_bytes(b"".join(line + b"\n" for line in kept))
        partial.replace(path)
    return [entry for entry in map(json.loads, kept) if entry.get("kind") == "quality"]


def _step_of(line: bytes) -> float:
    try:
        return float(json.loads(line)["step"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return float("inf")


def _board(folder: Path, step: int) -> Any:
    """A TensorBoard writer, or None where it is not installed: it is a convenience, not a requirement."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return None
    return SummaryWriter(str(folder), purge_step=step + 1)
