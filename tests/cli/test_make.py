"""The whole path in the terminal, on the smallest recipe: train, search, export, verify, profile."""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from pliant.cli import main
from pliant.cli.demo_report import print_report

from .conftest import Terminal

RECIPE = """
data: {name: scenes, size: [32, 48], counts: {train: 16, validation: 8, test: 4}, tasks: [segmentation, depth]}
model: {encoder: resnet10, channels: 16, decoder_channels: 16, skip_channels: 8, output_stride: 8}
space: {encoder_widths: [0.5, 1.0], decoder_widths: [0.5, 1.0], multiple: 8}
training: {epochs: 1, batch_size: 4, subnets: 1, checkpoint_every: 2, recalibration_images: 8}
search: {evaluations: 2, population: 2}
quantize: {calibration_images: 8}
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with tiny.yaml, run/ (a checkpoint), front.json and tiny.pliant, all by the terminal's verbs."""
    folder = tmp_path_factory.mktemp("made")
    (folder / "tiny.yaml").write_text(RECIPE)
    run, front, suite = (str(folder / name) for name in ("run", "front.json", "tiny.pliant"))
    assert main(["train", str(folder / "tiny.yaml"), "--out", run]) == 0
    assert main(["search", run, "--prefer", "depth=2", "--out", front]) == 0
    assert main(["export", run, "--front", front, "--out", suite]) == 0
    return folder


def test_the_suite_verifies_and_runs(made: Path, pliant: Terminal) -> None:
    suite = made / "tiny.pliant"
    report = json.loads(pliant("inspect", suite, "--json").out)
    assert set(report["tasks"]) == {"segmentation", "depth"}
    # Of so little training int8 may cost a task too much: then blocks stay in fp32.
    assert {"fp32"} < {subnet["precision"] for subnet in report["subnets"]} <= {"fp32", "int8", "mixed"}
    assert pliant("verify", suite).code == 0


def test_train_json_and_resume(made: Path, pliant: Terminal) -> None:
    said = pliant("train", made / "tiny.yaml", "--resume", "--out", made / "run", "--json")
    report = json.loads(said.out)
    assert report["steps"] == report["resumed_from"] == 4
    assert {"config", "quality"} == set(report["quality"][0])


def test_a_training_is_not_overwritten(made: Path, pliant: Terminal) -> None:
    said = pliant("train", made / "tiny.yaml", "--out", made / "run")
    assert said.code == 1
    assert "--resume" in said.err
    progress = re.compile(r": \d+ of \d+$")  # on a slow machine
    assert len([line for line in said.err.splitlines() if not progress.search(line)]) == 1


def test_a_training_that_is_not_over_is_said_to_be(made: Path, pliant: Terminal, tmp_path: Path) -> None:
    out = tmp_path / "half"
    shutil.copytree(made / "run", out)
    newest = max((out / "checkpoints").iterdir())
    shutil.rmtree(newest)
    line = f"this training stopped at step 2 of 4; go on with: pliant train --resume RECIPE --out {out}"
    searched = pliant("search", out, "--out", "front.json", "--json")
    exported = pliant("export", out, "--front", "front.json", "--out", "half.pliant", "--json")
    for said in (searched, exported):
        assert json.loads(said.out)
        assert said.err.count(line) == 1
    assert "stopped at" not in pliant("search", made / "run", "--out", "whole.json").err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_search_that_is_stopped_says_how_to_go_on(
    made: Path, program: Callable[..., subprocess.Popen[bytes]], tmp_path: Path, number: signal.Signals
) -> None:
    running = program("search", made / "run", "--evaluations", "500", "--out", "front.json")
    log = tmp_path / "front.log.jsonl"
    while running.poll() is None and (not log.exists() or log.read_bytes().count(b"\n") < 2):
        time.sleep(0.05)
    running.send_signal(number)
    _, said = running.communicate(timeout=60)
    assert running.returncode == 130, said
    line = b"stopped: what was measured is kept; go on with --resume (--out front.json)"
    assert said.splitlines()[-1] == line


def test_a_profile_gives_the_front_its_latency(made: Path, pliant: Terminal, tmp_path: Path) -> None:
    """Measurements belong to graphs, so a profile of an exported suite serves the next search."""
    assert pliant("profile", made / "tiny.pliant", "--seconds", "0", "--out", tmp_path / "here.json").code == 0
    said = pliant(
        "search", made / "run", "--device", tmp_path / "here.json", "--out", tmp_path / "front.json", "--json"
    )
    front = json.loads(said.out)
    assert "searching by multiply-adds" in said.err  # so few subnets tell nothing of others
    progress = re.compile(r": \d+ of \d+$")  # on a slow machine
    assert len([line for line in said.err.splitlines() if not progress.search(line)]) == 1
    assert all(entry["latency"]["kind"] == "measured" for entry in front["entries"])
    assert json.loads((tmp_path / "front.json").read_text()) == front
    assert (tmp_path / "front.png").stat().st_size > 1000
    assert '"kind":"measured"' in (tmp_path / "front.html").read_text()


def test_the_demo_in_json(
    made: Path,
    pliant: Terminal,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The demo's own recipe takes minutes: here it finds a smaller one's work, as it would its own interrupted run."""
    monkeypatch.setattr("pliant.cli.demo.RECIPE", str(made / "tiny.yaml"))
    shutil.copytree(made / "run", tmp_path / "demo" / "train")
    said = pliant("demo", "--out", "demo", "--json")
    assert said.code == 0, said.err
    report = json.loads(said.out)
    assert list(report["budgets"]) == ["tight", "middle", "generous"]
    assert list(report["preferences"]) == ["nothing", "depth", "segmentation"]
    for row in (*report["budgets"].values(), *report["preferences"].values()):
        assert row["latency_ms"] <= row["limit_ms"]
        assert set(row["quality"]) == set(row["decoder_widths"]) == {"segmentation", "depth"} == set(report["tasks"])
    assert all(Path(report[what]).is_file() for what in ("suite", "pictures", "plot", "page", "front"))
    print_report(report)
    shown = capsys.readouterr().out
    assert all(word in shown for word in ("tight", "prefer", report["suite"]))


@pytest.mark.parametrize(
    ("line", "fragment"),
    [
        ("search {made}/run --prefer sound=2 --out x.json", "sound"),
        ("search {made}/run --device {made}/tiny.yaml --out x.json", "tiny.yaml"),
        ("search {made}/run --out {made}", "folder"),
        ("search {made}/run --out x.png", "plot"),
        ("search {made}/run --out x.html", "page"),
        ("search {made}/run --out {made}/front.json", "--resume"),
        ("search {made}/run --out /proc/front.json", "/proc"),
        ("export {made}/run --front {made}/front.json --out {made}", "folder"),
        ("export {made}/run --front {made}/front.json --out /proc/x.pliant", "/proc"),
        ("export {made}/run --front {made}/tiny.yaml --out x.pliant", "not a front"),
        ("export {made}/run --front {made}/front.json --out {made}/front.json/x.pliant", "cannot be written"),
        ("train {made}/tiny.yaml --set training.lr=fast --out x", "training.lr"),
    ],
)
def test_mistakes_are_one_line(made: Path, pliant: Terminal, line: str, fragment: str) -> None:
    said = pliant(*line.format(made=made).split())
    assert said.code in (1, 2)
    assert said.out == ""
    assert fragment in said.err
    progress = re.compile(r": \d+ of \d+$")  # on a slow machine
    assert len([line for line in said.err.splitlines() if not progress.search(line)]) == 1
    assert "unexpected" not in said.err
