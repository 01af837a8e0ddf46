"""Memory: what a fresh process grows by is what another fresh process, asked otherwise, says it grew by."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

import pliant
from pliant.devices.cache import MeasurementCache
from pliant.runtime.planning.book import Book
from pliant.runtime.planning.memory import main, measure_memory

GROWTH = """
import sys
import numpy
import pliant

def kilobytes():
    for line in open("/proc/self/status"):
        if line.startswith("VmRSS"):
            return int(line.split()[1])

suite = pliant.open_suite(sys.argv[1])
image = suite.witness_input()
before = kilobytes()
model = suite.load("s03-fp32", threads=1)
model(image)
print((kilobytes() - before) * 1024)
"""

HELD = """
from pliant.runtime.planning.memory import resident

before, _ = resident()
held = bytearray(b"x") * 50_000_000
print(before, *resident())
"""

pytestmark = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux's /proc")


def test_it_is_what_a_user_sees(suite_path: Path) -> None:
    tasks = ["floor", "depth", "normals", "edges", "room"]
    seen: list[tuple[str, int, int]] = []
    use = measure_memory(suite_path, ["s03-fp32"], tasks, threads=1, progress=lambda *step: seen.append(step))[
        "s03-fp32"
    ]
    done = subprocess.run(
        [sys.executable, "-c", GROWTH, str(suite_path)], capture_output=True, text=True, check=True, timeout=60
    )
    assert use.resident == pytest.approx(int(done.stdout), rel=0.25)
    assert use.peak >= use.resident > use.engine > 0
    assert seen[-1][1:] == (1, 1)


def test_resident_memory_grows_with_what_is_held() -> None:
    # In a process of its own: one that has freed much holds more of it without growing.
    done = subprocess.run([sys.executable, "-c", HELD], capture_output=True, text=True, check=True, timeout=60)
    before, now, most = map(int, done.stdout.split())
    assert 40_000_000 < now - before < 80_000_000
    assert most >= now


def test_the_command_prints_json(suite_path: Path) -> None:
    command = [sys.executable, "-m", "pliant.runtime.planning.memory", str(suite_path), "s01-int8", "--tasks", "depth"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert set(json.loads(done.stdout)) == {"peak", "resident", "engine", "taken"}


def test_errors_are_one_line(suite_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(suite_path), "nope"]) == 1
    assert "no subnet 'nope'" in capsys.readouterr().err
    with pytest.raises(pliant.PliantError, match=r"exit code 1\): .* no subnet 'nope'"):
        measure_memory(suite_path, ["nope"], [])


def test_a_damaged_suite_is_an_error_of_ours(suite_path: Path, tmp_path: Path) -> None:
    damaged = tmp_path / "damaged.pliant"
    damaged.write_bytes(suite_path.read_bytes()[:-2000])
    with pytest.raises(pliant.PliantError, match="could not be measured"):
        measure_memory(damaged, ["s01-fp32"], [])


def test_the_file_that_was_opened_is_measured_whatever_became_of_its_path(
    suite_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("here.pliant").write_bytes(suite_path.read_bytes())
    Path("another").write_bytes(b"no suite at all")
    (tmp_path / "elsewhere").mkdir()
    with pliant.open_suite("here.pliant") as suite:
        book = Book(suite, ("depth",), threads=1, cache=MeasurementCache(tmp_path / "cache"))
        Path("another").replace("here.pliant")
        monkeypatch.chdir(tmp_path / "elsewhere")
        book.measure_memory([suite.subnet("s01-fp32")])
        found = book.memory(suite.subnet("s01-fp32"))
        assert found is not None
        assert found.peak > 0


def test_a_file_that_was_overwritten_is_not_measured(suite_path: Path, tmp_path: Path) -> None:
    path = tmp_path / "here.pliant"
    path.write_bytes(suite_path.read_bytes())
    with pliant.open_suite(path) as suite:
        book = Book(suite, ("depth",), threads=1, cache=MeasurementCache(tmp_path / "cache"))
        with path.open("ab") as file:
            file.write(b"more")
        with pytest.raises(pliant.SuiteError, match="changed while it was open"):
            book.measure_memory([suite.subnet("s01-fp32")])


def test_a_working_directory_full_of_traps_changes_nothing(
    suite_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("numpy", "onnxruntime", "runpy"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('a trap')")
    # As Python 3.10, which does not know the variable by which later ones leave the working directory alone.
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\nunset PYTHONSAFEPATH\nexec {shlex.quote(sys.executable)} "$@"\n')
    python.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(python))
    monkeypatch.chdir(tmp_path)
    assert measure_memory(suite_path.resolve(), ["s01-fp32"], ["depth"])["s01-fp32"].peak > 0
