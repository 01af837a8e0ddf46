"""`make bench-training`: run what is not measured yet, then write the dated file, its tables and its plot."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

from pliant import PliantError
from pliant.devices.writing import write_atomically
from pliant.training.prepare import open_split
from pliant.training.progress import Silent

from ..reporting import check_page, put_report
from .job import Entry, Job, run, train_width
from .methods import ABLATION, DEFAULT, MAIN, METHODS, SUBJECTS
from .plot import plot
from .report import tables
from .results import command_of, current, load, merged, running_code, save
from .workers import Workers

REAL = ("redkitchen", "camvid", "cifar100-mtl")


def main() -> int:
    """Run the jobs; 1 where one failed or none was left to run, 130 where they were stopped."""
    parser = _parser()
    chosen = parser.parse_args()
    if chosen.ablation:
        chosen.data, chosen.methods, chosen.seeds = ["redkitchen"], list(ABLATION), [0]
    folder = chosen.results / "training" if chosen.split == "test" else chosen.work / chosen.split
    if chosen.job:
        return _job(chosen, folder)
    if chosen.docs:
        try:
            check_page(chosen.docs, "training")
        except (OSError, ValueError) as error:
            parser.error(f"--docs: {error}")
    jobs = _jobs(chosen)
    if not jobs:
        return 1
    places = ["--split", chosen.split, "--work", str(chosen.work), "--results", str(chosen.results)]
    workers = Workers(chosen.workers, chosen.minutes, places)
    code = workers.run([job for job in jobs if load(folder, job) is None])
    results = {job: entry for job in jobs if (entry := load(folder, job))}
    if results:
        print(tables(_merged(results, chosen)), end="")
        # A run of a few jobs must not take the others out of the file of the day, which is of the three data sets.
        real = {**current(folder, REAL), **{job: entry for job, entry in results.items() if job.data in REAL}}
        _write(_merged(real or results, chosen), chosen, page=chosen.docs if real else None)
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, prog="python -m pliant.benchmarks.training")
    several = (
        ("--data", "DATA", SUBJECTS, REAL, "data sets"),
        ("--methods", "METHOD", METHODS, MAIN, "methods"),
    )
    for name, metavar, known, default, what in several:
        said = f"{what} out of {', '.join(known)} [default: {' '.join(default)}]"
        parser.add_argument(name, nargs="+", choices=known, default=list(default), metavar=metavar, help=said)
    parser.add_argument(
        "--seeds",
        nargs="+",
        type=_at_least(0),
        default=[0, 1, 2],
        metavar="SEED",
        help="one training a seed, of each method on each data set [default: 0 1 2]",
    )
    ablation = "every lever, on Red Kitchen with seed 0, whatever these three say"
    parser.add_argument("--ablation", action="store_true", help=ablation)
    parser.add_argument("--split", default="test", choices=("test", "validation"), help="what is judged on")
    parser.add_argument(
        "--workers", type=_at_least(1), default=os.cpu_count() or 1, help="trainings at once, one thread each"
    )
    parser.add_argument("--minutes", type=float, default=float("inf"), help="begin no job after so many")
    parser.add_argument("--work", type=Path, default=Path("out/bench-training"), help="where trainings are kept")
    parser.add_argument("--results", type=Path, default=Path("benchmarks/results"), help="where results are kept")
    parser.add_argument("--docs", type=Path, metavar="PAGE", help="a page with markers, which is given the tables")
    parser.add_argument("--job", nargs=3, metavar=("DATA", "METHOD", "SEED"), help=argparse.SUPPRESS)
    parser.add_argument("--width", type=float, help=argparse.SUPPRESS)
    return parser


def _at_least(least: int) -> Callable[[str], int]:
    def whole(text: str) -> int:
        if not text.isdecimal() or int(text) < least:
            raise argparse.ArgumentTypeError(f"{text!r} is no whole number from {least} on")
        return int(text)

    return whole


def _jobs(chosen: argparse.Namespace) -> list[Job]:
    """Those that are asked for, each once, without those that would train what the default trains."""
    jobs = [
        Job(data, method, seed)
        for data in dict.fromkeys(chosen.data)
        if _has_files(data, chosen.split)
        for seed in dict.fromkeys(chosen.seeds)
        for method in dict.fromkeys(chosen.methods)
    ]
    same = [job for job in jobs if job.method != DEFAULT and job.digest == Job(job.data, DEFAULT, job.seed).digest]
    for job in same:
        print(f"{job.name} is left out: on {job.data} that is {DEFAULT}", file=sys.stderr)
    return [job for job in jobs if job not in same]


def _job(chosen: argparse.Namespace, folder: Path) -> int:
    """What a worker is started for: one job, or the one training of it that is named."""
    job, code = Job(chosen.job[0], chosen.job[1], int(chosen.job[2])), running_code()
    try:
        if chosen.width is None:
            save(folder, job, run(job, chosen.work, chosen.split, Silent()), code)
        else:
            train_width(job, chosen.width, chosen.work, Silent())
    except (PliantError, KeyboardInterrupt) as error:
        print(str(error) or "stopped", file=sys.stderr)
        return 130 if isinstance(error, KeyboardInterrupt) else 1
    return 0


def _has_files(data: str, split: str) -> bool:
    recipe = Job(data, DEFAULT, 0).recipes()[None]
    try:
        for each in dict.fromkeys(("train", "validation", split)):
            open_split(recipe, each)
    except PliantError as error:
        print(f"{data} is left out: {error}", file=sys.stderr)
        return False
    return True


def _merged(results: dict[Job, Entry], chosen: argparse.Namespace) -> Entry:
    return merged(results, command_of(results, __package__, chosen.split))


def _write(entry: Entry, chosen: argparse.Namespace, page: Path | None) -> None:
    folder = chosen.results if chosen.split == "test" else chosen.work
    result = folder / f"training-{str(entry['hardware']).replace(' ', '-')}-{entry['date']}.json"
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(result, json.dumps(entry, indent=1) + "\n")
    plot(entry, result.with_suffix(".png"))
    if page and chosen.split == "test":
        put_report(page, "training", result, tables)
    print(result, result.with_suffix(".png"), sep="\n", file=sys.stderr)


if __name__ == "__main__":
    raise SystemExit(main())
