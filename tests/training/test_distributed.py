"""Several processes train what one would: the same weights, one voice, one end. Real processes, gloo on 127.0.0.1."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from safetensors.torch import load_file

from pliant.training.checkpoints.folders import steps

from .forked import Forked
from .several import STEPS
from .tiny import tiny_recipe

Ended = list[tuple[int, str, list[str]]]
"""By rank: exit code, stdout, lines of stderr."""


def _places(world: int) -> list[dict[str, str]]:
    """What torchrun tells each process of its place."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    place = {"WORLD_SIZE": str(world), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "OMP_NUM_THREADS": "1"}
    return [{**place, "RANK": str(rank), "LOCAL_RANK": str(rank)} for rank in range(world)]


def _ended(said: Path, world: int, *command: str) -> Ended:
    """What torchrun does, to the end: the same command in every process. What each says is kept in a folder."""
    said.mkdir()
    processes = [
        Forked(said / place["RANK"], "-m", f"pliant.tests.training.{command[0]}", *command[1:], **place)
        for place in _places(world)
    ]
    try:
        codes = [process.wait(250) for process in processes]
    finally:
        for process in processes:
            process.kill()
    return [
        (code, out, errors.splitlines())
        for code, (out, errors) in zip(codes, (process.said() for process in processes), strict=True)
    ]


def _run(out: Path, world: int, **asked: Any) -> Ended:
    return _ended(out.with_name(f"{out.name}-said"), world, "several", str(out), json.dumps(asked))


def _weights(out: Path) -> dict[str, torch.Tensor]:
    tensors: dict[str, torch.Tensor] = load_file(steps(out)[0] / "supernet.safetensors")
    return tensors


