"""Training as a whole: it learns, it reports, and it stops before it spoils anything."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from pliant import DataError, RecipeError, TrainingError
from pliant.training.checkpoints.checkpoint import load_checkpoint
from pliant.training.checkpoints.folders import steps
from pliant.training.loop import train
from pliant.training.prepare import choose_device, pretrained_path
from pliant.training.progress import Pace, Silent, StepReport

from .tiny import tiny_recipe


class Watcher(Silent):
    def __init__(self) -> None:
        self.reports: list[StepReport] = []
        self.rows: list[tuple[int, list[dict[str, Any]]]] = []
        self.begun: list[tuple[int, int]] = []

    def started(self, step: int, steps: int) -> None:
        self.begun.append((step, steps))

    def step(self, report: StepReport) -> None:
        self.reports.append(report)

    def quality(self, step: int, rows: list[dict[str, Any]]) -> None:
        self.rows.append((step, rows))


def test_training_learns_and_says_so(tmp_path: Path) -> None:
    watcher = Watcher()
    recipe = tiny_recipe("training.epochs=8", "training.lr=0.004", "training.validate_every=3")
    result = train(recipe, tmp_path, progress=watcher)
    assert watcher.begun == [(0, 48)]
    assert [report.step for report in watcher.reports] == list(range(1, 49))
    first, last = (sum(report.total for report in part) / 6 for part in (watcher.reports[:6], watcher.reports[-6:]))
    assert last < 0.9 * first
    assert all(report.images_per_second > 0 for report in watcher.reports)
    assert watcher.reports[-1].seconds_left == 0.0
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert all(line["gradient_norm"] > 0 for line in lines if line["kind"] == "step")
    assert [step for step, _ in watcher.rows] == [18, 36, 48]
    assert len(watcher.rows[0][1]) == 2
    assert result.quality == watcher.rows[-1][1] == load_checkpoint(tmp_path).metrics["quality"]
    assert set(result.quality[0]["quality"]) == {"segmentation", "depth", "normals", "edges"}


def test_a_loss_that_explodes_stops_and_keeps_the_last_good_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = torch.nn.functional.interpolate

    class Saboteur(Silent):
        """Ruins every output after step 5."""

        def step(self, report: StepReport) -> None:
            if report.step == 5:
                monkeypatch.setattr(torch.nn.functional, "interpolate", lambda *a, **b: whole(*a, **b) * float("nan"))

    with pytest.raises(TrainingError, match=r"step 5: the loss of '\w+' is nan in the subnet widest"):
        train(tiny_recipe(), tmp_path, progress=Saboteur())
    monkeypatch.undo()
    checkpoint = load_checkpoint(tmp_path)
    assert checkpoint.step == 4
    assert all(bool(tensor.isfinite().all()) for tensor in checkpoint.supernet.parameters())


def test_weights_that_a_step_ruined_are_not_saved(tmp_path: Path) -> None:
    huge = ("training.lr=1e30", "training.losses.depth=1e12", "training.clip=null", "training.warmup=0")
    settings = (*huge, "training.optimizer=sgd", "training.checkpoint_every=1")
    with pytest.raises(TrainingError, match="step 0 left weights that are not finite"):
        train(tiny_recipe(*settings), tmp_path)
    assert steps(tmp_path) == []


def test_the_pace_counts_the_images_there_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[int] = []

    class Told(Pace):
        def __init__(self, images: int):
            told.append(images)
            super().__init__(images)

    monkeypatch.setattr("pliant.training.loop.Pace", Told)
    result = train(tiny_recipe("data.counts.train=3", "training.batch_size=64", "training.epochs=3"), tmp_path)
    assert result.images_per_second * result.seconds == pytest.approx(9)
    assert told == [3]


@pytest.mark.parametrize(
    "settings", [("training.batch_size=1",), ("data.counts={train: 1, validation: 1}",)], ids=["batch", "data"]
)
def test_a_batch_too_small_for_batch_norm_is_refused(settings: tuple[str, ...], tmp_path: Path) -> None:
    with pytest.raises(
        RecipeError, match=r"a batch of 1 leaves .* one value a channel.*: raise training\.batch_size .* or data\.size"
    ):
        train(tiny_recipe("data.size=[8, 8]", *settings), tmp_path)


def test_a_batch_of_one_picture_that_is_large_enough_is_trained_on(tmp_path: Path) -> None:
    assert train(tiny_recipe("training.batch_size=1", "training.epochs=1"), tmp_path).steps == 24


def test_a_stage_that_the_encoder_has_not_is_named(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"stages names the stage 9; resnet10 has stages 0 to 3"):
        train(tiny_recipe("training.distillation.stages=[0, 9]"), tmp_path)


def test_a_task_that_the_data_has_not_is_named(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="'dept', which the data has not; did you mean 'depth'"):
        train(tiny_recipe("training.losses.dept=2"), tmp_path)
    with pytest.raises(RecipeError, match=r"search\.preferences names the task 'sound'"):
        train(tiny_recipe("search.preferences=[{sound: 2}]"), tmp_path)


def test_chosen_tasks_are_trained_alone(tmp_path: Path) -> None:
    result = train(tiny_recipe("data.tasks=[depth]", "training.epochs=1"), tmp_path)
    assert set(result.quality[0]["quality"]) == {"depth"}


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there_is_named() -> None:
    with pytest.raises(TrainingError, match="torch finds no GPU"):
        choose_device("cuda")
    assert choose_device("auto").type == "cpu"


def test_pretrained_weights_are_looked_for_in_the_data_folder(tmp_path: Path) -> None:
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "a.npz").write_bytes(b"")
    assert pretrained_path(Path("weights/a.npz"), tmp_path) == tmp_path / "weights" / "a.npz"
    assert pretrained_path(tmp_path / "b.npz", None) == tmp_path / "b.npz"
    with pytest.raises(DataError, match=r"weights/b\.npz"):
        pretrained_path(Path("weights/b.npz"), tmp_path)


def test_the_first_share_of_steps_trains_the_widest_alone(tmp_path: Path) -> None:
    watcher = Watcher()
    train(tiny_recipe("training.full_width=0.5", "training.epochs=2"), tmp_path, progress=watcher)
    taught = [report.distillation > 0 for report in watcher.reports]
    assert taught == [False] * 6 + [True] * 6


def test_teaching_starts_at_its_share_of_the_steps(tmp_path: Path) -> None:
    watcher = Watcher()
    part = "{weight: 1, start: 0.5}"
    settings = (f"training.distillation={part}", f"training.soft_labels={part}", "training.full_width=0")
    train(tiny_recipe(*settings, "training.epochs=2"), tmp_path, progress=watcher)
    for name in ("distillation", "soft_labels"):
        assert [getattr(report, name) > 0 for report in watcher.reports] == [False] * 6 + [True] * 6
