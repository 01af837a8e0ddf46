"""A user's own folder, described by its dataset.yaml: which files are found, and what is read of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pliant.devices.errors import DataError
from pliant.training.checking import check
from pliant.training.data import open_data
from pliant.training.data.batches import epoch_batches
from pliant.training.data.folder import _split_of, pictures

from . import layouts

HALF = layouts.SIZE[1] // 2


def test_every_kind_of_label_is_read(tmp_path: Path) -> None:
    folder = layouts.folder(tmp_path)
    data = open_data("folder", "train", root=folder)
    assert data.name == "mine"
    assert {task.name: (task.kind, task.classes) for task in data.tasks} == {
        "rooms": ("segmentation", ("floor", "wall", "thing")),
        "depth": ("depth", ()),
        "normals": ("normals", ()),
        "edges": ("edges", ()),
        "scene": ("classification", ("kitchen", "office")),
    }
    assert data.tasks[1].value_range == (0.3, 10.0)
    sample = data[0]
    assert sample.image.shape == (*layouts.SIZE, 3)
    assert np.array_equal(sample.targets["rooms"], layouts.halves(2, 255))
    assert np.allclose(sample.targets["depth"], layouts.halves(1.5, 0, np.float32))
    assert np.allclose(sample.targets["normals"][0, 0], (0, -1, 0))
    assert np.array_equal(sample.targets["edges"], layouts.halves(1, 0))
    assert sample.targets["scene"] == 1
    # What has no file is not labelled.
    assert set(data[1].targets) == {"rooms", "normals", "edges"}
    assert [abs(int(data[index].image[0, 0, 0]) - 10 * index) <= 2 for index in range(4)] == [True] * 4
    batch = next(epoch_batches(data, 4, 0, 0, augment=False))
    assert sorted(batch.targets["scene"].tolist()) == [-1, -1, -1, 1]
    assert ((batch.targets["depth"] > 0).flatten(1).sum(1) > 0).sum() == 2


def test_splits_without_lists_depend_on_names_alone(tmp_path: Path) -> None:
    form = layouts.FORM.partition("splits")[0]
    folder = layouts.folder(tmp_path, 60, form)

    def splits() -> dict[str, set[str]]:
        return {
            split: set(open_data("folder", split, root=folder).stems)  # type: ignore[attr-defined]
            for split in ("train", "validation", "test")
        }

    first = splits()
    assert sum(map(len, first.values())) == len(set.union(*first.values())) == 60
    assert 36 <= len(first["train"]) <= 58
    layouts.picture(folder / "images" / "new.png", layouts.flat(1))
    layouts.picture(folder / "images" / "._hidden.png", layouts.flat(1))
    second = splits()
    assert sum(map(len, second.values())) == 61
    assert all(second[split] >= first[split] for split in first)


def test_what_lies_in_hidden_folders_is_no_picture(tmp_path: Path) -> None:
    """An editor's copy of a picture would be in a split of its own: what is trained on, validated again."""
    folder = layouts.folder(tmp_path)
    layouts.picture(folder / "images" / ".ipynb_checkpoints" / "000-checkpoint.png", layouts.flat(1))
    layouts.picture(folder / "images" / "day0" / ".trash" / "002.png", layouts.flat(1))
    assert pictures(folder, "images/{}") == [f"day{number % 2}/{number:03d}" for number in (0, 2, 4, 1, 3, 5)]
    (folder / "images").rename(folder / ".images")
    assert len(pictures(folder, ".images/{}")) == 6, "what is named is meant"


def test_linked_folders_are_looked_into_each_once(tmp_path: Path) -> None:
    folder = layouts.folder(tmp_path)
    layouts.picture(tmp_path / "elsewhere" / "deep" / "a.png", layouts.flat(1))
    layouts.picture(tmp_path / "elsewhere" / "b.png", layouts.flat(2))
    for name, where in {"more": tmp_path / "elsewhere", "again": folder / "images" / "day0"}.items():
        (folder / "images" / name).symlink_to(where, target_is_directory=True)
    (tmp_path / "elsewhere" / "up").symlink_to(folder / "images", target_is_directory=True)
    (tmp_path / "elsewhere" / "deep" / "round").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    own = [f"day{number % 2}/{number:03d}" for number in (0, 2, 4, 1, 3, 5)]
    assert pictures(folder, "images/{}") == [*own, "more/b", "more/deep/a"]
    # The whole data may lie behind a link.
    (tmp_path / "linked").symlink_to(folder, target_is_directory=True)
    assert len(pictures(tmp_path / "linked", "images/{}")) == 8


