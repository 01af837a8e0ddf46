"""The benchmarks of what runs: as they are started by hand, in small, and their arithmetic."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import pliant
from pliant.benchmarks.runtime.report import report
from pliant.benchmarks.runtime.requests import Request
from pliant.benchmarks.runtime.slope import slope
from pliant.benchmarks.runtime.switching import compared
from pliant.benchmarks.runtime.truth import Known, best
from pliant.runtime.planning.book import Book

from ..runtime.making import make
from ..runtime.planning.paper import TASKS, Paper, in_memory, papers, plan

PAGE = "before\n<!-- {0}: begin -->\nNot measured yet.\n<!-- {0}: end -->\nafter\n"


def command(part: str, suite: Path, out: Path, *more: str) -> list[str]:
    (out / "page.md").write_text(PAGE.format(part))
    places = ["--suite", str(suite), "--out", str(out), "--docs", str(out / "page.md")]
    return [sys.executable, "-m", "pliant.benchmarks.runtime", part, *places, *more]


def measured(part: str, suite: Path, out: Path, *more: str) -> dict[str, Any]:
    done = subprocess.run(command(part, suite, out, *more), capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return result(part, out)


def result(part: str, out: Path) -> dict[str, Any]:
    (found,) = out.glob(f"runtime-{part}-*.json")
    page = (out / "page.md").read_text()
    assert page.startswith(f"before\n<!-- {part}: begin -->\n`python -m pliant.benchmarks.runtime {part}")
    assert page.endswith((f"|\n<!-- {part}: end -->\nafter\n", f".\n<!-- {part}: end -->\nafter\n"))
    assert "Not measured" not in page
    entry: dict[str, Any] = json.loads(found.read_text())
    return entry


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make().write(tmp_path_factory.mktemp("suite") / "made.pliant")


@pytest.mark.slow
def test_budgets_are_held_against_what_is_measured_afterwards(path: Path, tmp_path: Path) -> None:
    found = measured("budgets", path, tmp_path, "--requests", "4", "--subsets", "1")
    assert [first["quantile"] for first in found["first"]] == [0.5, 0.95]
    assert all(first["measured"] == found["subnets"] and first["runs"] > 0 for first in found["first"])
    assert found["totals"]["requests"] == len(found["rows"]) == 4
    for row in found["rows"]:
        # Whether limits are met is the machine's matter; that the choice is the formula's is not.
        assert row["agrees"], row
        if row["chosen"]:
            assert row["planned_ms"] <= row["limit_ms"]
            assert row["over"] == pytest.approx(row["after_ms"] / row["limit_ms"] - 1.0)


@pytest.mark.slow
def test_overhead_compares_calls_switches_and_processes(path: Path, tmp_path: Path) -> None:
    found = measured("overhead", path, tmp_path, "--processes", "2")
    assert len(found["rows"]) == 3
    assert all(row["call"]["theirs_ms"] > 0 and row["switch"]["ratio"] > 0 for row in found["rows"])
    for what in ("import_ms", "imported_bytes", "serving_bytes"):
        assert 0.2 < found["processes"][what]["ratio"] < 5.0
    assert set(found["kept"]) == {"call", "switch", "import_ms", "imported_bytes", "serving_bytes"}


@pytest.mark.slow
def test_switching_finds_no_torn_answer(path: Path, tmp_path: Path) -> None:
    found = measured("switching", path, tmp_path, "--switches", "60", "--callers", "3", "--rounds", "2")
    assert (found["load"]["wrong"], found["load"]["failed_switches"]) == ({}, {})
    assert found["load"]["switches"] == 60
    assert found["load"]["memory"]["steps"] == 50
    assert found["tails"]["ours"]["calls"] > 0
    assert found["tails"]["low"] <= found["tails"]["ratio"] * 1.0001


@pytest.mark.slow
def test_a_soak_that_is_stopped_tells_what_there_is(path: Path, tmp_path: Path) -> None:
    process = subprocess.Popen(
        command("soak", path, tmp_path, "--minutes", "60", "--subsets", "1"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PLIANT_CACHE": str(tmp_path / "cache")},
    )
    assert process.stderr is not None
    assert "of 60 min" in process.stderr.readline()
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=60)
    assert process.returncode == 0, told[-2000:]
    found = result("soak", tmp_path)
    assert found["failed"] == 0, found["failures"]
    assert sum(found["acts"].values()) > 0
    assert found["minutes"] < 5


@given(papers(), st.integers(1, 200), st.data())
def test_brute_force_agrees_with_the_planner(suite: Paper, limit: int, data: st.DataObject) -> None:
    times = {item.id: [float(data.draw(st.integers(1, 200)))] * 60 for item in suite.subnets}
    peaks = {item.id: data.draw(st.integers(30_000_000, 60_000_000)) for item in suite.subnets}
    cache = in_memory(suite, times, peaks)
    book = Book(cast(pliant.Suite, suite), tuple(TASKS), cache=cache)
    weights = {
        task: data.draw(st.sampled_from([0.5, 1.0, 4.0])) for task in data.draw(st.sets(st.sampled_from(sorted(TASKS))))
    }
    memory = data.draw(st.none() | st.integers(25_000_000, 70_000_000))
    request = Request(None, float(limit), 0.5, memory, weights)
    truth = best(cast(pliant.Suite, suite), request, Known(book.latency, book.memory))
    try:
        chosen = plan(suite, **request.words(), measure="never", cache=cache).subnet.id
    except pliant.NoSubnetFits:
        chosen = None
    assert truth.best == chosen
    assert truth.unproven == ()


def test_memory_that_grows_is_told_from_memory_that_wavers() -> None:
    rng = np.random.default_rng(0)
    wavering = 1e8 + rng.normal(0, 2e6, 1000)
    flat, growing = slope(wavering.tolist(), 10), slope((wavering + 5e3 * np.arange(1000)).tolist(), 10)
    assert flat is not None
    assert flat.flat
    assert growing is not None
    assert not growing.flat
    assert growing.low < 5e3 < growing.high
    assert slope(wavering[:30].tolist(), 10) is None


def test_tails_are_told_apart() -> None:
    rng = np.random.default_rng(0)
    rounds = [rng.exponential(1.0, 400).tolist() for _ in range(20)]
    slower = [[1.5 * time for time in each] for each in rounds]
    assert compared(rounds, rounds)["kept"]
    found = compared(slower, rounds)
    assert not found["kept"]
    assert found["ratio"] == pytest.approx(1.5)


def test_a_page_without_markers_is_refused(tmp_path: Path) -> None:
    kept = Path(__file__).resolve().parents[2] / "benchmarks" / "results"
    (tmp_path / "page.md").write_text("nothing")
    with pytest.raises(ValueError, match="has not the markers of soak"):
        report(tmp_path / "page.md", next(kept.glob("runtime-soak-*.json")))
    assert (tmp_path / "page.md").read_text() == "nothing"