def _sampled(out: Path, rank: int) -> list[str]:
    return out.with_name(f"{out.name}-sampled-{rank}").read_text().splitlines()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where `alone` and `pair` were trained."""
    root = tmp_path_factory.mktemp("trained")
    for name, world in (("alone", 1), ("pair", 2)):
        for code, said, errors in _run(root / name, world):
            assert code == 0, errors
            (root / f"{name}.json").write_text(said)
    return root


def test_two_processes_train_the_weights_of_one(folder: Path) -> None:
    """The default recipe, every kind of task, labels missing here and there, shares of 2 and 3 images."""
    alone, pair = _weights(folder / "alone"), _weights(folder / "pair")
    assert alone.keys() == pair.keys()
    assert alone["encoder.conv1.weight"].dtype == torch.float64
    for name, tensor in alone.items():
        assert torch.allclose(pair[name], tensor, rtol=0, atol=1e-5), name
    assert steps(folder / "pair")[0].name == f"step-{STEPS:06d}"


def test_every_process_trains_the_same_subnets(folder: Path) -> None:
    sampled = _sampled(folder / "pair", 0)
    assert len(sampled) == STEPS
    assert len({line.partition(" ")[2] for line in sampled}) > STEPS / 2
    assert sampled == _sampled(folder / "pair", 1) == _sampled(folder / "alone", 0)


def test_losses_and_quality_are_those_of_the_whole_batch(folder: Path) -> None:
    """One log, written once; the last line is the quality, to which each process gave some subnets."""
    alone, pair = (
        [json.loads(line) for line in (folder / name / "metrics.jsonl").read_text().splitlines()]
        for name in ("alone", "pair")
    )
    assert len(alone) == len(pair) == STEPS + 1
    for one, other in zip(alone[:-1], pair[:-1], strict=True):
        assert other["step"] == one["step"]
        for key in ("total", "distillation"):
            assert other[key] == pytest.approx(one[key], abs=1e-6)
        assert other["losses"] == pytest.approx(one["losses"], abs=1e-6)
    for row, expected in zip(pair[-1]["rows"], alone[-1]["rows"], strict=True):
        assert row["config"] == expected["config"]
        assert row["quality"] == pytest.approx(expected["quality"], abs=1e-5)


def test_resumed_in_the_middle_it_ends_in_the_same_weights(folder: Path, tmp_path: Path) -> None:
    """What was trained after step 10 is trained again: bit-identical."""
    out = tmp_path / "again"
    shutil.copytree(folder / "pair", out)
    shutil.rmtree(steps(out)[0])
    for code, said, errors in _run(out, 2, resume=True):
        assert (code, json.loads(said)[0]) == (0, STEPS // 2), errors
    expected = _weights(folder / "pair")
    assert all(torch.equal(tensor, expected[name]) for name, tensor in _weights(out).items())


def test_it_can_be_resumed_by_another_number_of_processes(folder: Path, tmp_path: Path) -> None:
    """What two began one ends, in the weights of both, to rounding."""
    out = tmp_path / "again"
    shutil.copytree(folder / "pair", out)
    shutil.rmtree(steps(out)[0])
    ((code, said, errors),) = _run(out, 1, resume=True)
    assert (code, json.loads(said)[0]) == (0, STEPS // 2), errors
    expected = _weights(folder / "alone")
    assert all(torch.allclose(tensor, expected[name], rtol=0, atol=1e-5) for name, tensor in _weights(out).items())


@pytest.mark.parametrize("killed", [0, 1])
def test_a_killed_process_ends_the_other_with_one_line(killed: int, tmp_path: Path) -> None:
    """The verb itself as a program of its own, which keeps torch quiet, in the middle of a training."""
    recipe, out = tmp_path / "tiny.yaml", tmp_path / "out"
    recipe.write_text(yaml.safe_dump(tiny_recipe("training.epochs=50").to_json()))
    command = [sys.executable, "-m", "pliant.cli", "train", str(recipe), "--out", str(out)]
    processes = [
        subprocess.Popen(
            command, env={**os.environ, **place}, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )
        for place in _places(2)
    ]
    log = out / "metrics.jsonl"
    try:
        while all(process.poll() is None for process in processes) and not (log.exists() and log.stat().st_size):
            time.sleep(0.01)
        processes[killed].kill()
        said = [process.communicate(timeout=250)[1] for process in processes]
    finally:
        for process in processes:
            process.kill()
    assert processes[killed].returncode == -signal.SIGKILL
    assert processes[1 - killed].returncode == 1, said
    *before, line = said[1 - killed].splitlines()
    assert line.startswith("another process of this training is gone, killed or out of memory?")
    assert line.endswith("start all of them again with --resume")
    assert any(text.startswith("2 processes") for text in before) == (killed == 1)
    assert [
        text for text in before if not text.startswith(("2 processes share the 4 images", "training: ", "step "))
    ] == []


def test_what_one_process_knows_is_said_once(tmp_path: Path) -> None:
    ended = _run(tmp_path / "damaged", 2, at=[1, 0], damaged=True)
    assert [(code, errors) for code, _, errors in ended] == [(1, []), (1, ["room 7 is damaged: copy it again"])]
    ended = _run(tmp_path / "full", 2, at=[0, 0], full=True, settings=["training.checkpoint_every=1"])
    assert [code for code, _, _ in ended] == [1, 1]
    assert ended[1][2] == []
    (line,) = ended[0][2]
    assert "No space left on device" in line


def test_what_all_processes_know_is_said_by_the_one_that_leads(tmp_path: Path) -> None:
    ended = _run(tmp_path / "few", 2, settings=["training.batch_size=1"])
    assert [code for code, _, _ in ended] == [1, 1]
    assert ended[1][2] == []
    (line,) = ended[0][2]
    assert "a batch of 1 images cannot be shared by 2 processes" in line


@pytest.mark.parametrize("other", ["lr=0.1", "validate_every=1", "validation_images=1", "recalibration_images=4"])
def test_processes_of_different_recipes_are_refused(other: str, tmp_path: Path) -> None:
    """Also in what decides no weight: all judge together, and would wait for each other forever."""
    ended = _run(tmp_path / "out", 2, others=[f"training.{other}"])
    assert [code for code, _, _ in ended] == [1, 1]
    assert ended[0][2] == ["process 1 has other settings than process 0: give all of them the same recipe and data"]


def test_every_lever_sees_the_whole_batch(tmp_path: Path) -> None:
    """Compared inside: balances, forms of CI-KD, soft labels, sharpness, and batch norm's running statistics."""
    for code, said, errors in _ended(tmp_path / "said", 2, "shares"):
        assert (code, errors) == (0, [])
        assert said.splitlines()[-1] == "the same"


def test_ctrl_c_in_one_process_ends_all_after_the_step(tmp_path: Path) -> None:
    out = tmp_path / "out"
    # Each of the checkpoint's files takes longer than a process waits for another to speak.
    ended = _run(out, 2, at=[1, 2], signal=signal.SIGINT, slow=2.0)
    line = f"stopped: step-000003 is kept; go on with --resume (--out {out})"
    assert [(code, errors) for code, _, errors in ended] == [(130, [line]), (130, [])]
