"""The verbs of the building half: `demo`, `train`, `search`, `export`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..search import FRONT_SIZE
from .failing import need_building_half
from .options import Floor, Json, Prefer, Threads, pairs, path_argument, path_option
from .progress import note, progress_bar

_TRAIN = ("torch", "pydantic", "yaml")
_SEARCH = (*_TRAIN, "pymoo", "moocore", "matplotlib")
_EXPORT = ("torch", "onnx", "onnxscript", "onnxruntime")

_Checkpoint = Annotated[Path, path_argument("CHECKPOINT", "The folder that `pliant train` wrote.")]


def demo(
    out: Annotated[Path, path_option("DIR", "Where everything is written.", show_default=True)] = Path("out/demo"),
    as_json: Json = False,
) -> None:
    """Do the main job on built-in data: train, search, quantize, export, run at three budgets.

    \b
    Example:
      pliant demo --out out/demo
    """
    need_building_half("demo", *_SEARCH, *_EXPORT)
    from .demo import run_demo

    run_demo(out, as_json)


def train(
    recipe: Annotated[
        str, typer.Argument(metavar="RECIPE", help="A YAML file, or a built-in name.", show_default=False)
    ],
    out: Annotated[Path, path_option("DIR", "Where checkpoints and metrics go.")],
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the newest checkpoint in DIR.")] = False,
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change one key; may be repeated.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Train a supernet from a recipe.

    Ctrl-C ends it after the step that runs and keeps a checkpoint to --resume from; a second one ends it at once.

    \b
    Examples:
      pliant train scenes-demo --out out/scenes
      pliant train recipes/redkitchen.yaml --set training.epochs=4 --out out/kitchen
      pliant train scenes-demo --out out/scenes --resume
      torchrun --nproc_per_node 4 -m pliant.cli train scenes-demo --out out/scenes
    """
    need_building_half("train", *_TRAIN)
    from .training import TrainingBar, print_result, together, without_stack_traces

    without_stack_traces()
    from ..training.loop import train as run_training
    from ..training.recipe.file import load_recipe

    with TrainingBar() as bar, together() as ranks:
        result = run_training(load_recipe(recipe, settings), out, resume=resume, progress=bar, ranks=ranks)
    if ranks.leads:
        print_result(result, as_json)


def search(
    checkpoint: _Checkpoint,
    out: Annotated[Path, path_option("FRONT.json", "Where the front is written.")],
    device: Annotated[
        Path | None, path_option("PROFILE.json", "Search for latency on the device that `pliant profile` measured.")
    ] = None,
    latency: Annotated[
        bool, typer.Option("--latency", help="Search for latency on this machine: it is measured first.")
    ] = False,
    threads: Threads = None,
    prefer: Prefer = None,
    floor: Floor = None,
    drop: Annotated[
        list[str] | None,
        typer.Option(metavar="TASK=SHARE", help="Largest loss of a task relative to the widest; may be repeated."),
    ] = None,
    max_latency: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="Most that a subnet may take, as in 15ms; with --latency or --device."),
    ] = None,
    max_macs: Annotated[
        str | None, typer.Option(metavar="COUNT", help="Most multiply-adds of a subnet, as in 2G.")
    ] = None,
    max_bytes: Annotated[
        str | None, typer.Option(metavar="SIZE", help="Most weight bytes of a subnet in its precision, as in 20MB.")
    ] = None,
    max_memory: Annotated[
        str | None,
        typer.Option(metavar="SIZE", help="Most memory of a process by a subnet, as in 60MB; with --latency."),
    ] = None,
    algorithm: Annotated[
        str | None, typer.Option(metavar="NAME", help="factorized, ecmt or joint [default: factorized].")
    ] = None,
    most: Annotated[
        int, typer.Option("--size", min=2, metavar="N", help="Subnets on the front, at most.")
    ] = FRONT_SIZE,
    evaluations: Annotated[
        int | None,
        typer.Option(
            "--evaluations",
            min=2,
            metavar="N",
            help="Encoders (joint: subnets) evaluated, at most; else as the recipe says.",
        ),
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the log of a search that was stopped.")] = False,
    cluster: Annotated[
        str | None,
        typer.Option("--ray", metavar="ADDRESS", help="Evaluate on a Ray cluster: host:port, or `local` to start one."),
    ] = None,
    int8: Annotated[bool, typer.Option("--int8", help="Search widths and precision together; with --latency.")] = False,
    number: Annotated[
        int | None,
        typer.Option("--explain", min=1, metavar="N", help="Say why the N-th subnet is on FRONT.json; search nothing."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Find the subnets worth shipping: measured quality against cost. Writes FRONT.json, FRONT.png, and FRONT.html.

    \b
    Examples:
      pliant search out/scenes --out out/front.json
      pliant search out/scenes --latency --int8 --prefer depth=2 --floor segmentation=0.6 --out out/front-depth.json
      pliant search out/scenes --out out/front.json --explain 7
    """
    from ..search.limits import Limits

    prefers, floors, drops = pairs("--prefer", prefer), pairs("--floor", floor), pairs("--drop", drop)
    limits = Limits.read(max_latency, max_macs, max_bytes, max_memory)
    need_building_half("search", *_SEARCH)
    from .searching import Asked, explain, print_front, run

    if number is not None:
        explain(out, number, as_json)
        return
    wanted = (device, latency, threads, prefers, floors, drops, limits)
    how = (algorithm, most, evaluations, resume, cluster, int8)
    with progress_bar() as report:
        front = run(Asked(checkpoint, out, *wanted, *how), report)
    print_front(front, out, as_json)
    if not as_json:
        note(f"next: pliant export {checkpoint} --front {out} --out {checkpoint}.pliant")


def export(
    checkpoint: _Checkpoint,
    front: Annotated[Path, path_option("FRONT.json", "What `pliant search` wrote.")],
    out: Annotated[Path, path_option("MODEL.pliant", "The suite to write.")],
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
