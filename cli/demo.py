"""The main job: train, search, quantize, export and run at three budgets, on built-in data."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ..devices.errors import InputError
from ..devices.writing import why_no_folder
from ..search.places import log_path
from .progress import note, progress_bar

if TYPE_CHECKING:
    from ..runtime.suite import Suite
    from ..search.front.front import Front
    from ..training.recipe.recipe import Recipe

RECIPE = "scenes-demo"
# Fewer than usual: each is exported and measured in two precisions, and the demo is to take minutes.
FRONT_SIZE = 20


def run_demo(out: Path, as_json: bool) -> None:
    """Do all of it into `out`; what an interrupted run finished there is used again."""
    try:
        _run(out, as_json)
    except KeyboardInterrupt:
        raise KeyboardInterrupt("stopped: what is finished is kept, and the same command goes on from there") from None


def _run(out: Path, as_json: bool) -> None:
    from ..runtime.opening import open_suite
    from ..training.recipe.file import load_recipe
    from .demo_budgets import measure_all, preferring, three_plans
    from .demo_report import print_report, report_json, write_sheet
    from .tables import print_json

    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{out} cannot be made: {why_no_folder(out, error)}; choose another --out") from error
    recipe = load_recipe(RECIPE)
    began = time.perf_counter()
    with _stage("1/5 train a supernet on rendered scenes"):
        _train(recipe, out / "train")
    with _stage("2/5 search it for the best subnets"):
        front = _search(out / "train", out / "front.json")
    with _stage("3/5 quantize and export them as one suite"):
        _export(out / "train", out / "front.json", out / "scenes.pliant")
    with open_suite(out / "scenes.pliant") as suite:
        with _stage("4/5 measure every subnet on this machine"):
            latency = measure_all(suite)
            _add_latency(front, suite, latency, out / "front.json")
        with _stage("5/5 run at three budgets"):
            plans = three_plans(suite, latency)
            write_sheet(suite, recipe, plans, out / "contact-sheet.png")
        report = report_json(suite, plans, preferring(suite, latency))
    files = {"suite": "scenes.pliant", "pictures": "contact-sheet.png"}
    files |= {"plot": "front.png", "page": "front.html", "front": "front.json"}
    report |= {what: str(out / name) for what, name in files.items()}
    report["minutes"] = (time.perf_counter() - began) / 60
    if as_json:
        print_json(report)
    else:
        print_report(report)


@contextmanager
def _stage(name: str) -> Iterator[None]:
    note(name)
    began = time.perf_counter()
    yield
    note(f"    {time.perf_counter() - began:.0f} s")


def _train(recipe: Recipe, out: Path) -> None:
    from ..training.checkpoints.folders import steps
    from ..training.loop import train
    from .training import TrainingBar

    with TrainingBar() as bar:
        train(recipe, out, resume=bool(steps(out)), progress=bar)


def _search(checkpoint: Path, out: Path) -> Front:
    from .searching import Asked, run

    with progress_bar() as report:
        return run(Asked(checkpoint, out, size=FRONT_SIZE, resume=log_path(out).exists()), report)


def _export(checkpoint: Path, front: Path, out: Path) -> None:
    from .exporting import run

    with progress_bar() as report:
        report_of = run(checkpoint, front, out, report)
    note(f"    fp32 graphs differ from torch by {report_of.worst_parity:.0e} of an output's range at most")


def _add_latency(front: Front, suite: Suite, latency: dict[str, float], out: Path) -> None:
    """Write the front, its plot and its page again, with what its fp32 subnets take on this machine."""
    from ..devices.fingerprint import read_fingerprint
    from ..models.space import SubnetConfig
    from ..search.entries import Latency
    from ..search.run import write_front

    where = read_fingerprint().cpu
    known = {
        SubnetConfig(tuple(subnet.widths.encoder), tuple(subnet.widths.decoders.items())): latency[subnet.id]
        for subnet in suite.subnets
        if subnet.precision == "fp32" and subnet.id in latency
    }

    def of(config: SubnetConfig) -> Latency | None:
        return Latency(known[config], "measured", where, 0.5) if config in known else None

    write_front(front.measured(of), out)
