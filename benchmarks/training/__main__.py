"""`make bench-training`: run what is not measured yet, then write the dated file, its tables and its plot."""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path

from pliant import PliantError
from pliant.training.prepare import open_split
from pliant.training.progress import Silent

from ..reporting import put_report
from .job import Entry, Job, run, train_width
from .methods import MAIN, METHODS, SUBJECTS
from .plot import plot
from .report import tables
from .results import command_of, current, load, merged, save
from .workers import Workers

REAL = ("redkitchen", "camvid", "cifar100-mtl")


def main() -> int:
    """Run the jobs; 1 where one failed."""
    parser = argparse.ArgumentParser(description=__doc__, prog="python -m pliant.benchmarks.training")
    parser.add_argument("--data", nargs="+", choices=SUBJECTS, default=list(REAL))
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(MAIN))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--split", default="test", choices=("test", "validation"), help="what is judged on")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="trainings at once, one thread each")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="begin no job after so many")
    parser.add_argument("--work", type=Path, default=Path("out/bench-training"), help="where trainings are kept")
    parser.add_argument("--results", type=Path, default=Path("benchmarks/results"))
    parser.add_argument("--docs", type=Path, metavar="PAGE", help="a page with markers, which is given the tables")
    parser.add_argument("--job", nargs=3, metavar=("DATA", "METHOD", "SEED"), help=argparse.SUPPRESS)
    parser.add_argument("--width", type=float, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    folder = chosen.results / "training" if chosen.split == "test" else chosen.work / chosen.split
    if chosen.job:
        return _job(chosen, folder)
    jobs = [
        Job(data, method, seed)
        for data in chosen.data
        if _has_files(data)
        for seed in chosen.seeds
        for method in chosen.methods
    ]
    places = ["--split", chosen.split, "--work", str(chosen.work), "--results", str(chosen.results)]
    workers = Workers(chosen.workers, chosen.minutes, places)
    failed = workers.run([job for job in jobs if load(folder, job) is None])
    results = {job: entry for job in jobs if (entry := load(folder, job))}
    if results:
        print(tables(_merged(results, chosen)), end="")
        # A run of a few jobs must not take the others out of the file of the day.
        _write(_merged({**current(folder, REAL), **results}, chosen), chosen)
    return 1 if failed else 0


def _job(chosen: argparse.Namespace, folder: Path) -> int:
    """What a worker is started for: one job, or the one training of it that is named."""
    job = Job(chosen.job[0], chosen.job[1], int(chosen.job[2]))
    try:
        if chosen.width is None:
            save(folder, job, run(job, chosen.work, chosen.split, Silent()))
        else:
            train_width(job, chosen.width, chosen.work, Silent())
    except (PliantError, KeyboardInterrupt) as error:
        print(str(error) or "stopped", file=sys.stderr)
        return 130 if isinstance(error, KeyboardInterrupt) else 1
    return 0


def _has_files(data: str) -> bool:
    try:
        open_split(Job(data, MAIN[0], 0).recipes()[None], "validation")
    except PliantError as error:
        print(f"{data} is left out: {error}", file=sys.stderr)
        return False
    return True


def _merged(results: dict[Job, Entry], chosen: argparse.Namespace) -> Entry:
    return merged(results, command_of(results, __package__, chosen.split))


def _write(entry: Entry, chosen: argparse.Namespace) -> None:
    folder = chosen.results if chosen.split == "test" else chosen.work
    result = folder / f"training-{str(entry['hardware']).replace(' ', '-')}-{entry['date']}.json"
    folder.mkdir(parents=True, exist_ok=True)
    result.write_text(json.dumps(entry, indent=1) + "\n")
    plot(entry, result.with_suffix(".png"))
    if chosen.docs and chosen.split == "test":
        put_report(chosen.docs, "training", result, tables)
    print(result, result.with_suffix(".png"), sep="\n", file=sys.stderr)


if __name__ == "__main__":
    raise SystemExit(main())
