"""Checking data: every fault of every file is one line, and nothing else is a fault."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pliant.devices.errors import DataError
from pliant.runtime.format.tasks import Task
from pliant.training.checking import check
from pliant.training.data import check as checking
from pliant.training.data import cifar100, cifar_files
from pliant.training.data.check import Found
from pliant.training.data.nyud import TASKS
from pliant.training.data.values import wrong_values

from . import layouts
from .archives import camvid, cifar, kitchen


@pytest.mark.parametrize(("name", "make"), [("nyudv2", layouts.nyud), ("pascal-context", layouts.pascal)])
def test_a_whole_data_set_has_no_faults(name: str, make, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    folder = make(tmp_path)
    steps: list[tuple[str, int, int]] = []
    found = check(name, tmp_path, lambda what, done, total: steps.append((what, done, total)))
    assert (found.ok, found.faults, found.count) == (True, [], 0)
    assert [(row.split, row.samples) for row in found.splits] == [("train", 9), ("validation", 1), ("test", 3)]
    train = found.splits[0].labelled
    assert train["edges"] == 9
    # Every second picture of PASCAL has no person's parts, which is no fault.
    assert train.get("human_parts", 5) == 5
    assert steps[-1] == (f"checking {name} test", 3, 3)
    assert len(steps) == 13
    # The folder alone tells what it is.
    assert check(str(folder)).ok


def test_every_damaged_missing_and_wrong_file_of_nyud_is_named(tmp_path: Path) -> None:
    folder = layouts.nyud(tmp_path)
    (folder / "images" / "000001.jpg").unlink()
    (folder / "depth" / "000002.npy").unlink()
    whole = (folder / "edge" / "000003.npy").read_bytes()
    (folder / "edge" / "000003.npy").write_bytes(whole[:-9])
    layouts.picture(folder / "segmentation" / "000004.png", layouts.halves(0, 41))
    layouts.array(folder / "normals" / "000009.npy", np.zeros((30, 20, 3), np.float32))
    layouts.picture(folder / "images" / "000011.jpg", layouts.flat(0, (40, 60)))
    (folder / "images" / "000012.jpg").write_bytes(b"not a picture")
    found = check("nyudv2", tmp_path)
    assert found.count == len(found.faults) == 6
    expected = {
        "images/000001.jpg": "is not there",
        "depth/000002.npy": "is not there",
        "edge/000003.npy": "cannot be read",
        "segmentation/000004.png": "has the class 41",
        "normals/000009.npy": "is 30x20, its picture 20x30 (height x width)",
        "images/000012.jpg": "cannot be read",
    }
    for line, (file, said) in zip(found.faults, expected.items(), strict=True):
        assert line.startswith(f"{folder / file} {said}")
        assert "\n" not in line
    assert found.splits[0].labelled == {"segmentation": 7, "depth": 7, "normals": 8, "edges": 7}


def test_pictures_of_several_sizes_are_a_fault_of_a_recipe_without_a_size(tmp_path: Path) -> None:
    folder = layouts.nyud(tmp_path)
    layouts.picture(folder / "images" / "000008.jpg", layouts.flat(0, (40, 60)))
    recipe = tmp_path / "mine.yaml"
    recipe.write_text(f"data: {{name: nyudv2, root: {tmp_path}}}\n")
    found = check(str(recipe))
    assert found.faults == [
        "the pictures of nyudv2 have several sizes (9 of 20x30, 1 of 40x60): say data.size, and all are brought to it"
    ]
    recipe.write_text(f"data: {{name: nyudv2, root: {tmp_path}, size: [20, 30]}}\n")
    assert check(str(recipe)).ok
    assert check("nyudv2", tmp_path).ok


def test_a_recipe_is_checked_as_far_as_it_uses_the_data(tmp_path: Path) -> None:
    folder = layouts.nyud(tmp_path)
    (folder / "depth" / "000002.npy").unlink()
    mine = layouts.folder(tmp_path)
    recipe = tmp_path / "mine.yaml"
    recipe.write_text(
        f"data:\n  name: mixture\n  size: [20, 30]\n  of:\n"
        f"    - {{name: nyudv2, root: {tmp_path}, tasks: [edges], counts: {{train: 3}}}}\n"
        f"    - {{name: folder, root: {mine}}}\n"
    )
    found = check(str(recipe))
    assert found.ok
    assert [(row.data, row.split, row.samples) for row in found.splits] == [
        ("nyudv2", "train", 3),
        ("nyudv2", "validation", 1),
        ("mine", "train", 4),
        ("mine", "validation", 1),
    ]
    assert found.splits[2].labelled == {"rooms": 4, "depth": 2, "normals": 4, "edges": 4, "scene": 1}
    recipe.write_text(f"data: {{name: nyudv2, root: {tmp_path}, tasks: [sky]}}\n")
    assert check(str(recipe)).faults == ["nyudv2 has no task 'sky': choose from segmentation, depth, normals, edges"]
    recipe.write_text(f"data: {{name: nyudv2, root: {tmp_path}}}\n")
    assert [line.partition(" ")[0] for line in check(str(recipe)).faults] == [str(folder / "depth" / "000002.npy")]


def test_of_a_recipe_no_test_split_is_needed_as_in_a_training(tmp_path: Path) -> None:
    folder, recipe = layouts.nyud(tmp_path), tmp_path / "mine.yaml"
    recipe.write_text(f"data: {{name: nyudv2, root: {tmp_path}}}\n")
    (folder / "depth" / "000011.npy").unlink()
    assert check(str(recipe)).ok
    assert check("nyudv2", tmp_path).count == 1
    (folder / "gt_sets" / "val.txt").unlink()
    assert check(str(recipe)).ok
    assert check(str(folder)).count == 1
    (folder / "depth" / "000009.npy").unlink()
    assert [line.partition(" ")[0] for line in check(str(recipe)).faults] == [str(folder / "depth" / "000009.npy")]


def test_the_root_of_a_check_is_that_of_a_training(tmp_path: Path) -> None:
    for root in ("a", "b"):
        layouts.folder(tmp_path / root).rename(tmp_path / root / "own")
    layouts.nyud(tmp_path / "c")
    recipe = tmp_path / "mine.yaml"
    parts = "".join(
        f"    - {{name: folder, root: {tmp_path / root / 'own'}, tasks: [{task}]}}\n"
        for root, task in (("a", "rooms"), ("b", "edges"))
    )
    recipe.write_text(f"data:\n  name: mixture\n  size: [20, 30]\n  of:\n{parts}    - {{name: nyudv2}}\n")
    (tmp_path / "b" / "own" / "edges" / "day0" / "002.png").write_bytes(b"")
    found = check(str(recipe), tmp_path / "c")
    assert [line.partition(" ")[0] for line in found.faults] == [f"{tmp_path}/b/own/edges/day0/002.png"]
    assert [list(row.labelled) for row in found.splits][::2] == [["rooms"], ["edges"], [task.name for task in TASKS]]
    recipe.write_text(f"data: {{name: nyudv2, root: {tmp_path / 'none'}}}\n")
    assert check(str(recipe), tmp_path / "c").ok


def test_a_mixture_that_cannot_be_trained_is_a_fault_though_each_part_is_well(tmp_path: Path) -> None:
    layouts.nyud(tmp_path)
    mine, recipe = layouts.folder(tmp_path), tmp_path / "mine.yaml"
    named = f"{{name: folder, root: {mine}, rename: {{rooms: segmentation}}}}"
    parts = f"  of:\n    - {{name: nyudv2, root: {tmp_path}}}\n    - {named}\n"
    recipe.write_text(f"data:\n  name: mixture\n  size: [20, 30]\n{parts}")
    (fault,) = check(str(recipe)).faults
    assert fault.startswith("the task 'segmentation' of mine is not that of nyudv2 (another kind or other classes)")


def test_a_folder_is_checked(tmp_path: Path) -> None:
    folder = layouts.folder(tmp_path, 8)
    assert check(str(folder)).ok
    layouts.picture(folder / "rooms" / "day0" / "002.png", layouts.halves(0, 3))
    layouts.picture(folder / "images" / "x.png", layouts.flat(0))
    (folder / "images" / "day1" / "001.jpg").unlink()
    (folder / "validation.txt").write_text("day0/000\nx\n")
    found = check(str(folder))
    assert found.faults == [
        f"{folder}/images/day1/001.jpg is not there (nor as .jpeg, .png, .webp, .bmp, .tif, .tiff): put it there, "
        "or take its line out of the list of the split",
        f"{folder}/rooms/day0/002.png has the class 3, but classes are 0 to 2: correct the file, or say that this "
        "number is ignored",
        f"{folder}: 'x' has no label for any task: put one there or take it out",
        f"{folder}: 'day0/000' is in train and in validation: keep it in one list",
    ]
    (folder / "dataset.yaml").write_text(layouts.FORM.replace("edges/{}", "edge/{}"))
    assert any(
        line.startswith(f"{folder}/edge/day0/000.npy is not there, and 5 more") for line in check(str(folder)).faults
    )
    (folder / "dataset.yaml").write_text(layouts.FORM.replace("kind: edges", "kind: edge"))
    (line,) = check(str(folder)).faults
    assert "line 10" in line


def test_the_projects_own_archives_are_checked_picture_by_picture(tmp_path: Path) -> None:
    for root in ("whole", "wrong", "none"):
        (tmp_path / root).mkdir()
    kitchen(tmp_path / "whole")
    assert check("redkitchen", tmp_path / "whole").ok
    geo = np.zeros((6, 128, 160), np.uint8)
    geo[2, 5, 5] = 9
    kitchen(tmp_path / "wrong", geo=geo)
    assert check("redkitchen", tmp_path / "wrong").faults == [
        "redkitchen: picture 1: surfaces has the class 9, but classes are 0 to 4"
    ]
    jpeg = np.frombuffer(b"not a picture" * 3, np.uint8)
    camvid(tmp_path / "wrong", val_jpeg=jpeg, val_offsets=np.array([0, 13, 26, 39]))
    found = check("camvid", tmp_path / "wrong")
    assert [line.partition(" of ")[0] for line in found.faults] == ["picture 0", "picture 1", "picture 2"]
    for file in cifar_files.FILES:
        cifar(tmp_path / "whole", file)
    missing = check("cifar100-mtl", tmp_path / "none")
    assert missing.count == 2
    assert all("is not there" in line for line in missing.faults)


def test_cifars_binary_files_are_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cifar_files, "RECORDS", {"train.bin": 200, "test.bin": 100})
    monkeypatch.setattr(cifar100, "HELD_OUT", 50)
    folder = layouts.cifar_binary(tmp_path)
    assert check(str(folder)).ok
    (folder / "test.bin").write_bytes((folder / "train.bin").read_bytes())
    (line,) = check("cifar100-mtl", tmp_path).faults
    assert line.startswith(f"{folder}/test.bin has 614800 bytes, not 307400")


def test_of_very_many_faults_the_first_are_kept_and_all_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checking, "MOST", 40)
    folder = layouts.nyud(tmp_path, train=60)
    for file in (folder / "depth").iterdir():
        file.unlink()
    found = check("nyudv2", tmp_path)
    assert found.count == 63
    assert len(found.faults) == 40
    again = Found()
    again.add("one")
    again.add("one")
    assert again.count == 1


def test_what_is_no_data_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"has no dataset\.yaml and is no data set that is known"):
        check(str(tmp_path))
    with pytest.raises(DataError, match="is a folder, which holds its files itself: leave --root out"):
        check(str(tmp_path), tmp_path)
    assert not check("folder").ok
    assert check("scenes").ok


@pytest.mark.parametrize(
    ("kind", "right", "wrong"),
    [
        ("segmentation", [[0, 2, 255]], [[0, 3, 255]]),
        ("classification", -1, 3),
        ("edges", [[0, 1, 255]], [[0, 2, 255]]),
        ("depth", [[0.0, 3.5]], [[0.0, -3.5]]),
        ("depth", [[0.0, 3.5]], [[0.0, np.nan]]),
        ("normals", [[[0.0, 0.6, -0.8], [0.0, 0.0, 0.0]]], [[[0.0, 0.5, 0.5], [0.0, 0.0, 0.0]]]),
    ],
)
def test_values_that_a_task_cannot_have(kind, right, wrong) -> None:  # type: ignore[no-untyped-def]
    task = Task(kind, kind, ("a", "b", "c"))
    assert wrong_values(task, np.array(right)) is None
    assert (wrong_values(task, np.array(wrong)) or "").startswith("has ")
