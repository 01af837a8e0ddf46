"""One process that tries programs: python -m pliant.tests.fuzz.loop FOLDER --runs 1000 --seed 1

Guided by coverage of the reader where atheris (libFuzzer) is installed, else at random. Counts go to `counts.json` in
FOLDER, every failure to `failures/` as its program and its suite; what kills the process is the supervisor's to tell.
"""

from __future__ import annotations

import argparse
import dataclasses
import hashlib
import json
import os
import random
import sys
import time
import traceback
from dataclasses import dataclass
from pathlib import Path

LONGEST = 64
"""Bytes of a program."""
SECONDS = 1.0
_HANGS = 20
_ENGINE_EVERY = 8


@dataclass
class Counts:
    """What became of the programs: `refused` or `read` up to the engine; some of the latter `answered` their witness in
    it, or were `declined` there. `most` is the most memory beside twice the file, in bytes.
    """

    runs: int = 0
    refused: int = 0
    read: int = 0
    answered: int = 0
    declined: int = 0
    failures: int = 0
    slowest: float = 0.0
    most: int = 0

    def write(self, path: Path) -> None:
        """Whole or not at all: it is read meanwhile."""
        partial = path.with_suffix(".partial")
        partial.write_text(json.dumps(dataclasses.asdict(self)))
        os.replace(partial, path)


class Trial:
    """Tries one program after the other, and keeps count."""

    def __init__(self, folder: Path, runs: int):
        self.folder, self.runs, self.counts = folder, runs, Counts()
        self._suite = folder / "tried.pliant"
        self._seen: set[str] = set()
        (folder / "failures").mkdir(parents=True, exist_ok=True)

    def __call__(self, program: bytes) -> None:
        """Nothing is raised: a failure is kept, and the next program tried."""
        from .programs import suite_of

        current = self.folder / "current"
        current.write_bytes(program)
        self._suite.write_bytes(suite_of(program))
        counts = self.counts
        try:
            if not self._read(engine=False):
                counts.refused += 1
            else:
                counts.read += 1
                if counts.read % _ENGINE_EVERY == 0:
                    answered = self._read(engine=True)
                    counts.answered += answered
                    counts.declined += not answered
        except Exception as error:
            self._keep(program, error)
        counts.runs += 1
        if counts.runs % 200 == 0 or counts.runs >= self.runs:
            counts.write(self.folder / "counts.json")

    def _read(self, engine: bool) -> bool:
        """Whether it was read; False where it was refused as it should be. Raises whatever else happens."""
        from .reading import REFUSALS, SPARE, read_all
        from .watch import Peak

        size, peak, start = self._suite.stat().st_size, Peak(), time.process_time()
        refusal: Exception | None = None
        try:
            read_all(self._suite, engine=engine)
        except REFUSALS as error:
            refusal = error
        seconds, grown = time.process_time() - start, peak.grown() - 2 * size
        if not engine:
            self.counts.slowest = max(self.counts.slowest, seconds)
            self.counts.most = max(self.counts.most, grown)
            if seconds > SECONDS:
                raise Failure(f"took {seconds:.2f} s")
            if grown > SPARE:
                raise Failure(f"took {grown} bytes more than twice its file")
        if refusal is not None and "\n" in str(refusal):
            raise Failure("its error has several lines")
        return refusal is None

    def _keep(self, program: bytes, error: Exception) -> None:
        told = "".join(traceback.format_exception(error)[-2:])
        kind = hashlib.sha256(traceback.format_exc().encode()).hexdigest()[:12]
        self.counts.failures += 1
        if kind not in self._seen:
            self._seen.add(kind)
            place = self.folder / "failures" / kind
            place.with_suffix(".program").write_text(program.hex())
            place.with_suffix(".txt").write_text(told)
            os.replace(self._suite, place.with_suffix(".pliant"))


class Failure(Exception):
    """What a reader must not do."""


def main() -> int:
    """Try programs until there were enough."""
    parser = argparse.ArgumentParser(description="Try programs on the suite reader, in this process.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--runs", type=int, required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--blind", action="store_true", help="at random, also where atheris is installed")
    chosen = parser.parse_args()
    trial = Trial(chosen.folder, chosen.runs)
    corpus = chosen.folder / "corpus"
    corpus.mkdir(exist_ok=True)
    if chosen.blind or not _guided(trial, corpus, chosen.seed):
        _at_random(trial, [path.read_bytes() for path in sorted(corpus.iterdir())], chosen.seed)
    return 0


def _guided(trial: Trial, corpus: Path, seed: int) -> bool:
    """By libFuzzer, which ends the process itself; False where it is not there."""
    try:
        import atheris
    except ImportError:
        return False
    with atheris.instrument_imports(include=["pliant.runtime"]):
        from . import reading  # noqa: F401
    limits = [f"-max_len={LONGEST}", f"-timeout={_HANGS}", "-rss_limit_mb=4096", f"-seed={seed + 1}"]
    runs = [f"-runs={trial.runs}", f"-artifact_prefix={trial.folder}/failures/", "-verbosity=0", "-print_final_stats=0"]
    atheris.Setup([sys.argv[0], *limits, *runs, str(corpus)], trial)
    atheris.Fuzz()
    return True


def _at_random(trial: Trial, known: list[bytes], seed: int) -> None:
    """New programs, and as often known ones of which some bytes are others."""
    rng = random.Random(seed)
    while trial.counts.runs < trial.runs:
        if known and rng.random() < 0.5:
            program = bytearray(rng.choice(known))
            for _ in range(rng.randint(1, 3)):
                at = rng.randrange(len(program))
                program[at : at + 1] = rng.randbytes(rng.randint(1, 2))
            trial(bytes(program[:LONGEST]))
        else:
            trial(rng.randbytes(rng.randint(1, LONGEST)))


if __name__ == "__main__":
    raise SystemExit(main())
