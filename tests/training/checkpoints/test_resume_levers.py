"""With any lever on, a training that was stopped and resumed ends as one that was not: every file, to the last bit."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from pliant.training.checkpoints import writing
from pliant.training.checkpoints.checkpoint import load_checkpoint, read_beside
from pliant.training.checkpoints.folders import RAW, steps
from pliant.training.loop import train
from pliant.training.progress import Silent, StepReport

from ..tiny import APART, tiny_recipe

SHORT = ("training.epochs=2", "data.counts.train=12", "training.full_width=0", "training.recalibration_images=4")
LEVERS = {
    "average": ("training.ema=0.9",),
    "projection": ("training.distillation.form=projection", "training.optimizer=sgd", "training.ema=0.5"),
    "uncertainty": ("training.balance=uncertainty", "training.soft_labels={weight: 1, divergence: alpha, start: 0.3}"),
    "gradient norm": ("training.balance=gradient-norm", "training.teacher=next", "training.sampling=stratified"),
    "sharpness": ("training.sharpness=0.05", "training.rates={encoder.layer1: 0.1}"),
    "updates apart": (*APART, "training.balance=uncertainty", "training.sharpness=0.05"),
    "int8 in mind": ("training.quantization_aware=0.5", "training.soft_labels.weight=1"),
    "one width": ("training.only=0.5", "training.distillation.start=0.5"),
}


class Impatient(Silent):
    def step(self, report: StepReport) -> None:
        if report.step == 3:
            raise KeyboardInterrupt


@pytest.mark.parametrize("lever", LEVERS)
def test_a_stopped_run_ends_in_the_same_files(lever: str, tmp_path: Path) -> None:
    recipe = tiny_recipe(*SHORT, *LEVERS[lever])
    whole = train(recipe, tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        train(recipe, tmp_path / "stopped", progress=Impatient())
    resumed = train(recipe, tmp_path / "stopped", resume=True)
    assert (resumed.resumed_from, resumed.steps) == (2, 6)
    assert resumed.quality == whole.quality
    files = sorted(path.name for path in whole.checkpoint.glob("*.safetensors"))
    assert files == sorted(path.name for path in resumed.checkpoint.glob("*.safetensors"))
    for name in files:
        assert (whole.checkpoint / name).read_bytes() == (resumed.checkpoint / name).read_bytes(), name
    beside = {"average": {RAW}, "projection": {RAW, "auxiliary.safetensors"}}
    auxiliary = {"auxiliary.safetensors"} if lever in ("uncertainty", "gradient norm", "updates apart") else set()
    assert set(files) == {"supernet.safetensors", "optimizer.safetensors", *beside.get(lever, auxiliary)}


def test_the_average_is_what_is_judged_and_loaded(tmp_path: Path) -> None:
    settings = (*SHORT, "training.ema=0.9")
    averaged, plain = (train(tiny_recipe(*each), tmp_path / each[-1]) for each in (settings, SHORT))
    raw, last = read_beside(averaged.checkpoint, RAW), load_checkpoint(plain.out).supernet.state_dict()
    assert all(torch.equal(raw[name], tensor) for name, tensor in last.items())
    loaded = load_checkpoint(averaged.out).supernet.state_dict()
    assert not torch.equal(loaded["encoder.conv1.weight"], raw["encoder.conv1.weight"])
    assert averaged.quality != plain.quality
    assert steps(averaged.out)[0] == averaged.checkpoint


def test_the_room_asked_for_before_training_is_what_a_checkpoint_takes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    monkeypatch.setattr(writing, "check_room", lambda out, count, largest, size: asked.extend((largest, size)))
    settings = ("training.ema=0.9", "training.distillation.form=projection")
    result = train(tiny_recipe(*SHORT, *settings), tmp_path)
    sizes = [path.stat().st_size for path in result.checkpoint.glob("*.safetensors")]
    assert asked == [pytest.approx(max(sizes), rel=0.05), pytest.approx(sum(sizes), rel=0.05)]
