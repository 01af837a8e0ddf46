"""What a training shows: losses, pace and time left, as a bar on a terminal and as a line now and then elsewhere."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Any

import typer

from .failing import FAILED, INTERRUPTED
from .plain import printable
from .progress import SECONDS_BETWEEN_LINES, note
from .tables import print_json, print_table, quality, quality_head

if TYPE_CHECKING:
    from ..training.loop import TrainResult
    from ..training.progress import StepReport
    from ..training.ranks import Ranks


class TrainingBar:
    """The `Progress` that a terminal shows of a training."""

    def __init__(self) -> None:
        self._bar: Any = None
        self._task: Any = None
        self._said = time.monotonic()
        self._counting = False

    def __enter__(self) -> TrainingBar:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()
        if self._counting:  # what is said next begins a line
            print(file=sys.stderr)

    def preparing(self, done: int, total: int) -> None:
        """A line on a terminal that counts rendered pictures; elsewhere one every quarter of a minute."""
        line = f"rendering pictures: {done} of {total}"
        if sys.stderr.isatty():
            self._counting = done < total
            print(f"\r{line}", end="" if self._counting else "\n", file=sys.stderr, flush=True)
        elif self._due():
            note(line)

    def started(self, step: int, steps: int) -> None:
        """Draw the bar."""
        self.message(f"training: {steps} steps" + (f", going on after {step}" if step else ""))
        if not sys.stderr.isatty():
            return
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        losses = TextColumn("{task.description}", markup=False)
        columns = (BarColumn(bar_width=16), MofNCompleteColumn(), TimeRemainingColumn(compact=True), losses)
        self._bar = Progress(*columns, console=Console(stderr=True), transient=True)
        self._task = self._bar.add_task("", total=steps, completed=step)
        self._bar.start()

    def step(self, report: StepReport) -> None:
        """Move the bar; without one, say a line every quarter of a minute."""
        if self._bar is not None:
            self._bar.update(self._task, completed=report.step, description=_losses(report))
        elif self._due():
            left = "" if report.seconds_left is None else f", {report.seconds_left / 60:.1f} min left"
            note(f"step {report.step}/{report.steps}: {_losses(report)}{left}")

    def _due(self) -> bool:
        """Whether it is time for another line."""
        due = time.monotonic() - self._said >= SECONDS_BETWEEN_LINES
        if due:
            self._said = time.monotonic()
        return due

    def quality(self, step: int, rows: list[dict[str, Any]]) -> None:
        """Say what the widest subnet reaches."""
        if rows:
            found = ", ".join(f"{task} {value:.3f}" for task, value in rows[0]["quality"].items() if value is not None)
            self.message(f"step {step}, widest subnet: {found}")

    def message(self, text: str) -> None:
        """A line that stays."""
        if self._bar is not None:
            self._bar.console.print(printable(text), markup=False, highlight=False)
        else:
            note(text)


def without_stack_traces() -> None:
    """Silence torch's own warnings of a lost connection, before torch is imported: an error says the same in a line."""
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")


@contextmanager
def together() -> Iterator[Ranks]:
    """The processes that torchrun started, where it did; one whose end another process has told ends without a word."""
    from ..training.ranks import EndedElsewhere, joined

    try:
        with joined() as ranks:
            yield ranks
    except EndedElsewhere as error:
        raise typer.Exit(INTERRUPTED if error.interrupted else FAILED) from error


def _losses(report: StepReport) -> str:
    losses = " ".join(f"{task[:12]} {value:.2f}" for task, value in report.losses.items())
    return f"{report.images_per_second:.0f} img/s, losses {losses}"


def print_result(result: TrainResult, as_json: bool) -> None:
    """Quality of the uniform widths, and where the checkpoint lies."""
    if as_json:
        print_json(
            {
                "out": str(result.out),
                "checkpoint": str(result.checkpoint),
                "steps": result.steps,
                "resumed_from": result.resumed_from,
                "seconds": result.seconds,
                "images_per_second": result.images_per_second,
                "quality": result.quality,
            }
        )
        return
    tasks = {task.name: task for task in result.tasks}
    names = list(result.quality[0]["quality"]) if result.quality else []
    rows = [(_widths(row["config"]), *(_value(row["quality"][name]) for name in names)) for row in result.quality]
    print_table(("width", *(quality_head(tasks[name]) for name in names)), rows)
    counted = f"{result.steps} step{'' if result.steps == 1 else 's'}"
    print(f"{counted}, {result.seconds:.0f} s, {result.images_per_second:.1f} images/s: {result.out}")
    note(f"next: pliant search {result.out} --out {result.out}/front.json")


def _widths(config: dict[str, Any]) -> str:
    widths = sorted({*config["encoder"], *config["decoders"].values()})
    return f"{widths[0]:g}" if len(widths) == 1 else f"{widths[0]:g} to {widths[-1]:g}"


def _value(value: float | None) -> str:
    return "-" if value is None else quality(value)
