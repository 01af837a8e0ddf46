"""The verbs of the building half: `demo`, `train`, `search`, `export`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .failing import need_building_half
from .options import Json, Prefer, pairs
from .progress import note, progress_bar

_TRAIN = ("torch", "pydantic", "yaml")
_SEARCH = (*_TRAIN, "pymoo", "moocore", "matplotlib")
_EXPORT = ("torch", "onnx", "onnxscript", "onnxruntime")

_Checkpoint = Annotated[
    Path, typer.Argument(metavar="CHECKPOINT", help="The folder that `pliant train` wrote.", show_default=False)
]


def demo(
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where everything is written.")] = Path("out/demo"),
) -> None:
    """Do the main job on built-in data: train, search, quantize, export, run at three budgets.

    \b
    Example:
      pliant demo --out out/demo
    """
    need_building_half("demo", *_SEARCH, *_EXPORT)
    from .demo import run_demo

    run_demo(out)


def train(
    recipe: Annotated[
        str, typer.Argument(metavar="RECIPE", help="A YAML file, or a built-in name.", show_default=False)
    ],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where checkpoints and metrics go.", show_default=False)],
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the newest checkpoint in DIR.")] = False,
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change one key; may be repeated.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Train a supernet from a recipe.

    \b
    Examples:
      pliant train scenes-demo --out out/scenes
      pliant train recipes/redkitchen.yaml --set training.epochs=4 --out out/kitchen
      pliant train scenes-demo --out out/scenes --resume
    """
    need_building_half("train", *_TRAIN)
    from ..training.loop import train as run_training
    from ..training.recipe_file import load_recipe
    from .training import TrainingBar, print_result

    loaded = load_recipe(recipe, settings)
    with TrainingBar() as bar:
        result = run_training(loaded, out, resume=resume, progress=bar)
    print_result(result, as_json)


def search(
    checkpoint: _Checkpoint,
    out: Annotated[Path, typer.Option(metavar="FRONT.json", help="Where the front is written.", show_default=False)],
    device: Annotated[
        Path | None, typer.Option(metavar="PROFILE.json", help="What `pliant profile` measured on the target.")
    ] = None,
    prefer: Prefer = None,
    most: Annotated[int, typer.Option("--size", min=2, metavar="N", help="Subnets on the front, at most.")] = 24,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the log of a search that was stopped.")] = False,
    as_json: Json = False,
) -> None:
    """Find the subnets worth shipping: measured quality against cost. Writes FRONT.json and FRONT.png.

    \b
    Examples:
      pliant search out/scenes --out out/front.json
      pliant search out/scenes --prefer depth=2 --out out/front-depth.json
    """
    preference = pairs("--prefer", prefer)
    need_building_half("search", *_SEARCH)
    from .searching import print_front, run

    with progress_bar() as report:
        front = run(checkpoint, out, device, preference, resume, report, most)
    print_front(front, out, as_json)


def export(
    checkpoint: _Checkpoint,
    front: Annotated[Path, typer.Option(metavar="FRONT.json", help="What `pliant search` wrote.", show_default=False)],
    out: Annotated[Path, typer.Option(metavar="MODEL.pliant", help="The suite to write.", show_default=False)],
    as_json: Json = False,
) -> None:
    """Export the subnets of a front, fp32 and int8, as one suite; each is compared with the network it comes from.

    \b
    Example:
      pliant export out/scenes --front out/front.json --out scenes.pliant
    """
    need_building_half("export", *_EXPORT)
    from .exporting import print_exported, run

    with progress_bar() as report:
        result = run(checkpoint, front, out, report)
    print_exported(result, out, as_json)
    note(f"try it: pliant plan {out} --latency 15ms")
