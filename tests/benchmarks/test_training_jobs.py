"""The small version of the training benchmark: real jobs on rendered scenes, in own processes, resumed and skipped."""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from pliant.benchmarks.training import __main__ as command
from pliant.benchmarks.training.job import Job
from pliant.benchmarks.training.methods import MAIN, METHODS, WIDTHS
from pliant.benchmarks.training.workers import Workers

COMMAND = [sys.executable, "-m", "pliant.benchmarks.training", "--data", "scenes", "--seeds", "0"]


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """A folder where the small version has run, and what it said."""
    folder = tmp_path_factory.mktemp("benchmark")
    return folder, _run(folder)


def _run(folder: Path, *more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(_asked(folder, *more), capture_output=True, text=True, timeout=280, check=False)


def _asked(folder: Path, *more: str) -> list[str]:
    """The command; from its third word on what `main` is given in this process: one of its own imports for seconds."""
    return [*COMMAND, "--work", str(folder / "work"), "--results", str(folder / "results"), "--workers", "2", *more]


@pytest.mark.slow
def test_the_small_version_measures_every_method_width_and_task(
    measured: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    folder, done = measured
    assert done.returncode == 0, done.stderr
    entry = _result(folder)
    found = {(row["method"], row["width"], row["task"]) for row in entry["rows"]}
    tasks = {"segmentation", "depth", "normals", "edges"}
    assert found == {(method, width, task) for method in MAIN for width in WIDTHS for task in tasks}
    assert len(entry["rows"]) == len(found)
    costs = {job["method"]: job for job in entry["jobs"]}
    assert costs["separate"]["parameter_bytes"] > 1.5 * costs["default"]["parameter_bytes"]
    assert {point["width"] for point in costs["separate"]["curves"]} == set(WIDTHS)
    judged = done.stderr.index("scenes-separate-0: begins")
    assert all(f"scenes-separate-0 of width {width:g}: done" in done.stderr[:judged] for width in WIDTHS), done.stderr


@pytest.mark.slow
def test_what_is_measured_is_skipped(measured: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    folder, _ = measured
    before = _result(folder)
    again = _run(folder)
    assert again.returncode == 0, again.stderr
    assert "begins" not in again.stderr
    assert _result(folder)["rows"] == before["rows"]


@pytest.mark.slow
def test_what_is_judged_again_keeps_the_seconds_of_its_training(
    measured: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    folder, _ = measured
    path = folder / "results" / "training" / "scenes-default-0.json"
    before = json.loads(path.read_text())
    path.unlink()
    again = _run(folder, "--methods", "default")
    assert again.returncode == 0, again.stderr
    after = json.loads(path.read_text())
    assert (after["seconds"], after["rows"]) == (before["seconds"], before["rows"])


def test_a_job_is_not_judged_where_a_training_of_it_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "work").write_text("no folder")
    monkeypatch.setattr(sys, "argv", _asked(tmp_path, "--methods", "separate")[2:])
    assert command.main() == 1
    said = capfd.readouterr().err
    assert said.count("run again to resume it") == len(WIDTHS), said
    assert "scenes-separate-0: begins" not in said


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="looks for processes in /proc")
@pytest.mark.parametrize("how", ["terminate", "ctrl-c"])
def test_stopped_it_takes_its_jobs_along(how: str, tmp_path: Path) -> None:
    """They would train on for hours, unseen, and against the next ones. A Ctrl-C is of all that the terminal runs."""
    places = ["--work", str(tmp_path / "work"), "--results", str(tmp_path / "results"), "--workers", "1"]
    benchmark = subprocess.Popen([*COMMAND, *places], stderr=subprocess.PIPE, text=True, start_new_session=True)
    assert benchmark.stderr is not None
    # Importing may have children of its own; jobs begin when it says so, and by then it knows what to do when stopped.
    assert any("begins" in line for line in iter(benchmark.stderr.readline, ""))
    children = Path(f"/proc/{benchmark.pid}/task/{benchmark.pid}/children")
    deadline = time.monotonic() + 60
    # No pause between looks: it is stopped in the very moment in which it starts a job.
    while not (found := children.read_text().split()) and time.monotonic() < deadline:
        pass
    assert found, "no job began"
    if how == "terminate":
        benchmark.terminate()
    else:
        os.killpg(benchmark.pid, signal.SIGINT)
    _, said = benchmark.communicate(timeout=60)
    assert benchmark.returncode == 130
    assert "resumes from its checkpoints" in said
    assert "Traceback" not in said
    assert not Path(f"/proc/{found[0]}").exists()


JOB = """#!/usr/bin/env python3
# In place of a job: how often it is told to end, within a second of the first time.
import pathlib, signal, sys, time
told = []
for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
    signal.signal(number, lambda number, _: told.append(number))
pathlib.Path(sys.argv[0] + ".ready").touch()
while not told:
    time.sleep(0.01)
time.sleep(1)
pathlib.Path(sys.argv[0] + ".told").write_text(str(len(told)))
"""
JOBS = """
import sys
from pliant.benchmarks.training.job import Job
from pliant.benchmarks.training.workers import Workers
sys.executable = sys.argv[1]
Workers(1, float("inf"), []).run([Job("scenes", "default", 0)])
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_whatever_ends_all_that_the_terminal_runs_tells_a_job_once(number: int, tmp_path: Path) -> None:
    """Who is told twice ends in the midst of a step, and what was trained since its checkpoint is lost."""
    job = tmp_path / "job"
    job.write_text(JOB)
    job.chmod(0o755)
    benchmark = subprocess.Popen([sys.executable, "-c", JOBS, str(job)], start_new_session=True)
    deadline = time.monotonic() + 60
    while not job.with_name("job.ready").exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    os.killpg(benchmark.pid, number)
    assert benchmark.wait(60) == 0
    assert job.with_name("job.told").read_text() == "1"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["--workers", "0"], "--workers: '0' is no whole number from 1 on"),
        (["--seeds", "-1"], "--seeds: '-1' is no whole number from 0 on"),
        (["--docs", "missing.md"], "--docs: "),
    ],
)
def test_wrong_arguments_are_refused_before_hours_of_training(
    given: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", _asked(tmp_path, *given)[2:])
    with pytest.raises(SystemExit) as ended:
        command.main()
    assert ended.value.code == 2
    assert said in capsys.readouterr().err.splitlines()[-1]
    assert list(tmp_path.iterdir()) == []


def test_where_all_that_was_asked_for_is_left_out_it_has_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # As on a machine without data: those beside this checkout are not looked for.
    monkeypatch.setattr("pliant.training.data.files._CHECKOUT", tmp_path)
    monkeypatch.setenv("PLIANT_DATA", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["training", "--data", "camvid", "--work", "work", "--results", "results"])
    monkeypatch.setattr(command, "Workers", lambda *_: pytest.fail("jobs begin"))
    assert command.main() == 1
    assert capsys.readouterr().err.startswith("camvid is left out: ")
    assert list(tmp_path.iterdir()) == []


def test_the_ablation_is_every_lever_on_red_kitchen_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked: list[Job] = []
    monkeypatch.setattr(command, "_has_files", lambda *_: True)
    monkeypatch.setattr(Workers, "run", lambda _, jobs: asked.extend(jobs))
    places = ["--work", str(tmp_path), "--results", str(tmp_path)]
    monkeypatch.setattr(sys, "argv", ["training", "--ablation", "--seeds", "7", *places])
    command.main()
    assert {(job.data, job.seed) for job in asked} == {("redkitchen", 0)}
    left = METHODS.keys() - {job.method for job in asked}
    assert left == {"half-rate", "double-rate", "separate-half-rate", "separate-double-rate"}


def test_help_says_what_there_is_and_what_is_taken(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["training", "--help"])
    with pytest.raises(SystemExit) as ended:
        command.main()
    assert ended.value.code == 0
    # Folded at hyphens too.
    usage, said = " ".join(capsys.readouterr().out.split()).replace("- ", "-").split("options:")
    assert "--methods METHOD [METHOD ...]" in usage
    assert not any(name in usage for name in ("separate", "camvid"))
    for default in ("redkitchen camvid cifar100-mtl", "default separate no-distillation", "0 1 2"):
        assert f"[default: {default}]" in said


def test_a_damaged_result_is_not_measured_and_jobs_are_named_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "results" / "training").mkdir(parents=True)
    (tmp_path / "results" / "training" / "scenes-default-0.json").write_text('{"_version": 1')
    monkeypatch.setattr(sys, "argv", _asked(tmp_path, "--minutes", "0", "--seeds", "0", "0")[2:])
    assert command.main() == 0
    said = capsys.readouterr().err
    assert said.count("scenes-default-0.json is damaged, so its job is not measured") >= 1
    assert "Traceback" not in said


def test_a_lever_that_a_data_set_has_anyway_is_left_out() -> None:
    chosen = argparse.Namespace(data=["cifar100-mtl"], split="test", seeds=[1, 1], methods=["default", "encoder-rate"])
    jobs = [Job("cifar100-mtl", method, 1) for method in chosen.methods]
    assert jobs[0].digest == jobs[1].digest
    with patch.object(command, "_has_files", lambda data, split: True):
        assert command._jobs(chosen) == jobs[:1]


def _result(folder: Path) -> dict[str, Any]:
    (path,) = (folder / "results").glob("training-*.json")
    entry: dict[str, Any] = json.loads(path.read_text())
    return entry
