"""A check of data says which depths no network could tell: a wrong unit or range, and numbers that mean "none"."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from pliant.training.checking import check

from . import layouts
from .archives import kitchen


def _form(depth: str) -> str:
    whole = "unit: 0.001, range: [0.3, 10]"
    assert whole in layouts.FORM
    return layouts.FORM.replace(whole, depth)


def test_a_wrong_unit_is_a_fault_of_each_split_and_its_files_are_noted(tmp_path: Path) -> None:
    # Tenths of a millimetre taken for millimetres, which none of the files could tell: 1.5 m become 15.
    folder = layouts.folder(tmp_path, form=_form("unit: 0.01, range: [0.3, 10]"))
    found = check(str(folder))
    assert found.faults == [
        f"{folder}: {split}: {known} of {known} known depths of 'depth' are outside the 0.3 to 10 metres that a "
        "network is to tell: correct the files, or the unit, range and ignore of the task"
        for split, known in (("train", 600), ("validation", 300))
    ]
    assert found.notes == [
        f"{folder}/depth/day0/{name}.png has 300 of 300 known depths outside 0.3 to 10 metres, from 15 to 15"
        for name in ("000", "002", "004")
    ]
    assert not found.ok


def test_a_unit_that_is_too_small_is_one_too(tmp_path: Path) -> None:
    # Metres taken for millimetres.
    folder = layouts.folder(tmp_path)
    for number in range(0, 6, 2):
        (folder / "depth" / "day0" / f"{number:03d}.png").unlink()
        layouts.array(folder / "depth" / "day0" / f"{number:03d}.npy", layouts.halves(1.5, 0, np.float32))
    (folder / "dataset.yaml").write_text(layouts.FORM.replace("depth/{}.png", "depth/{}.npy"))
    found = check(str(folder))
    assert [line.partition(" are outside the 0.3 to 10 metres")[0] for line in found.faults] == [
        f"{folder}: train: 600 of 600 known depths of 'depth'",
        f"{folder}: validation: 300 of 300 known depths of 'depth'",
    ]
    assert "from 0.0015 to 0.0015" in found.notes[0]


def test_a_picture_of_what_is_far_away_is_noted_and_is_no_fault(tmp_path: Path) -> None:
    folder = layouts.folder(tmp_path, 8)
    layouts.picture(folder / "depth" / "day0" / "002.png", layouts.halves(20000, 0, np.uint16))
    found = check(str(folder))
    assert found.ok
    assert found.notes == [
        f"{folder}/depth/day0/002.png has 300 of 300 known depths outside 0.3 to 10 metres, from 20 to 20"
    ]
    # A few of a picture are as they should be, and both ends belong to the range.
    few = layouts.halves(10000, 300, np.uint16)
    few[0, 0] = 20000
    layouts.picture(folder / "depth" / "day0" / "002.png", few)
    assert (check(str(folder)).ok, check(str(folder)).noted) == (True, 0)


def test_the_largest_number_of_a_type_is_noted_however_few_hold_it(tmp_path: Path) -> None:
    folder = layouts.folder(tmp_path, 8)
    values = layouts.halves(1500, 0, np.uint16)
    values[0, :2] = 65535
    layouts.picture(folder / "depth" / "day0" / "002.png", values)
    found = check(str(folder))
    assert found.ok
    assert found.notes == [
        f"{folder}/depth/day0/002.png has 2 of 300 known depths outside 0.3 to 10 metres; the farthest is stored as "
        "65535, the largest number of 16 bits: is that ignore: [65535]?"
    ]
    (folder / "dataset.yaml").write_text(_form("unit: 0.001, range: [0.3, 10], ignore: [65535]"))
    assert check(str(folder)).noted == 0


def test_the_depths_of_published_and_packed_data_are_looked_at_too(tmp_path: Path) -> None:
    folder = layouts.nyud(tmp_path)
    layouts.array(folder / "depth" / "000002.npy", layouts.halves(20.0, 40.0, np.float32))
    found = check("nyudv2", tmp_path)
    assert (found.ok, found.notes) == (
        True,
        [f"{folder}/depth/000002.npy has 600 of 600 known depths outside 0.5 to 10 metres, from 20 to 40"],
    )
    kitchen(tmp_path, depth_mm=np.full((6, 128, 160), 40, np.uint16))
    found = check("redkitchen", tmp_path)
    assert found.notes[0] == (
        "redkitchen: picture 0: depth has 20,480 of 20,480 known depths outside 0.3 to 6 metres, from 0.04 to 0.04"
    )
    assert found.faults[0].startswith("redkitchen: train: 61,440 of 61,440 known depths of 'depth' are outside")
