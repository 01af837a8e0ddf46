"""`pliant run`: images in, pictures of what the chosen subnet says of them out."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..devices.errors import BudgetError, InputError, PliantError
from .options import (
    Bytes,
    Energy,
    Floor,
    Json,
    Latency,
    Macs,
    Measure,
    Memory,
    Prefer,
    Provider,
    Quantile,
    Tasks,
    Threads,
    request,
)
from .progress import note, progress_bar

if TYPE_CHECKING:
    import numpy as np

    from ..runtime.tasks import Task

    Array = np.ndarray[Any, np.dtype[Any]]

_LIMITS = ("latency", "memory", "macs", "bytes", "energy", "prefer", "floors", "quantile", "measure")


def run(
    paths: Annotated[
        list[Path] | None,
        typer.Argument(metavar="MODEL.pliant INPUT", help="A suite and images; neither: the sample suite and image."),
    ] = None,
    subnet: Annotated[str | None, typer.Option(metavar="ID", help="This subnet, instead of a budget.")] = None,
    latency: Latency = None,
    memory: Memory = None,
    macs: Macs = None,
    size: Bytes = None,
    energy: Energy = None,
    prefer: Prefer = None,
    floor: Floor = None,
    tasks: Tasks = None,
    quantile: Quantile = None,
    provider: Provider = None,
    threads: Threads = None,
    measure: Measure = None,
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where the pictures are written.")] = Path("out/run"),
    as_json: Json = False,
) -> None:
    """Run a suite on images at a budget and write pictures of what it sees.

    \b
    Examples:
      pliant run
      pliant run scenes.pliant photo.jpg --latency 15ms --out pictures
      pliant run scenes.pliant *.png --subnet s04-int8 --tasks depth
    """
    from ..runtime.suite import open_suite
    from .pictures import read_image
    from .tables import print_json

    model_path, inputs = _what_to_run(paths or [])
    asked = request(
        latency=latency,
        memory=memory,
        macs=macs,
        bytes=size,
        energy=energy,
        prefer=prefer,
        floor=floor,
        tasks=tasks,
        quantile=quantile,
        provider=provider,
        threads=threads,
        measure=measure,
    )
    if subnet is not None and any(name in asked for name in _LIMITS):
        raise BudgetError("give either --subnet or a budget, not both")
    with open_suite(model_path) as suite:
        images = [(path, read_image(path)) for path in inputs]
        with progress_bar() as report:
            chosen = None if subnet is not None else suite.plan(**asked, progress=report)
        how = {name: asked[name] for name in ("tasks", "provider", "threads") if name in asked}
        with suite.load(subnet, **how) if chosen is None else suite.load(chosen) as model:
            why = f"asked for by name ({model.subnet.id})" if chosen is None else chosen.why
            shots = [
                _shoot(model, suite.tasks, path, image, _stem(inputs, i)) for i, (path, image) in enumerate(images)
            ]
            ran = model.subnet.id
    _write(shots, out)
    result = {"model": str(model_path), "subnet": ran, "why": why, "images": [shot.to_json(out) for shot in shots]}
    if as_json:
        print_json(result)
    else:
        _print(ran, why, shots, out)


def _what_to_run(paths: list[Path]) -> tuple[Path, list[Path]]:
    from .sample import SAMPLE_IMAGE, SAMPLE_SUITE

    if not paths:
        if not SAMPLE_SUITE.is_file():
            raise PliantError(
                "this installation has no sample suite: name one, as in `pliant run MODEL.pliant photo.jpg`"
            )
        return SAMPLE_SUITE, [SAMPLE_IMAGE]
    if len(paths) == 1 and paths[0].suffix == ".pliant":
        raise BudgetError(f"no images to run {paths[0]} on: pliant run {paths[0]} photo.jpg")
    return paths[0], paths[1:]


def _stem(inputs: list[Path], index: int) -> str:
    """Name of the pictures of an input: its own, numbered where two inputs share it."""
    stem = inputs[index].stem
    return stem if [path.stem for path in inputs].count(stem) == 1 else f"{stem}-{index + 1}"


def picture_path(out: Path, stem: str, name: str) -> Path:
    """Where a picture goes; a task's name comes from the suite, so nothing of it may lead elsewhere."""
    return out / f"{stem}.{re.sub(r'[^A-Za-z0-9_-]', '_', name)}.png"


@dataclass(frozen=True)
class _Shot:
    """One image and what was seen in it; `panels` are (name, caption, picture at the image's size)."""

    path: Path
    stem: str
    image: Array
    ran_at: tuple[int, int]
    milliseconds: float
    panels: list[tuple[str, str, Array]]
    labels: dict[str, str]

    @property
    def resized(self) -> bool:
        return bool(self.image.shape[:2] != self.ran_at)

    def picture(self, out: Path, name: str) -> Path:
        """Path of one picture."""
        return picture_path(out, self.stem, name)

    def to_json(self, out: Path) -> dict[str, Any]:
        return {
            "input": str(self.path),
            "height": self.image.shape[0],
            "width": self.image.shape[1],
            "ran_at": {"height": self.ran_at[0], "width": self.ran_at[1]},
            "call_ms": self.milliseconds,
            "pictures": {name: str(self.picture(out, name)) for name, _, _ in self.panels},
            "sheet": str(self.picture(out, "all")),
            "labels": self.labels,
        }


def _shoot(model: Any, tasks: Mapping[str, Task], path: Path, image: Array, stem: str) -> _Shot:
    from .pictures import painted, resized

    height, width = model.suite.input.height, model.suite.input.width
    fitted = resized(image, height, width)
    model(fitted)
    start = time.perf_counter()
    outputs = model(fitted)
    took = (time.perf_counter() - start) * 1e3
    panels, labels = [], {}
    for name, output in outputs.items():
        if tasks[name].kind == "classification":
            labels[name] = _label(tasks[name], output)
        else:
            picture, caption = painted(tasks[name], output, image)
            panels.append((name, caption, picture))
    return _Shot(path, stem, image, (height, width), took, panels, labels)


def _label(task: Task, probabilities: Array) -> str:
    best = int(probabilities.argmax())
    return f"{task.classes[best]} ({float(probabilities[best]):.0%})"


def _write(shots: list[_Shot], out: Path) -> None:
    from .pictures import contact_sheet, save

    try:
        out.mkdir(parents=True, exist_ok=True)
        for shot in shots:
            for name, _, picture in shot.panels:
                save(picture, shot.picture(out, name))
            named = [(f"{name}: {caption}" if caption else name, picture) for name, caption, picture in shot.panels]
            contact_sheet([(shot.path.name, shot.image), *named], shot.picture(out, "all"))
    except OSError as error:
        raise InputError(
            f"cannot write pictures into {out}: {error.strerror or error}; choose another --out"
        ) from error


def _print(ran: str, why: str, shots: list[_Shot], out: Path) -> None:
    from .failing import one_line
    from .tables import milliseconds

    print(f"{ran} ran: {one_line(why)}")
    for shot in shots:
        if shot.resized:
            (height, width), (tall, wide) = shot.ran_at, shot.image.shape[:2]
            note(f"{shot.path}: {wide}x{tall} was resized to {width}x{height} for the network, the pictures back to it")
        for task, label in shot.labels.items():
            print(f"{shot.path}: {task} is {label}")
        seen = ", ".join(name for name, _, _ in shot.panels)
        print(
            f"{shot.path}: {milliseconds(shot.milliseconds)} ms; {seen or 'no pictures'} -> {shot.picture(out, 'all')}"
        )
    print(f"pictures are in {out}")
