"""`pliant run`: images in, pictures of what the chosen subnet says of them out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..devices.errors import BudgetError, PliantError
from .options import Json, path_argument, path_option, with_budget
from .places import suite_at
from .plain import one_line, printable
from .progress import note, progress_bar

if TYPE_CHECKING:
    from ..runtime.model import Model
    from ..runtime.suite import Suite
    from .shots import Shot

# What a subnet that is named may be told; everything else is a budget.
_HOW = ("tasks", "provider", "threads")


@with_budget
def run(
    paths: Annotated[
        list[str] | None,
        path_argument("MODEL.pliant INPUT", "A suite and images; neither: the sample suite and image."),
    ] = None,
    subnet: Annotated[str | None, typer.Option(metavar="ID", help="This subnet, instead of a budget.")] = None,
    *,
    asked: dict[str, Any],
    out: Annotated[Path, path_option("DIR", "Where the pictures are written.", show_default=True)] = Path("out/run"),
    as_json: Json = False,
) -> None:
    """Run a suite on images at a budget and write pictures of what it sees.

    \b
    Examples:
      pliant run
      pliant run scenes.pliant photo.jpg --latency 15ms --out pictures
      pliant run scenes.pliant *.png --subnet s04-int8 --tasks depth
    """
    from .pictures import read_image
    from .shots import take, write
    from .tables import print_json

    model_path, inputs = _what_to_run(paths or [])
    if subnet is not None and not asked.keys() <= set(_HOW):
        raise BudgetError("give either --subnet or a budget, not both")
    with suite_at(model_path) as suite:
        images = [read_image(path) for path in inputs]
        with _loaded(suite, subnet, asked) as model:
            ran, why = model.subnet.id, f"asked for by name ({subnet})" if model.plan is None else model.plan.why
            shots = take(model, inputs, images)
    write(shots, out)
    result = {"model": str(model_path), "subnet": ran, "why": why, "images": [shot.to_json(out) for shot in shots]}
    if as_json:
        print_json(result)
    else:
        _print(f"{ran} ran: {one_line(why)}", shots, out)


def _loaded(suite: Suite, subnet: str | None, asked: dict[str, Any]) -> Model:
    """The subnet of that name, or the one that a budget chooses."""
    if subnet is not None:
        return suite.load(subnet, **asked)
    with progress_bar() as report:
        chosen = suite.plan(**asked, progress=report)
    return suite.load(chosen)


def _what_to_run(paths: list[str]) -> tuple[str | Path, list[Path]]:
    from .sample import SAMPLE_IMAGE, SAMPLE_SUITE

    if not paths:
        if not SAMPLE_SUITE.is_file():
            raise PliantError(
                "this installation has no sample suite: name one, as in `pliant run MODEL.pliant photo.jpg`"
            )
        return SAMPLE_SUITE, [SAMPLE_IMAGE]
    if len(paths) == 1:
        raise BudgetError(
            f"no images to run {paths[0]} on: a suite comes first, as in `pliant run MODEL.pliant photo.jpg`"
        )
    return paths[0], [Path(path) for path in paths[1:]]


def _print(headline: str, shots: list[Shot], out: Path) -> None:
    from .tables import milliseconds

    lines = [headline]
    for shot in shots:
        if shot.resized:
            (height, width), (tall, wide) = shot.ran_at, shot.image.shape[:2]
            # In words, as `inspect` has them: of two numbers cameras say the width first, data sets the height.
            sizes = f"{wide} wide, {tall} high, was resized to {width} wide, {height} high"
            note(f"{shot.path}: {sizes} for the network, the pictures back to it")
        lines += [f"{shot.path}: {task} is {label}" for task, label in shot.labels.items()]
        seen = ", ".join(name for name, _ in shot.panels) or "no pictures"
        lines.append(f"{shot.path}: one call took {milliseconds(shot.milliseconds)} ms; {seen} -> {shot.sheet(out)}")
    print(printable("\n".join([*lines, f"pictures are in {out}"])))
