"""Fuzz the suite reader for as long as wanted: python -m pliant.tests.fuzz --runs 1000000 --workers 2

Each worker is a process; one that dies is told as a crash and started again. Ctrl-C ends it with the figures so far.
What failed lies in OUT/worker-N/failures: the program, the suite, and what was raised. Exit code 1 where anything did.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pliant.benchmarks.dated import save_dated

_CORPUS = Path(__file__).with_name("corpus.txt")


@dataclass
class Worker:
    """A process, the runs that it has to do, and those of processes before it that died."""

    folder: Path
    runs: int
    seed: int
    blind: bool
    process: subprocess.Popen[bytes] | None = None
    before: list[dict[str, Any]] = field(default_factory=list)
    crashes: int = 0

    def start(self) -> None:
        """Begin, or go on after a crash with another seed."""
        left = self.runs - sum(int(counts["runs"]) for counts in self.before)
        module = [sys.executable, "-m", "pliant.tests.fuzz.loop", str(self.folder), "--runs", str(max(1, left))]
        seed = ["--seed", str(self.seed + 1000 * self.crashes), *(["--blind"] if self.blind else [])]
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen([*module, *seed], stdout=log, stderr=log)

    def ended(self) -> bool:
        """Whether all is done; a process that died is begun again."""
        assert self.process is not None
        code = self.process.poll()
        if code is None:
            return False
        if code == 0:
            return True
        self.crashes += 1
        self.before.append(self.counts())
        (self.folder / "counts.json").unlink(missing_ok=True)
        program = self.folder / "current"
        if program.exists():
            program.replace(self.folder / "failures" / f"crash-{self.crashes}.program")
        if self.crashes < 100 and sum(int(counts["runs"]) for counts in self.before) < self.runs:
            self.start()
            return False
        return True

    def counts(self) -> dict[str, Any]:
        """What the running process has counted."""
        path = self.folder / "counts.json"
        return json.loads(path.read_text()) if path.exists() else {"runs": 0}


def main() -> int:
    """Run the workers, show how far they are, keep the figures."""
    parser = argparse.ArgumentParser(description="Fuzz the suite reader.")
    parser.add_argument("--runs", type=int, default=1_000_000, help="suites in all")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--blind", action="store_true", help="at random, also where atheris is installed")
    parser.add_argument("--every", type=float, default=10.0, help="seconds between two looks at the workers")
    parser.add_argument("--out", type=Path, default=Path("out/fuzz"))
    chosen = parser.parse_args()
    guided = not chosen.blind and importlib.util.find_spec("atheris") is not None
    print(f"fuzzing {'by coverage' if guided else 'at random (atheris is not installed)'}", flush=True)
    share = -(-chosen.runs // chosen.workers)
    workers = [
        Worker(chosen.out / f"worker-{index}", share, chosen.seed + index, not guided)
        for index in range(chosen.workers)
    ]
    for stopping in (signal.SIGINT, signal.SIGTERM):  # which a shell in the background may have had ignored
        signal.signal(stopping, signal.default_int_handler)
    start = time.monotonic()
    for worker in workers:
        _seed(worker.folder / "corpus")
        worker.start()
    try:
        # All are asked each time: asking is what begins a dead one again.
        while sum(worker.ended() for worker in workers) < len(workers):
            print(_line(_total(workers), chosen.runs, time.monotonic() - start), file=sys.stderr, flush=True)
            time.sleep(chosen.every)
    except KeyboardInterrupt:
        for worker in workers:
            if worker.process is not None:
                worker.process.kill()
                worker.process.wait()
    total = {**_total(workers), "seconds": time.monotonic() - start, "guided": guided}
    print(json.dumps(total))
    print(save_dated("fuzz", chosen.out, "python -m pliant.tests.fuzz " + " ".join(sys.argv[1:]), total))
    return 1 if total["failures"] or total["crashes"] else 0


def _seed(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for index, line in enumerate(_CORPUS.read_text().split()):
        (folder / f"known-{index:05}").write_bytes(bytes.fromhex(line))


def _total(workers: list[Worker]) -> dict[str, Any]:
    parts = [counts for worker in workers for counts in (*worker.before, worker.counts())]
    total = {
        key: sum(part.get(key, 0) for part in parts)
        for key in ("runs", "refused", "read", "answered", "declined", "failures")
    }
    worst = {key: max(part.get(key, 0) for part in parts) for key in ("slowest", "most")}
    return {**total, **worst, "crashes": sum(worker.crashes for worker in workers)}


def _line(total: dict[str, Any], runs: int, seconds: float) -> str:
    speed = total["runs"] / max(seconds, 1e-9)
    left = (runs - total["runs"]) / speed / 60 if speed else 0.0
    return (
        f"{total['runs']} of {runs} suites, {speed:.0f}/s, {left:.0f} min left; {total['refused']} refused, "
        f"{total['read']} read, {total['answered']} run; slowest {total['slowest']:.2f} s; "
        f"{total['failures']} failures, {total['crashes']} crashes"
    )


if __name__ == "__main__":
    raise SystemExit(main())
