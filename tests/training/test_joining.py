"""Channels are sorted where narrow subnets join: once, without the widest noticing, and however often it is killed."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from pliant import CheckpointError
from pliant.models.sorting import importance_order
from pliant.training.checkpoints.checkpoint import load_checkpoint
from pliant.training.evaluation.recalibrate import recalibration_batches
from pliant.training.joining import sort_joined
from pliant.training.layout import laid_out
from pliant.training.loop import train
from pliant.training.progress import Silent, StepReport
from pliant.training.ranks import Ranks
from pliant.training.run import Run, prepared

from .tiny import tiny_recipe

SETTINGS = ("training.full_width=0.5", "training.ema=0.9")
JOINING = 12


def _begun(out: Path, *settings: str) -> Run:
    """A training whose optimizer's state says of each weight what it is, so that the two can be compared."""
    run = prepared(tiny_recipe(*SETTINGS, *settings), out, None, Silent(), None, Ranks())
    for parameter in run.supernet.parameters():
        run.optimizer.state[parameter] = {"exp_avg": parameter.detach().clone()}
    return run


def _answers(run: Run) -> dict[str, torch.Tensor]:
    images = laid_out(run.supernet, recalibration_batches(run.data.train, run.recipe.training)[0].images)
    with torch.no_grad():
        answers: dict[str, torch.Tensor] = run.supernet.train()(images, run.supernet.space.widest)
    return answers


@pytest.mark.parametrize("measure", ["norm", "activation"])
def test_all_that_is_trained_moves_together_and_the_widest_answers_as_before(measure: str, tmp_path: Path) -> None:
    run = _begun(tmp_path, f"training.sort={measure}")
    before, answers = {name: each.clone() for name, each in run.supernet.state_dict().items()}, _answers(run)
    sort_joined(run, JOINING)
    for task, answer in _answers(run).items():
        torch.testing.assert_close(answer, answers[task], rtol=1e-3, atol=1e-4)
    moved = [name for name, each in run.supernet.named_parameters() if not torch.equal(each, before[name])]
    assert {name.split(".")[0] for name in moved} == {"encoder", "decoders"}
    for parameter in run.supernet.parameters():
        assert torch.equal(run.optimizer.state[parameter]["exp_avg"], parameter)
    assert run.average is not None
    for own, averaged in zip(run.supernet.parameters(), run.average.supernet.parameters(), strict=True):
        assert torch.equal(own, averaged)


def test_the_most_important_channels_come_first(tmp_path: Path) -> None:
    run = _begun(tmp_path, "training.sort=norm")
    sort_joined(run, JOINING)
    sorted_ = {name: each.clone() for name, each in run.supernet.state_dict().items()}
    for name, places in importance_order(run.supernet).places.items():
        for place in places:
            assert place is None or torch.equal(place, torch.arange(len(place))), name
    sort_joined(run, JOINING)
    assert all(torch.equal(each, sorted_[name]) for name, each in run.supernet.state_dict().items())


@pytest.mark.parametrize(
    ("step", "settings"),
    [
        (JOINING - 1, ("training.sort=norm",)),
        (JOINING + 1, ("training.sort=norm",)),
        (JOINING, ()),
        (0, ("training.sort=norm", "training.full_width=0")),
        (JOINING, ("training.sort=norm", "training.only=0.5")),
    ],
)
def test_nothing_moves_at_another_step_or_where_it_is_off(step: int, settings: tuple[str, ...], tmp_path: Path) -> None:
    run = _begun(tmp_path, *settings)
    before = {name: each.clone() for name, each in run.supernet.state_dict().items()}
    sort_joined(run, step)
    assert all(torch.equal(each, before[name]) for name, each in run.supernet.state_dict().items())


def test_stopped_at_the_join_and_resumed_it_ends_in_the_same_weights(tmp_path: Path) -> None:
    class Said(Silent):
        def __init__(self) -> None:
            self.messages: list[str] = []

        def message(self, text: str) -> None:
            self.messages.append(text)

        @property
        def sorted(self) -> list[str]:
            return [text for text in self.messages if "channels sorted" in text]

    class Stopped(Said):
        def step(self, report: StepReport) -> None:
            if report.step == JOINING + 1:
                raise KeyboardInterrupt

    recipe = tiny_recipe(*SETTINGS, "training.sort=activation", "training.checkpoint_every=1")
    whole_said, stopped_said, resumed_said = Said(), Stopped(), Said()
    train(recipe, tmp_path / "whole", progress=whole_said)
    with pytest.raises(KeyboardInterrupt):
        train(recipe, tmp_path / "stopped", progress=stopped_said)
    other = recipe.with_overrides(["training.recalibration_images=4"])
    with pytest.raises(CheckpointError, match="recalibration_images = 8, the recipe now says 4"):
        train(other, tmp_path / "stopped", resume=True)
    assert train(recipe, tmp_path / "stopped", resume=True, progress=resumed_said).resumed_from == JOINING
    once = [f"step {JOINING}: channels sorted by activation, as narrower subnets join"]
    assert [said.sorted for said in (whole_said, stopped_said, resumed_said)] == [once, once, once]
    whole, stopped = (load_checkpoint(tmp_path / name).supernet.state_dict() for name in ("whole", "stopped"))
    assert all(torch.equal(tensor, whole[name]) for name, tensor in stopped.items())
