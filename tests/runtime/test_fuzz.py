"""Programs that once reached something new, and some that nobody tried: refused in one line, or read."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ..fuzz.choices import Choices
from ..fuzz.loop import LONGEST, Trial
from ..fuzz.programs import suite_of

CORPUS = Path(__file__).parents[1] / "fuzz" / "corpus.txt"


@pytest.fixture(scope="module")
def trial(tmp_path_factory: pytest.TempPathFactory) -> Trial:
    return Trial(tmp_path_factory.mktemp("fuzz"), 0)


def test_the_corpus_breaks_nothing(trial: Trial) -> None:
    for line in CORPUS.read_text().split():
        trial(bytes.fromhex(line))
    assert trial.counts.failures == 0, [path.read_text() for path in trial.folder.glob("failures/*.txt")]
    assert trial.counts.refused > 0
    assert trial.counts.read > 0


@given(st.binary(max_size=LONGEST))
def test_no_program_breaks_anything(trial: Trial, program: bytes) -> None:
    before = trial.counts.failures
    trial(program)
    assert trial.counts.failures == before, [path.read_text() for path in trial.folder.glob("failures/*.txt")]


def test_a_program_makes_the_same_suite_each_time() -> None:
    for program in (b"", bytes(range(64)), b"\xff" * 20):
        assert suite_of(program) == suite_of(program)
    assert suite_of(b"") != suite_of(bytes(range(64)))


def test_choices_end_in_nothing() -> None:
    choices = Choices(b"\x05\xff\xff")
    assert [choices.below(8), choices.below(300), choices.below(10), choices.of("ab")] == [5, 65535 % 300, 0, "a"]
    assert choices.left == 0


def test_a_failure_is_kept_and_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A harness that can see nothing would be green for ever."""
    trial = Trial(tmp_path, 1)
    monkeypatch.setattr(trial, "_read", _fails)
    trial(b"\x01\x02")
    assert trial.counts.failures == trial.counts.runs == 1
    (program,) = (tmp_path / "failures").glob("*.program")
    assert bytes.fromhex(program.read_text()) == b"\x01\x02"
    assert (program.with_suffix(".pliant")).read_bytes() == suite_of(b"\x01\x02")


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="looks for processes in /proc")
def test_a_worker_that_dies_is_told_and_another_goes_on(tmp_path: Path) -> None:
    """A crash of the reader would take its process with it."""
    command = [sys.executable, "-m", "pliant.tests.fuzz", "--workers", "1", "--blind", "--every", "0.05"]
    fuzz = subprocess.Popen(
        [*command, "--runs", "1000000", "--out", str(tmp_path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    counts = tmp_path / "worker-0" / "counts.json"
    assert _becomes(counts.exists)
    os.kill(_child(fuzz.pid), signal.SIGKILL)
    assert _becomes(lambda: not counts.exists())
    assert _becomes(counts.exists)
    fuzz.send_signal(signal.SIGINT)
    said, _ = fuzz.communicate(timeout=60)
    assert fuzz.returncode == 1
    total = json.loads(said.splitlines()[1])
    assert total["crashes"] == 1
    assert total["runs"] >= 400
    assert (tmp_path / "worker-0" / "failures" / "crash-1.program").exists()
    assert len(list(tmp_path.glob("fuzz-*.json"))) == 1


def _becomes(true: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + 120
    while not true() and time.monotonic() < deadline:
        time.sleep(0.02)
    return true()


def _child(parent: int) -> int:
    return int(Path(f"/proc/{parent}/task/{parent}/children").read_text().split()[0])


def _fails(*given: object, **named: object) -> int:
    raise KeyError("what a reader must not raise")
