"""`pliant data check`: what is wrong, line by line, and an exit code."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from ..training.data import layouts
from .conftest import Terminal


def test_whole_data_is_a_table_and_exit_code_0(pliant: Terminal, tmp_path: Path) -> None:
    layouts.nyud(tmp_path)
    said = pliant("data", "check", "nyudv2", "--root", tmp_path)
    assert (said.code, said.err) == (0, "")
    lines = said.out.splitlines()
    assert lines[-1] == "nyudv2: all is there"
    assert " ".join(lines[2].split()) == "nyudv2 train 9 segmentation 9, depth 9, normals 9, edges 9"


def test_each_fault_is_a_line_and_exit_code_1(pliant: Terminal, tmp_path: Path) -> None:
    folder = layouts.folder(tmp_path)
    (folder / "rooms" / "day0" / "002.png").write_bytes(b"")
    (folder / "images" / "day1" / "001.jpg").unlink()
    said = pliant("data", "check", folder)
    assert (said.code, said.err) == (1, "")
    assert said.out.splitlines()[-3:] == [
        f"{folder}/images/day1/001.jpg is not there (nor as .jpeg, .png, .webp, .bmp, .tif, .tiff): put it there, "
        "or take its line out of the list of the split",
        f"{folder}/rooms/day0/002.png cannot be read (UnidentifiedImageError): copy it again",
        f"{folder}: 2 faults",
    ]


def test_json_says_the_same(pliant: Terminal, tmp_path: Path) -> None:
    folder = layouts.nyud(tmp_path, train=60)
    for file in (folder / "depth").iterdir():
        file.unlink()
    said = pliant("data", "check", folder, "--json")
    assert said.code == 1
    found = json.loads(said.out)
    assert (found["ok"], found["faults_in_all"], len(found["faults"])) == (False, 63, 63)
    assert found["splits"][0] == {
        "data": "nyudv2",
        "split": "train",
        "samples": 54,
        "labelled": {"segmentation": 54, "depth": 0, "normals": 54, "edges": 54},
    }
    text = pliant("data", "check", folder)
    assert sum("is not there" in line for line in text.out.splitlines()) == 40
    assert text.out.splitlines()[-2:] == ["... and 23 more", f"{folder}: 63 faults"]


def test_notes_are_shown_and_fail_nothing(pliant: Terminal, tmp_path: Path) -> None:
    folder = layouts.nyud(tmp_path)
    layouts.array(folder / "depth" / "000002.npy", layouts.halves(20.0, 40.0, np.float32))
    said = pliant("data", "check", "nyudv2", "--root", tmp_path)
    assert said.code == 0
    note = f"{folder}/depth/000002.npy has 600 of 600 known depths outside 0.5 to 10 metres, from 20 to 40"
    assert said.out.splitlines()[-2:] == [f"note: {note}", "nyudv2: all is there, 1 note"]
    found = json.loads(pliant("data", "check", "nyudv2", "--root", tmp_path, "--json").out)
    assert (found["ok"], found["notes"], found["notes_in_all"]) == (True, [note], 1)


def test_a_built_in_recipe_can_be_checked(pliant: Terminal) -> None:
    said = pliant("data", "check", "scenes-demo", "--json")
    assert said.code == 0
    assert json.loads(said.out)["ok"] is True


def test_the_weights_that_a_recipe_starts_from_are_checked_too(pliant: Terminal, tmp_path: Path) -> None:
    recipe = tmp_path / "own.yaml"
    data = "{name: scenes, size: [32, 32], counts: {train: 2, validation: 2, test: 2}, root: .}"
    recipe.write_text(f"data: {data}\nmodel: {{encoder: mobilenetv2, pretrained: weights/none.npz}}\n")
    said = pliant("data", "check", recipe, "--root", tmp_path)
    assert said.code == 1
    (line,) = [line for line in said.out.splitlines() if "none.npz" in line]
    assert "put it there" in line


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("data", "check", "scenes-dem"), 1, "did you mean 'scenes-demo'"),
        (("data", "check", "."), 1, "has no dataset.yaml"),
        (("data", "check"), 2, "missing argument"),
        (("data", "chek"), 2, "check"),
    ],
)
def test_mistakes_are_one_line(arguments: tuple[str, ...], code: int, said: str, pliant: Terminal) -> None:
    found = pliant(*arguments)
    assert found.code == code
    assert said in found.err
    assert found.err.count("\n") == 1


def test_check_explains_itself(pliant: Terminal) -> None:
    assert "check" in pliant("data").out
    found = pliant("data", "check", "--help").out
    assert "--json" in found
    assert "pliant data check camvid" in found
    assert all(len(line) <= 80 for line in found.splitlines())