def test_a_folder_of_few_pictures_may_have_none_for_test(tmp_path: Path) -> None:
    folder = layouts.folder(tmp_path, 12, layouts.FORM.partition("splits")[0])
    for path in (folder / "images").rglob("*.*"):
        stem = path.relative_to(folder / "images").with_suffix("").as_posix()
        if _split_of(stem) == "test":
            path.unlink()
    recipe = tmp_path / "mine.yaml"
    recipe.write_text(f"data: {{name: folder, root: {folder}, size: [20, 30], tasks: [rooms, edges]}}\n")
    found = check(str(recipe))
    assert found.ok
    assert [row.split for row in found.splits] == ["train", "validation"]
    assert any("has no picture for test" in line for line in check(str(folder)).faults)


@pytest.mark.parametrize(
    ("pattern", "file"),
    [("{}.jpg", "a/b.jpg"), ("{}/image.png", "a/image.png"), ("in/x_{}", "in/x_a.webp"), ("in/{}.JPG", "in/a.JPG")],
)
def test_pictures_may_lie_anywhere_below(pattern: str, file: str, tmp_path: Path) -> None:
    form = f'images: "{pattern}"\ntasks:\n  edges: {{kind: edges, files: "edges/{{}}"}}\nsplits: {{train: names.txt}}\n'
    stem = {"a/b.jpg": "a/b"}.get(file, "a")
    layouts.picture(tmp_path / file.replace(".JPG", ".jpg"), layouts.flat(7)).rename(tmp_path / file)
    layouts.array(tmp_path / "edges" / f"{stem}.npy", layouts.halves(0, 1))
    layouts.listed(tmp_path / "names.txt", [stem + (".png" if stem == "a" else "")])
    (tmp_path / "dataset.yaml").write_text(form)
    sample = open_data("folder", "train", root=tmp_path)[0]
    assert abs(int(sample.image[0, 0, 0]) - 7) <= 2
    assert sample.targets["edges"].any()
    (tmp_path / "dataset.yaml").write_text(form.partition("splits")[0])
    # One picture falls to one split; the other two have none.
    splits = ("train", "validation", "test")
    home = [split for split in splits if _split_of(stem) == split]
    assert open_data("folder", home[0], root=tmp_path, incomplete=True).stems == (stem,)  # type: ignore[attr-defined]
    for split in set(splits) - set(home):
        with pytest.raises(DataError, match="has no picture for"):
            open_data("folder", split, root=tmp_path)


@pytest.mark.parametrize("spelled", [str.lower, str.upper, str.title])
@pytest.mark.parametrize("lists", [True, False])
def test_endings_may_be_spelled_in_capitals(spelled: Callable[[str], str], lists: bool, tmp_path: Path) -> None:
    """The finder of pictures and that of their labels know the same endings: none is left without a label."""
    folder = layouts.folder(tmp_path, form=layouts.FORM if lists else layouts.FORM.partition("splits")[0])
    text = (folder / "dataset.yaml").read_text()
    (folder / "dataset.yaml").write_text(text.replace("/{}.png", "/{}").replace("/{}.npy", "/{}"))
    for path in [*folder.glob("*/*/*")]:
        path.rename(path.with_suffix(spelled(path.suffix)))
    splits = [open_data("folder", split, root=folder) for split in (("train", "test") if lists else ("train",))]
    for data in splits:
        for index in range(len(data)):
            assert {"rooms", "normals", "edges"} <= set(data[index].targets)
    assert not any("is not there" in line or "no picture:" in line for line in check(str(folder)).faults)


def test_two_pictures_of_one_name_and_no_root_are_refused(tmp_path: Path) -> None:
    folder = layouts.folder(tmp_path, form=layouts.FORM.partition("splits")[0])
    layouts.picture(folder / "images" / "day0" / "000.jpg", layouts.flat(1))
    with pytest.raises(DataError, match="both named 'day0/000'"):
        open_data("folder", "train", root=folder)
    with pytest.raises(DataError, match=r"say which, as data\.root"):
        open_data("folder", "train")


def test_a_list_does_not_choose_between_two_pictures_of_one_name(tmp_path: Path) -> None:
    """A list that says 000.png would be served 000.jpg, whose labels are another picture's."""
    folder = layouts.folder(tmp_path)
    (folder / "train.txt").write_text("day0/000.png\nday0/002.webp\n")
    (folder / "images" / "day0" / "004.png").symlink_to(folder / "images" / "day0" / "004.jpg")
    assert check(str(folder)).ok
    layouts.picture(folder / "images" / "day0" / "000.jpg", layouts.flat(99))
    data = open_data("folder", "train", root=folder)
    with pytest.raises(DataError, match=r"000\.jpg and .*000\.png are both named 'day0/000': keep one"):
        data[0]
    (fault,) = check(str(folder)).faults
    assert "are both named 'day0/000'" in fault
    (folder / "dataset.yaml").write_text(layouts.FORM.replace("images: images/{}", "images: images/{}.png"))
    assert abs(int(open_data("folder", "train", root=folder)[0].image[0, 0, 0])) <= 2
