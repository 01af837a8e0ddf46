"""NYUD-v2 and PASCAL-Context as other people's repositories lay them out, on small made files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pliant.devices.errors import DataError
from pliant.training.data import open_data
from pliant.training.data.batches import collate

from . import layouts

HALF = layouts.SIZE[1] // 2
MAKE: dict[str, Callable[[Path], Path]] = {"nyudv2": layouts.nyud, "pascal-context": layouts.pascal}


@pytest.mark.parametrize("matlab_files", [False, True])
def test_nyud_labels_mean_the_same_in_both_kinds_of_files(matlab_files: bool, tmp_path: Path) -> None:
    layouts.nyud(tmp_path, matlab_files=matlab_files)
    data = open_data("nyudv2", "train", root=tmp_path)
    assert [task.name for task in data.tasks] == ["segmentation", "depth", "normals", "edges"]
    assert len(data.tasks[0].classes) == 40
    sample = data[3]
    assert abs(int(sample.image[5, 5, 0]) - 30) <= 2
    assert np.unique(sample.targets["segmentation"][:, :HALF]).tolist() == [0]
    assert np.unique(sample.targets["segmentation"][:, HALF:]).tolist() == [255]
    assert np.unique(sample.targets["depth"]).tolist() == [2.0, 4.0]
    assert sample.targets["depth"].dtype == np.float32
    # A compressed colour is not exact, and grey is no direction.
    assert np.abs(sample.targets["normals"][:, : HALF - 8] - (1, 0, 0)).max() < 0.1
    assert np.abs(sample.targets["normals"][:, HALF + 8 :]).max() == 0
    assert sample.targets["edges"].sum() == layouts.SIZE[0]
    assert sample.targets["edges"][:, HALF].all()


def test_pascal_labels_are_joined_and_derived(tmp_path: Path) -> None:
    layouts.pascal(tmp_path)
    data = open_data("pascal-context", "train", root=tmp_path)
    assert [(task.name, len(task.classes)) for task in data.tasks] == [
        ("segmentation", 21),
        ("human_parts", 7),
        ("normals", 0),
        ("saliency", 2),
        ("edges", 0),
    ]
    targets = data[0].targets
    assert np.array_equal(targets["segmentation"], layouts.halves(15, 12))
    assert np.array_equal(targets["human_parts"], layouts.halves(1, 4))
    assert np.array_equal(targets["saliency"], layouts.halves(1, 0))
    assert np.abs(targets["normals"][:, :HALF] - (1, 0, 0)).max() < 0.01
    assert np.abs(targets["normals"][:, HALF:]).max() == 0
    assert np.flatnonzero(targets["edges"].any(0)).tolist() == [HALF - 1]
    # Where no person's parts are drawn, nothing is known of them: the task is not labelled.
    assert "human_parts" not in data[1].targets
    batch = collate([data[0], data[1]], data.tasks)
    assert (batch.targets["human_parts"][1] == 255).all()
    assert (batch.targets["human_parts"][0] < 7).all()


@pytest.mark.parametrize("name", MAKE)
def test_validation_is_held_out_of_the_training_list(name: str, tmp_path: Path) -> None:
    MAKE[name](tmp_path)
    found = {split: open_data(name, split, root=tmp_path) for split in ("train", "validation", "test")}
    assert {split: len(data) for split, data in found.items()} == {"train": 9, "validation": 1, "test": 3}
    assert abs(int(found["validation"][0].image[0, 0, 0]) - 90) <= 2
    assert abs(int(found["test"][0].image[0, 0, 0]) - 100) <= 2
    few = open_data(name, "train", root=tmp_path / MAKE[name](tmp_path).name, count=3, size=(16, 24), tasks=("edges",))
    assert len(few) == 3
    assert few[0].image.shape == (16, 24, 3)
    assert {task: target.shape for task, target in few[0].targets.items()} == {"edges": (16, 24)}
    assert few[0].targets["edges"].any()


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("nyudv2", "depth/000004.npy"),
        ("nyudv2", "edge/000000.npy"),
        ("pascal-context", "human_parts/2008_000003.mat"),
        ("pascal-context", "sal_distill/2008_000000.png"),
    ],
)
def test_a_label_that_is_not_there_is_named_before_training(name: str, file: str, tmp_path: Path) -> None:
    folder = MAKE[name](tmp_path)
    (folder / file).unlink()
    with pytest.raises(DataError, match=f"{file} is not there: `pliant data check {name}`"):
        open_data(name, "train", root=tmp_path)
    rest = tuple(task.name for task in open_data(name, "test", root=tmp_path).tasks if task.name[:3] not in file)
    assert len(rest) > 2


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("nyudv2", "images/000000.jpg"),
        ("nyudv2", "segmentation/000000.png"),
        ("nyudv2", "depth/000000.npy"),
        ("pascal-context", "human_parts/2008_000000.mat"),
        ("pascal-context", "pascal-context/trainval/2008_000000.mat"),
        ("pascal-context", "normals_distill/2008_000000.png"),
    ],
)
@pytest.mark.parametrize("part", [0.0, 0.4, 0.7])
def test_a_truncated_file_is_named(name: str, file: str, part: float, tmp_path: Path) -> None:
    folder = MAKE[name](tmp_path)
    whole = (folder / file).read_bytes()
    (folder / file).write_bytes(whole[: int(len(whole) * part)])
    data = open_data(name, "train", root=tmp_path, size=(16, 24))
    with pytest.raises(DataError, match=f"{file} cannot be read") as caught:
        data[0]
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", MAKE)
def test_flipped_bytes_are_never_a_traceback(name: str, tmp_path: Path) -> None:
    folder = MAKE[name](tmp_path)
    chance, refused = np.random.default_rng(0), 0
    for file in sorted(file for file in folder.rglob("*000000.*")):
        content = file.read_bytes()
        for _ in range(25):
            changed = bytearray(content)
            changed[chance.integers(len(content))] ^= 1 << chance.integers(8)
            file.write_bytes(changed)
            try:
                open_data(name, "train", root=tmp_path, size=(16, 24))[0]
            except DataError as error:
                assert "\n" not in str(error)  # noqa: PT017
                refused += 1
        file.write_bytes(content)
    assert refused > 15


def test_pickles_in_labels_are_refused(tmp_path: Path) -> None:
    folder = layouts.nyud(tmp_path)
    np.save(folder / "depth" / "000000.npy", np.array([{"code": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(DataError, match=r"000000\.npy cannot be read"):
        open_data("nyudv2", "train", root=tmp_path)[0]


def test_what_cannot_be_a_label_is_named(tmp_path: Path) -> None:
    folder = layouts.nyud(tmp_path)
    layouts.picture(folder / "segmentation" / "000000.png", layouts.halves(1, 41))
    layouts.array(folder / "depth" / "000001.npy", layouts.halves(2000, 4000, np.float32))
    layouts.array(folder / "normals" / "000002.npy", layouts.halves((3.0, 0, 0), (0, 0, 0), np.float32))
    layouts.array(folder / "edge" / "000003.npy", layouts.halves(0, 1, size=(20, 50)))
    layouts.picture(folder / "images" / "000004.jpg", layouts.flat(0, (40, 60)))
    data = open_data("nyudv2", "train", root=tmp_path)
    for index, said in enumerate(
        ("has the class 41", "up to 4000 metres", "longer than 1.5", "is 20x50, its picture 20x30 ", "say data.size")
    ):
        with pytest.raises(DataError, match=said) as caught:
            data[index]
        assert f"00000{index}." in str(caught.value)
    assert open_data("nyudv2", "train", root=tmp_path, size=(20, 30))[4].targets["depth"].shape == (20, 30)


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (b"", "names no sample"),
        (b"a\nb\na\n", "'a' in line 1 and in line 3"),
        (b"../a\n", "leads out"),
        (b"/etc/a\n", "leads out"),
        (b"\xff\xfe\n", "not text"),
        (b"one\ntwo\n", "too few"),
    ],
)
def test_lists_that_cannot_be_are_named(lines: bytes, said: str, tmp_path: Path) -> None:
    (layouts.nyud(tmp_path) / "gt_sets" / "train.txt").write_bytes(lines)
    with pytest.raises(DataError, match=said):
        open_data("nyudv2", "train", root=tmp_path)


@pytest.mark.parametrize(("name", "folder"), [("nyudv2", "NYUD_MT"), ("pascal-context", "PASCAL_MT")])
def test_a_folder_that_is_not_there_is_named(name: str, folder: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=f"no folder {folder} with .* looked in .*docs/data.md"):
        open_data(name, "train", root=tmp_path)
