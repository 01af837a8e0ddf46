"""Jobs in processes of their own, several at once; the networks of a separate method side by side too."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple

from .job import Job


class Part(NamedTuple):
    """What one process does: train the network of one width of a job, or (None) all that is left of it, and judge."""

    job: Job
    width: float | None = None

    @property
    def name(self) -> str:
        """For people."""
        return self.job.name if self.width is None else f"{self.job.name} of width {self.width:g}"

    @property
    def arguments(self) -> list[str]:
        """What the process is told."""
        said = ["--job", self.job.data, self.job.method, str(self.job.seed)]
        return said if self.width is None else [*said, "--width", str(self.width)]


def parts_of(jobs: Sequence[Job]) -> list[Part]:
    """The first parts of all jobs: trainings that can go side by side do."""
    return [Part(job, width) for job in jobs for width in job.recipes()]


@dataclass
class Workers:
    """Runs parts, `count` at once, one thread each, by the command that `arguments` belong to besides the part's.

    No part begins after `minutes`. `run` returns the exit code: 1 where one failed, 130 where they were stopped.
    SIGINT, SIGTERM and a closed terminal end all that runs after the step that it is at, and it resumes from there; a
    second one ends it at once.
    """

    count: int
    minutes: float
    arguments: Sequence[str]

    def run(self, jobs: Sequence[Job]) -> int:
        """All jobs; a job of several trainings is judged when the last of them is done."""
        with _told_to_stop() as stop:
            failed = self._run(deque(parts_of(jobs)), stop)
        if stop.told:
            print("stopped; what is done is kept, and the rest resumes from its checkpoints", file=sys.stderr)
            return 130
        return 1 if failed else 0

    def _run(self, waiting: deque[Part], stop: _Stop) -> bool:
        began, failed = time.monotonic(), set[Job]()
        running: dict[Part, subprocess.Popen[bytes]] = {}
        try:
            while (waiting or running) and not stop.told:
                while waiting and len(running) < self.count and not stop.told:
                    if time.monotonic() - began >= 60 * self.minutes:
                        break
                    part = waiting.popleft()
                    print(f"{part.name}: begins, {len(waiting)} more wait", file=sys.stderr, flush=True)
                    running[part] = self._start(part)
                if not running:
                    break
                time.sleep(0.2)
                for part in [part for part, process in running.items() if process.poll() is not None]:
                    code = running.pop(part).returncode
                    _tell(part, code, time.monotonic() - began)
                    if code != 0:
                        failed.add(part.job)
                    unready = failed | {other.job for other in (*waiting, *running)}
                    if part.width is not None and part.job not in unready:
                        waiting.appendleft(Part(part.job))
        finally:
            # Whoever stops this means its jobs too.
            told = 0
            while any(process.poll() is None for process in running.values()):
                # Each time that this is told, they are: the first ends them after their step, the second at once.
                for process in running.values() if told < max(stop.times, 1) else ():
                    process.terminate()
                told = max(stop.times, 1)
                time.sleep(0.1)
        return bool(failed)

    def _start(self, part: Part) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", __package__, *part.arguments, *self.arguments]
        # In a session of its own: a Ctrl-C of the terminal's would reach it beside our word, and two end it at once.
        return subprocess.Popen(command, env={**os.environ, "OMP_NUM_THREADS": "1"}, start_new_session=True)


def _tell(part: Part, code: int, seconds: float) -> None:
    said = "done" if code == 0 else f"ended with {code}; run again to resume it"
    print(f"{part.name}: {said} ({seconds / 60:.1f} min since the start)", file=sys.stderr, flush=True)


class _Stop:
    """How often a signal to stop came: raised instead, it could leave a job behind that is just being started.

    A plain number: the lock of an Event may be held by the very thread that a signal interrupts.
    """

    times = 0

    def __call__(self, *_: object) -> None:
        self.times += 1

    @property
    def told(self) -> bool:
        """Whether one came."""
        return self.times > 0


@contextmanager
def _told_to_stop() -> Iterator[_Stop]:
    stop = _Stop()
    told = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) is signal.SIG_DFL:  # else by nohup, which means to go on
        told.append(signal.SIGHUP)
    before = {each: signal.signal(each, stop) for each in told}
    try:
        yield stop
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
