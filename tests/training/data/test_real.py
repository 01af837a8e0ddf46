"""Readers of real data: on small files of the same form, and on the real ones where they are."""

from pathlib import Path

import numpy as np
import pytest

from pliant.devices.errors import DataError
from pliant.training.data import open_data
from pliant.training.data.batches import collate, epoch_batches

from .archives import MAKE, NAMES, camvid, cifar, kitchen, real_root


def test_red_kitchen_labels_are_decoded(tmp_path: Path) -> None:
    path = kitchen(tmp_path)
    data = open_data("redkitchen", "train", root=tmp_path)
    stored = np.load(path)
    assert [task.name for task in data.tasks] == ["depth", "normals", "surfaces", "edges"]
    assert len(data) == 3
    for index, place in enumerate([0, 2, 4]):
        sample = data[index]
        assert abs(int(sample.image[60, 80, 0]) - (20 + 10 * place)) <= 1
        assert np.allclose(sample.targets["depth"], stored["depth_mm"][place] / 1000.0, atol=1e-6)
        assert np.array_equal(sample.targets["surfaces"], stored["geo"][place])
        assert np.array_equal(sample.targets["edges"], stored["occ_edge"][place])
        normals, coded = sample.targets["normals"], stored["normal"][place].astype(float)
        length = np.linalg.norm(coded, axis=-1, keepdims=True)
        assert np.allclose(normals, np.where(length > 0, coded / np.maximum(length, 1), 0), atol=1e-6)
    assert [len(open_data("redkitchen", split, root=tmp_path)) for split in ("validation", "test", "other")] == [1] * 3


def test_camvid_ignores_what_has_no_class(tmp_path: Path) -> None:
    path = camvid(tmp_path)
    data = open_data("camvid", "validation", root=tmp_path)
    seg = np.load(path)["val_seg"]
    target = data[1].targets["segmentation"]
    assert (target == 255).sum() == (seg[1] == 11).sum() > 0
    assert np.array_equal(target[target != 255], seg[1][seg[1] != 11])
    assert len(data.tasks[0].classes) == len(data.tasks[0].colors) == 11


def test_cifar_is_one_task_a_sample(tmp_path: Path) -> None:
    cifar(tmp_path)
    data = open_data("cifar100-mtl", "test", root=tmp_path)
    assert len(data.tasks) == 20
    assert data.tasks[1].classes == ("fine1", "fine21", "fine41", "fine61", "fine81")
    assert {name: int(v) for name, v in data[1].targets.items()} == {"group1": 4}
    batch = collate([data[0], data[1]], data.tasks)
    assert batch.targets["group1"].tolist() == [-1, 4]
    assert batch.targets["group7"].tolist() == [-1, -1]
    few = open_data("cifar100-mtl", "test", root=tmp_path, tasks=("group0", "group5"))
    assert [next(iter(few[i].targets)) for i in range(len(few))] == ["group0", "group0", "group0", "group5"]
    assert [int(few[i].image[0, 0, 0]) for i in range(len(few))] == [20, 40, 70, 80]
    assert len(open_data("cifar100-mtl", "test", root=tmp_path, count=2, tasks=("group1",))) == 2


@pytest.mark.parametrize("name", NAMES)
def test_size_tasks_and_count_are_followed(name: str, tmp_path: Path) -> None:
    MAKE[name](tmp_path)
    data = open_data(name, "test", root=tmp_path, size=(48, 40), count=1)
    assert len(data) == 1
    sample = data[0]
    assert sample.image.shape == (48, 40, 3)
    for task in data.tasks:
        if task.name in sample.targets and task.kind != "classification":
            assert sample.targets[task.name].shape[:2] == (48, 40)
    with pytest.raises(DataError, match="ask for 1 to"):
        open_data(name, "test", root=tmp_path, count=10_000_000)
    with pytest.raises(DataError, match="choose from"):
        open_data(name, "test", root=tmp_path, tasks=("nothing",))
    with pytest.raises(DataError, match="choose from train, validation, test"):
        open_data(name, "tset", root=tmp_path)
    with pytest.raises(IndexError):
        data[1]


@pytest.mark.parametrize(
    ("name", "counts"),
    [("redkitchen", (340, 40, 100)), ("camvid", (367, 101, 233)), ("cifar100-mtl", (45000, 5000, 10000))],
)
def test_real_splits_have_the_stated_sizes_and_encodings(name: str, counts: tuple[int, int, int]) -> None:
    root = real_root(name)
    for split, count in zip(("train", "validation", "test"), counts, strict=True):
        data = open_data(name, split, root=root)
        assert len(data) == count
        batch = next(epoch_batches(data, 4, 0, 0))
        for task in data.tasks:
            target = batch.targets[task.name].numpy()
            if task.kind in ("segmentation", "classification"):
                known = target[(target != 255) & (target != -1)]
                assert known.size == 0 or 0 <= known.min() <= known.max() < len(task.classes)
            elif task.kind == "normals":
                length = np.linalg.norm(target, axis=-1)
                assert np.all((np.abs(length - 1) < 1e-3) | (length == 0))
            elif task.kind == "depth":
                assert task.value_range[0] / 1.5 < target[target > 0].min()
                assert target.max() < task.value_range[1]
            else:
                assert set(np.unique(target)) <= {0.0, 1.0}


def test_real_cifar_tasks_are_the_superclasses() -> None:
    data = open_data("cifar100-mtl", "test", root=real_root("cifar100-mtl"), count=2000)
    tasks = {task.name: task.classes for task in data.tasks}
    assert tasks["fish"] == ("aquarium_fish", "flatfish", "ray", "shark", "trout")
    counts = [next(iter(data[index].targets)) for index in range(2000)]
    assert all(counts.count(name) == 100 for name in tasks)
