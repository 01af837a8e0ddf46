"""`make bench-training`: run what is not measured yet, then write the dated file, its tables and its plot."""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pliant import PliantError
from pliant.training.prepare import open_split
from pliant.training.progress import Silent

from .job import Job, run
from .methods import MAIN, METHODS, SUBJECTS
from .report import plot, tables
from .results import load, merged, save

REAL = ("redkitchen", "camvid", "cifar100-mtl")


def main() -> int:
    """Run the jobs; 1 where one failed."""
    parser = argparse.ArgumentParser(description=__doc__, prog="python -m pliant.benchmarks.training")
    parser.add_argument("--data", nargs="+", choices=SUBJECTS, default=list(REAL))
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(MAIN))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--split", default="test", choices=("test", "validation"), help="what is judged on")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="jobs at once, one thread each")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="begin no job after so many")
    parser.add_argument("--work", type=Path, default=Path("out/bench-training"), help="where trainings are kept")
    parser.add_argument("--results", type=Path, default=Path("benchmarks/results"))
    parser.add_argument("--job", nargs=3, metavar=("DATA", "METHOD", "SEED"), help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    folder = chosen.results / "training" if chosen.split == "test" else chosen.work / chosen.split
    if chosen.job:
        job = Job(chosen.job[0], chosen.job[1], int(chosen.job[2]))
        save(folder, job, run(job, chosen.work, chosen.split, Silent()))
        return 0
    jobs = [
        Job(data, method, seed)
        for data in chosen.data
        if _has_files(data)
        for seed in chosen.seeds
        for method in chosen.methods
    ]
    with _told_to_stop() as stop:
        failed = _run_all([job for job in jobs if load(folder, job) is None], chosen, stop)
    results = {job: entry for job in jobs if (entry := load(folder, job))}
    if results:
        _write(merged(results, _command(chosen)), chosen)
    return 1 if failed else 0


class _Stop:
    """Whether SIGINT or SIGTERM came: raised instead, they could leave a job behind that is just being started.

    A plain flag: the lock of an Event may be held by the very thread that a signal interrupts.
    """

    told = False

    def __call__(self, *_: object) -> None:
        self.told = True


@contextmanager
def _told_to_stop() -> Iterator[_Stop]:
    stop = _Stop()
    before = {each: signal.signal(each, stop) for each in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


def _command(chosen: argparse.Namespace) -> str:
    """What measures the same again anywhere: without this machine's places, and how many jobs ran at once."""
    given = {"data": chosen.data, "methods": chosen.methods, "seeds": chosen.seeds, "split": [chosen.split]}
    return f"python -m {__package__} " + " ".join(f"--{key} {' '.join(map(str, what))}" for key, what in given.items())


def _has_files(data: str) -> bool:
    try:
        open_split(Job(data, MAIN[0], 0).recipes()[None], "validation")
    except PliantError as error:
        print(f"{data} is left out: {error}", file=sys.stderr)
        return False
    return True


def _run_all(jobs: list[Job], chosen: argparse.Namespace, stop: _Stop) -> bool:
    """Each job in a process of its own with one thread, several at once; whether one failed or was stopped."""
    began, waiting, failed = time.monotonic(), deque(jobs), False
    running: dict[Job, subprocess.Popen[bytes]] = {}
    try:
        while (waiting or running) and not stop.told:
            while waiting and len(running) < chosen.workers and not stop.told:
                if time.monotonic() - began >= 60 * chosen.minutes:
                    break
                job = waiting.popleft()
                print(f"{job.name}: begins, {len(waiting)} more wait", file=sys.stderr, flush=True)
                running[job] = _start(job, chosen)
            if not running:
                break
            time.sleep(0.2)
            for job in [job for job, process in running.items() if process.poll() is not None]:
                code = running.pop(job).returncode
                failed |= code != 0
                minutes = (time.monotonic() - began) / 60
                said = "done" if code == 0 else f"ended with {code}; run again to resume it"
                print(f"{job.name}: {said} ({minutes:.1f} min since the start)", file=sys.stderr, flush=True)
    finally:
        # Whoever stops this means its jobs too.
        for process in running.values():
            process.terminate()
        for process in running.values():
            process.wait()
    if stop.told:
        print("stopped; what is done is kept, and the rest resumes from its checkpoints", file=sys.stderr)
    return failed or stop.told


def _start(job: Job, chosen: argparse.Namespace) -> subprocess.Popen[bytes]:
    arguments = ["--job", job.data, job.method, str(job.seed), "--split", chosen.split]
    places = ["--work", str(chosen.work), "--results", str(chosen.results)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen([sys.executable, "-m", __package__, *arguments, *places], env=environment)


def _write(entry: dict[str, object], chosen: argparse.Namespace) -> None:
    print(tables(entry), end="")
    folder = chosen.results if chosen.split == "test" else chosen.work
    result = folder / f"training-{str(entry['hardware']).replace(' ', '-')}-{entry['date']}.json"
    folder.mkdir(parents=True, exist_ok=True)
    result.write_text(json.dumps(entry, indent=1) + "\n")
    plot(entry, result.with_suffix(".png"))
    print(result, result.with_suffix(".png"), sep="\n", file=sys.stderr)


if __name__ == "__main__":
    raise SystemExit(main())
