"""A user's own data: each sample is looked at as it is read, and what is wrong is one line that says what to do."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from pliant import DataError
from pliant.runtime.format.tasks import Task
from pliant.training.data.augment import Augment
from pliant.training.data.batches import epoch_batches
from pliant.training.data.sample import Sample
from pliant.training.data.values import Checked

from ..several import TASKS, Rooms

IMAGE = np.full((4, 6, 3), 200, np.uint8)


class One:
    """A data set of one sample."""

    name = "mine"
    tasks: tuple[Task, ...] = TASKS

    def __init__(self, sample: Any):
        self.sample = sample

    def __len__(self) -> int:
        return 1

    def __getitem__(self, index: int) -> Any:
        return self.sample


@pytest.mark.parametrize(
    ("image", "said"),
    [
        (IMAGE / 255.0, r"its image is float64 of the shape \(4, 6, 3\): give uint8 RGB from 0 to 255"),
        (np.full((4, 6, 4), 200, np.uint8), r"uint8 of the shape \(4, 6, 4\): give uint8 RGB"),
        (IMAGE[..., 0], r"uint8 of the shape \(4, 6\): give uint8 RGB"),
        (IMAGE.tolist(), "its image is a list: give uint8 RGB"),
    ],
)
def test_an_image_of_another_kind_is_refused(image: Any, said: str) -> None:
    with pytest.raises(DataError, match=f"mine: sample 0: .*{said}"):
        Checked(One(Sample(image, {})))[0]


@pytest.mark.parametrize(
    ("task", "target", "said"),
    [
        ("segmentation", np.full((4, 6), 7, np.uint8), "has the class 7, but classes are 0 to 2: .* or 255 where"),
        ("segmentation", np.full((4, 6), -1), "has the class -1, but classes are 0 to 2: .* or 255 where"),
        ("segmentation", np.zeros((4, 6)), r"is float64 of the shape \(4, 6\): give numbers of classes as integers"),
        ("segmentation", np.zeros((6, 4), np.uint8), r"has the shape \(6, 4\), its image asks for \(4, 6\)"),
        ("room", np.array(2), "has the class 2, but classes are 0 to 1: give a class, or -1 where"),
        ("room", 1, "is a int: give a numpy array"),
        ("room", np.array([1]), r"has the shape \(1,\), its image asks for \(\)"),
        ("depth", np.full((4, 6), np.nan, np.float32), "has values that are not finite: give metres, or 0"),
        ("depth", np.full((4, 6), -1.0), "has negative values: give metres, or 0"),
        ("normals", np.ones((4, 6, 3), np.float32), "has vectors that are not of length one: give unit vectors"),
        ("normals", np.zeros((4, 6, 3), np.uint8), r"is uint8 of the shape \(4, 6, 3\): give unit vectors as float32"),
        ("normals", np.zeros((4, 6, 3), bool), r"is bool of the shape \(4, 6, 3\): give unit vectors as float32"),
        ("edges", np.full((4, 6), 3, np.uint8), "has values other than 0, 1 and 255: give 0 or 1, or 255"),
        ("edges", np.ones((4, 6), bool), r"is bool of the shape \(4, 6\), which cannot hold 255, .*: give uint8"),
        ("rooms", np.array(1), "but the tasks are segmentation, depth, normals, edges, room: leave it out"),
    ],
)
def test_a_target_that_its_task_cannot_have_is_refused(task: str, target: Any, said: str) -> None:
    with pytest.raises(DataError, match=f"mine: sample 0: .*{task!r}.*{said}") as caught:
        Checked(One(Sample(IMAGE, {task: target})))[0]
    assert "\n" not in str(caught.value)


def test_what_is_no_sample_is_refused() -> None:
    with pytest.raises(
        DataError, match=r"mine: sample 0: it is a tuple: give a pliant\.training\.data\.sample\.Sample"
    ):
        Checked(One((IMAGE, {})))[0]


@pytest.mark.parametrize(("targets", "said"), [(None, "NoneType"), ([1], "list")])
def test_targets_that_are_no_table_are_refused(targets: Any, said: str) -> None:
    with pytest.raises(DataError, match=f"mine: sample 0: its targets are a {said}: give a dict of arrays by task"):
        Checked(One(Sample(IMAGE, targets)))[0]


def test_right_samples_pass_as_they_are() -> None:
    data, checked = Rooms(9, 0), Checked(Rooms(9, 0))
    assert (checked.name, checked.tasks, len(checked)) == (data.name, data.tasks, 9)
    for index in range(9):
        ours, theirs = checked[index], data[index]
        assert np.array_equal(ours.image, theirs.image)
        assert ours.targets.keys() == theirs.targets.keys()
        assert all(np.array_equal(ours.targets[name], target) for name, target in theirs.targets.items())


@pytest.mark.parametrize("kind", ["int16", "int32", "int64", "uint16", "float16", "float64"])
def test_what_passes_can_be_changed_at_random_and_batched(kind: str) -> None:
    """Other types than those of built-in data: none of them ends in an error of a library."""
    room = Rooms(2, 0)[1]
    fit = {"segmentation", "edges"} if np.dtype(kind).kind in "iu" else {"depth", "normals"}
    targets = {name: target.astype(kind) for name, target in room.targets.items() if name in fit}
    data = Checked(One(replace(room, image=np.zeros((64, 96, 3), np.uint8), targets=_enlarged(targets, room))))
    (batch,) = epoch_batches(data, 1, 0, 0, Augment())
    assert set(batch.targets) == {task.name for task in TASKS}


def _enlarged(targets: dict[str, Any], room: Sample) -> dict[str, Any]:
    """To a size of which crops are enlarged; no target is left without."""
    assert targets
    times = 64 // room.image.shape[0]
    return {name: target.repeat(times, 0).repeat(times, 1) for name, target in targets.items()}
