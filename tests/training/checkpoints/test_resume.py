"""A training that is killed at any moment and resumed ends in the weights of one that was not. Real processes."""

from __future__ import annotations

import hashlib
import json
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from pliant import CheckpointError
from pliant.training.checkpoints.checkpoint import load_checkpoint
from pliant.training.checkpoints.folders import steps
from pliant.training.loop import train
from pliant.training.progress import Silent, StepReport

from ..forked import Forked
from ..tiny import tiny_recipe

CHILD = """
import sys
from pliant.tests.training.tiny import tiny_recipe
from pliant.training.loop import train
train(tiny_recipe(), sys.argv[1], resume=True)
"""
DIES_IN_VALIDATION = """
import os, signal, sys
from pliant.tests.training.tiny import tiny_recipe
from pliant.training import loop
class Dying(loop.Evaluator):
    def quality(self, config):
        if len(told) == 2 and config == self.supernet.space.narrowest:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().quality(config)
class Told(loop.Silent):
    def quality(self, step, rows):
        told.append(step)
told, loop.Evaluator = [], Dying
loop.train(tiny_recipe("training.validate_every=1"), sys.argv[1], progress=Told())
"""
STEPS = 24


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A training that nobody killed."""
    out = tmp_path_factory.mktemp("whole")
    process = _start(out)
    assert process.wait(120) == 0
    return out


def _start(out: Path) -> Forked:
    return Forked(out.with_name(f"{out.name}-said"), "-c", CHILD, str(out))


def _weights(out: Path) -> str:
    return hashlib.sha256((steps(out)[0] / "supernet.safetensors").read_bytes()).hexdigest()


def _lines(out: Path) -> int:
    path = out / "metrics.jsonl"
    return path.read_bytes().count(b"\n") if path.exists() else 0


def _wait_for_steps(process: Forked | subprocess.Popen[bytes], out: Path, lines: int) -> None:
    while process.poll() is None and _lines(out) < lines:
        time.sleep(0.002)


def _wait_for_a_half_written_checkpoint(process: Forked, out: Path) -> None:
    while process.poll() is None and not list(out.glob("checkpoints/.writing-*/supernet.safetensors")):
        pass


def test_a_killed_run_ends_in_the_same_weights(whole: Path, tmp_path: Path) -> None:
    rng, kills = random.Random(0), 0
    process = _start(tmp_path)
    for kill in range(4):
        known = steps(tmp_path)[0].name if steps(tmp_path) else ""
        _wait_for_steps(process, tmp_path, (int(known[5:]) if known else 0) + 2)
        if kill % 2:
            _wait_for_a_half_written_checkpoint(process, tmp_path)
        else:
            time.sleep(rng.uniform(0.0, 0.2))
        process.send_signal(signal.SIGKILL)
        kills += process.wait(60) == -signal.SIGKILL
        process = _start(tmp_path)
    assert process.wait(120) == 0
    assert kills >= 3
    assert _weights(tmp_path) == _weights(whole)
    assert load_checkpoint(tmp_path).metrics == load_checkpoint(whole).metrics
    assert [_losses(line) for line in _log(tmp_path)] == [_losses(line) for line in _log(whole)]
    assert not list(tmp_path.glob("checkpoints/.*"))


def test_a_kill_during_a_validation_costs_no_point_of_the_curve(tmp_path: Path) -> None:
    """The checkpoint is of that very step: whoever only trains on never judges it."""
    process = Forked(tmp_path / "said", "-c", DIES_IN_VALIDATION, str(tmp_path / "killed"))
    assert process.wait(120) == -signal.SIGKILL
    assert steps(tmp_path / "killed")[0].name == "step-000018"
    for out in ("whole", "killed"):
        assert train(tiny_recipe("training.validate_every=1"), tmp_path / out, resume=out == "killed").steps == STEPS
    whole, killed = ([_losses(line) for line in _log(tmp_path / out)] for out in ("whole", "killed"))
    assert killed == whole
    assert [json.loads(line)["step"] for line in _log(tmp_path / "killed") if "quality" in line] == [6, 12, 18, 24]
    assert _weights(tmp_path / "killed") == _weights(tmp_path / "whole")


def test_what_was_judged_is_not_judged_again(tmp_path: Path) -> None:
    class Stopping(Silent):
        def quality(self, step: int, rows: list[dict[str, Any]]) -> None:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(tiny_recipe("training.validate_every=1"), tmp_path, progress=Stopping())
    train(tiny_recipe("training.validate_every=1"), tmp_path, resume=True)
    assert [json.loads(line)["step"] for line in _log(tmp_path) if "quality" in line] == [6, 12, 18, 24]


def test_terminated_it_keeps_the_step_that_ran(whole: Path, tmp_path: Path) -> None:
    """A scheduler that takes the machine back sends SIGTERM first."""
    process = _start(tmp_path)
    _wait_for_steps(process, tmp_path, 3)
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) not in (0, -signal.SIGTERM)
    assert steps(tmp_path)[0].name == f"step-{_lines(tmp_path):06d}"
    assert _start(tmp_path).wait(120) == 0
    assert _weights(tmp_path) == _weights(whole)


def test_terminated_in_a_validation_it_has_kept_the_step_before(tmp_path: Path) -> None:
    """A validation may outlast the patience of whoever sent SIGTERM: so the checkpoint comes first."""

    class Terminated(Silent):
        kept = ""

        def quality(self, step: int, rows: list[dict[str, Any]]) -> None:
            self.kept = steps(tmp_path)[0].name
            signal.raise_signal(signal.SIGTERM)

    told = Terminated()
    with pytest.raises(KeyboardInterrupt, match="step-000006 is kept"):
        train(tiny_recipe("training.validate_every=1", "training.checkpoint_every=200"), tmp_path, progress=told)
    assert told.kept == "step-000006"
    assert _lines(tmp_path) == 7, "six steps and a validation"


def test_terminated_while_it_is_judged_at_the_end_it_says_how_to_go_on(tmp_path: Path) -> None:
    class Terminated(Silent):
        def quality(self, step: int, rows: list[dict[str, Any]]) -> None:
            signal.raise_signal(signal.SIGTERM)

    with pytest.raises(KeyboardInterrupt, match="step-000024 is kept; go on with --resume"):
        train(tiny_recipe(), tmp_path, progress=Terminated())
    assert len(train(tiny_recipe(), tmp_path, resume=True).quality) == 3
    assert [json.loads(line)["step"] for line in _log(tmp_path) if "quality" in line] == [24], "judged, and logged once"


def _log(out: Path) -> list[str]:
    return (out / "metrics.jsonl").read_text().splitlines()


def _losses(line: str) -> object:
    entry = json.loads(line)
    return entry["kind"], entry["step"], entry.get("losses"), entry.get("rows")


def test_the_log_has_every_step_once(whole: Path) -> None:
    entries = [json.loads(line) for line in _log(whole)]
    assert [entry["step"] for entry in entries if entry["kind"] == "step"] == list(range(1, STEPS + 1))
    assert entries[-1]["kind"] == "quality"
    assert set(entries[0]["losses"]) == {"segmentation", "depth", "normals", "edges"}
    assert all(entry["_version"] == 1 for entry in entries)


def test_ctrl_c_says_how_to_go_on(tmp_path: Path) -> None:
    class Impatient(Silent):
        def step(self, report: StepReport) -> None:
            if report.step == 5:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt, match=r"step-000004 is kept; go on with --resume"):
        train(tiny_recipe(), tmp_path, progress=Impatient())
    assert not list(tmp_path.glob("checkpoints/.*"))


def test_the_first_real_ctrl_c_keeps_the_step_that_ran(whole: Path, tmp_path: Path) -> None:
    """Between checkpoints nothing is lost, and what goes on from there ends in the weights of a run left alone."""
    recipe, out = tmp_path / "tiny.yaml", tmp_path / "out"
    recipe.write_text(yaml.safe_dump(tiny_recipe("training.checkpoint_every=200").to_json()))
    process = subprocess.Popen(
        [sys.executable, "-m", "pliant.cli", "train", str(recipe), "--out", str(out)],
        stderr=subprocess.PIPE,
        # Whoever started the tests in the background may have had SIGINT ignored, which is inherited.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    _wait_for_steps(process, out, 3)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130, said
    (kept,) = steps(out)
    assert 3 <= load_checkpoint(out).step < STEPS
    assert said.decode().splitlines()[-1] == f"stopped: {kept.name} is kept; go on with --resume (--out {out})"
    assert _lines(out) == load_checkpoint(out).step
    assert train(tiny_recipe(), out, resume=True).steps == STEPS
    assert _weights(out) == _weights(whole)


def test_a_damaged_checkpoint_is_said_and_trained_again(whole: Path, tmp_path: Path) -> None:
    class Listener(Silent):
        def __init__(self) -> None:
            self.messages: list[str] = []

        def message(self, text: str) -> None:
            self.messages.append(text)

    train(tiny_recipe(), tmp_path)
    path = steps(tmp_path)[0] / "supernet.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    listener = Listener()
    result = train(tiny_recipe(), tmp_path, resume=True, progress=listener)
    assert result.resumed_from == STEPS - 2
    assert "supernet.safetensors is damaged" in listener.messages[0]
    assert "going on from step-000022" in listener.messages[0]
    assert _weights(tmp_path) == _weights(whole)


def test_a_finished_training_is_not_trained_again(whole: Path) -> None:
    before = _weights(whole)
    result = train(tiny_recipe(), whole, resume=True)
    assert result.resumed_from == result.steps == STEPS
    assert [row["config"]["encoder"][0] for row in result.quality] == [1.0, 0.5, 0.25]
    assert _weights(whole) == before


def test_a_folder_with_a_training_is_not_overwritten(whole: Path) -> None:
    with pytest.raises(CheckpointError, match="holds a training already: go on with --resume"):
        train(tiny_recipe(), whole)


def test_resuming_with_other_settings_is_refused(whole: Path) -> None:
    with pytest.raises(CheckpointError, match=r"was started with training\.lr = 0\.001, the recipe now says 0\.5"):
        train(tiny_recipe("training.lr=0.5"), whole, resume=True)
    train(tiny_recipe("training.checkpoint_every=7", "search.evaluations=3"), whole, resume=True)
