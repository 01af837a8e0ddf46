"""Data sets that a user passes from Python, and what of the data a resumed training may change."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pliant import CheckpointError, DataError, RecipeError
from pliant.runtime.format.tasks import Task
from pliant.training.checkpoints.resume import binding
from pliant.training.data.sample import Sample
from pliant.training.loop import train
from pliant.training.prepare import TrainingData
from pliant.training.recipe.recipe import Recipe

from .several import TASKS, Rooms, recipe_of


class Fewer(Rooms):
    tasks = TASKS[:2]

    def __getitem__(self, index: int) -> Sample:
        sample = super().__getitem__(index)
        names = [task.name for task in self.tasks]
        return replace(sample, targets={name: each for name, each in sample.targets.items() if name in names})


def test_a_data_set_of_ones_own_is_trained_on(tmp_path: Path) -> None:
    data = TrainingData(Rooms(10, 0), Rooms(4, 1))
    result = train(recipe_of(["training.epochs=1"]), tmp_path, data=data)
    assert result.steps == 2
    assert set(result.quality[0]["quality"]) == {task.name for task in TASKS}


def test_splits_of_different_tasks_and_empty_ones_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="rooms: train and validation must have the same tasks"):
        train(recipe_of([]), tmp_path, data=TrainingData(Rooms(10, 0), Fewer(4, 1)))
    with pytest.raises(DataError, match="rooms needs a task, and an image in each split"):
        train(recipe_of([]), tmp_path, data=TrainingData(Rooms(10, 0), Rooms(0, 1)))
    with pytest.raises(RecipeError, match="which the data has not; did you mean 'room'"):
        train(recipe_of(["training.losses.rom=2"]), tmp_path, data=TrainingData(Rooms(10, 0), Rooms(4, 1)))


def test_pictures_of_another_size_are_refused(tmp_path: Path) -> None:
    class Larger(Rooms):
        def __getitem__(self, index: int) -> Sample:
            sample = super().__getitem__(index)
            return Sample(np.repeat(sample.image, 2, axis=0), {})

    with pytest.raises(DataError, match="pictures to train on are 16x24, those to validate on 32x24: set data"):
        train(recipe_of([]), tmp_path, data=TrainingData(Rooms(10, 0), Larger(4, 1)))


@pytest.mark.parametrize("name", ["total", "distillation", "soft labels", "ci-kd", "training", "_modules"])
def test_a_task_called_like_another_loss_is_refused(name: str, tmp_path: Path) -> None:
    """Its own loss would vanish from the log."""

    class Named(Rooms):
        tasks = (replace(TASKS[1], name=name),)

    with pytest.raises(RecipeError, match=f"a task cannot be called '{name}': give it another name"):
        train(recipe_of([]), tmp_path, data=TrainingData(Named(10, 0), Named(4, 1)))


@pytest.mark.parametrize(
    ("task", "said"),
    [
        (Task("d", "depth"), r"has the value_range \(0.0, 1.0\): give \(nearest, farthest\) in metres"),
        (
            Task("d", "depth", value_range=(8.0, 0.5)),
            r"has the value_range \(.*\): give \(nearest, farthest\) in metres",
        ),
        (
            Task("d", "depth", value_range=(0.5, float("inf"))),
            r"has the value_range \(.*\): give \(nearest, farthest\) in metres",
        ),
        (Task("s", "segmentation", tuple(map(str, range(256)))), "has 256 classes: give 255 at most"),
        (Task("s", "segmentation"), "needs names of its classes, each once"),
        (Task("c", "classification", ("a", "b", "a")), "needs names of its classes, each once"),
        (Task("d", "dpth"), "is of the kind 'dpth': give segmentation, depth"),  # type: ignore[arg-type]
    ],
)
def test_a_task_that_cannot_be_answered_is_refused(task: Task, said: str, tmp_path: Path) -> None:
    class Only(Rooms):
        tasks = (task,)

    with pytest.raises(DataError, match=f"rooms: the task '{task.name}' {said}"):
        train(recipe_of([]), tmp_path, data=TrainingData(Only(10, 0), Only(4, 1)))


@pytest.mark.parametrize(
    ("tasks", "said"),
    [
        (("depth",), r"one of its tasks is a str: give a pliant\.runtime\.format\.tasks\.Task"),
        ((*TASKS, None), "one of its tasks is a NoneType: give a"),
        ((*TASKS, replace(TASKS[1], name=TASKS[0].name)), "two of its tasks are called 'segmentation': give one"),
    ],
)
def test_tasks_that_are_none_or_of_one_name_are_refused(tasks: tuple[Task, ...], said: str, tmp_path: Path) -> None:
    """Of two decoders of one name the first would be lost."""

    class Odd(Rooms):
        pass

    Odd.tasks = tasks
    with pytest.raises(DataError, match=f"rooms: {said}"):
        train(recipe_of([]), tmp_path, data=TrainingData(Odd(10, 0), Odd(4, 1)))


def test_a_wrong_sample_of_ones_own_ends_the_training_with_its_index(tmp_path: Path) -> None:
    """Pictures in 0..1 would be trained on as black ones; a class too many would be an IndexError of torch."""

    class Floats(Rooms):
        def __getitem__(self, index: int) -> Sample:
            sample = super().__getitem__(index)
            return replace(sample, image=(sample.image / 255).astype(np.float32))

    class OneTooMany(Rooms):
        def __getitem__(self, index: int) -> Sample:
            sample = super().__getitem__(index)
            return replace(sample, targets={"segmentation": np.full((16, 24), 3)}) if index == 3 else sample

    with pytest.raises(DataError, match=r"rooms: sample 0: its image is float32 .* give uint8 RGB from 0 to 255"):
        train(recipe_of([]), tmp_path, data=TrainingData(Floats(10, 0), Rooms(4, 1)))
    with pytest.raises(DataError, match="rooms: sample 3: its target of 'segmentation' has the class 3"):
        train(recipe_of([]), tmp_path, data=TrainingData(OneTooMany(10, 0), Rooms(4, 1)))
    with pytest.raises(DataError, match="rooms: sample 3: its target of 'segmentation' has the class 3"):
        train(recipe_of(["training.epochs=1"]), tmp_path / "b", data=TrainingData(Rooms(10, 0), OneTooMany(4, 1)))


def test_other_data_are_refused_when_a_training_goes_on(tmp_path: Path) -> None:
    """Labels that mean something else now would be trained on without a word, and shipped under their old names."""

    class Renamed(Rooms):
        tasks = (replace(TASKS[0], classes=TASKS[0].classes[::-1]), *TASKS[1:])

    recipe = recipe_of(["training.epochs=1"])
    train(recipe, tmp_path, data=TrainingData(Rooms(10, 0), Rooms(4, 1)))
    newer = tmp_path / "checkpoints" / "step-000003"
    newer.mkdir()
    others = {
        r"the task 'segmentation' of segmentation \(.*\); it is of segmentation \(.*\) now: give it": Renamed(10, 0),
        r"the task 'normals' of normals .*; it is absent now: give it": Fewer(10, 0),
        r"10 training images, now 15: give it the data that it had, or choose another folder": Rooms(15, 0),
    }
    for said, other in others.items():
        kept = type(other)(4, 1)
        with pytest.raises(CheckpointError, match=f"was started with {said}"):
            train(recipe, tmp_path, resume=True, data=TrainingData(other, kept))
        assert newer.exists(), "a damaged checkpoint can still be mended after a training that is refused"

    class Recoloured(Rooms):
        tasks = (replace(TASKS[0], colors=TASKS[0].colors[::-1]), *TASKS[1:])

    assert Recoloured.tasks != Rooms.tasks
    for train_on, kept in ((Rooms(10, 0), Rooms(3, 1)), (Recoloured(10, 0), Recoloured(4, 1))):
        assert train(recipe, tmp_path, resume=True, data=TrainingData(train_on, kept)).resumed_from == 2


def test_where_the_data_lies_does_not_bind() -> None:
    def mixture(root: str, seed: int = 0) -> Recipe:
        of = [{"name": "camvid", "root": root}, {"name": "scenes", "seed": seed}]
        return Recipe.from_json({"data": {"name": "mixture", "root": root, "of": of}})

    assert binding(mixture("/one")) == binding(mixture("/other"))
    assert binding(mixture("/one")) != binding(mixture("/one", seed=1))
