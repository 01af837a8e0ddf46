"""What a dataset.yaml and the lists beside it may say, and each mistake in them by its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from pliant.devices.errors import DataError
from pliant.training.data import open_data
from pliant.training.data.folder_form import read_form
from pliant.training.recipe.file import load_recipe

from . import layouts


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("kind: depth", "kind: dept", "line 8: tasks.depth.kind is 'dept'; .*did you mean 'depth'"),
        ("unit: 0.001", "units: 0.001", r"line 8: unknown key 'tasks.depth.units'; did you mean 'tasks.depth.unit'"),
        (", range: [0.3, 10]", "", "line 8: tasks.depth: a task of the kind depth needs range"),
        ("range: [0.3, 10]", "range: [10, 0.3]", r"nearest, farthest"),
        ("frame: opengl", "unit: 1.0", "kind normals has no unit"),
        ("classes: [kitchen, office]", "classes: [a, a]", "each once"),
        ("depth/{}.png", "depth/all.png", r"needs one \{\}"),
        ("depth/{}.png", "../depth/{}.png", "a path below the folder"),
        ("images: images/{}", "images: images", r"images needs one \{\}"),
        ("images: images/{}", "image: images/{}", "line 1: unknown key 'image'; did you mean 'images'"),
        ("train: train.txt", "training: train.txt", "training"),
        ("  depth:", "  no depth:", "no name for a task"),
        ("tasks:", "tasks: [", "not YAML"),
    ],
)
def test_a_mistake_in_the_description_is_named_with_its_line(old: str, new: str, said: str, tmp_path: Path) -> None:
    assert old in layouts.FORM
    folder = layouts.folder(tmp_path, form=layouts.FORM.replace(old, new))
    with pytest.raises(DataError, match=said) as caught:
        open_data("folder", "train", root=folder)
    assert str(folder / "dataset.yaml") in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("file", "content", "said"),
    [
        ("dataset.yaml", "", "says nothing"),
        ("dataset.yaml", None, "describe the folder"),
        ("dataset.yaml", "images: images/{}\n", "tasks is missing"),
        ("train.txt", None, "is not there"),
        ("train.txt", "day0/000\nday0/002.png\nday0/000\n", "line 1 and in line 3"),
        ("train.txt", "day0/000\nday0/000.png\n", "names 'day0/000' in line 1 and in line 2: name each sample once"),
        ("scene.txt", "day0/000\n", "line 1 is 'day0/000': write"),
        ("scene.txt", "day0/000,hall\n", "line 1 has the class 'hall': choose from kitchen, office"),
        ("scene.txt", "day0/000,0\nday0/000,1\n", "line 1 and in line 2"),
        ("scene.txt", "day0/000.png,kitchen\nday0/000,office\n", "names 'day0/000' in line 1 and in line 2"),
    ],
)
def test_lists_that_are_wrong_are_named(file: str, content: str | None, said: str, tmp_path: Path) -> None:
    folder = layouts.folder(tmp_path)
    (folder / file).unlink()
    if content is not None:
        (folder / file).write_text(content)
    with pytest.raises(DataError, match=said) as caught:
        open_data("folder", "train", root=folder)
    assert file in str(caught.value)


def test_classes_are_numbers_only_where_none_is_called_by_one(tmp_path: Path) -> None:
    folder = layouts.folder(tmp_path)
    (folder / "scene.txt").write_text("day0/000,0\nday0/002,1\n")
    data = open_data("folder", "train", root=folder)
    assert [int(data[index].targets["scene"]) for index in (0, 2)] == [0, 1]
    named = layouts.FORM.replace("[kitchen, office]", '["1", "2", "3"]')
    (folder / "dataset.yaml").write_text(named)
    with pytest.raises(DataError, match=r"line 1 has the class '0': choose from 1, 2, 3"):
        open_data("folder", "train", root=folder)
    (folder / "scene.txt").write_text("day0/000,3\nday0/002,1\n")
    data = open_data("folder", "train", root=folder)
    assert [int(data[index].targets["scene"]) for index in (0, 2)] == [2, 0]


def test_a_task_without_any_label_is_a_wrong_pattern(tmp_path: Path) -> None:
    folder = layouts.folder(tmp_path, form=layouts.FORM.replace("depth/{}.png", "dept/{}.png"))
    with pytest.raises(DataError, match=r"dept/day0/000\.png is not there, and 3 more are not.*such as depth"):
        open_data("folder", "train", root=folder)
    assert len(open_data("folder", "train", root=folder, tasks=("rooms",))) == 4


def test_what_the_documentation_shows_is_read(tmp_path: Path) -> None:
    text = (Path(__file__).resolve().parents[3] / "docs" / "data.md").read_text(encoding="utf-8")
    form, mixture = (part.partition("```")[0] for part in text.split("```yaml\n")[1:])
    (tmp_path / "dataset.yaml").write_text(form, encoding="utf-8")
    tasks = read_form(tmp_path).tasks
    assert [label.kind for label in tasks.values()] == ["segmentation", "depth", "normals", "edges", "classification"]
    (tmp_path / "recipe.yaml").write_text(mixture, encoding="utf-8")
    sources = load_recipe(tmp_path / "recipe.yaml").data.sources
    assert [source.name for source in sources] == ["nyudv2", "pascal-context", "folder"]
