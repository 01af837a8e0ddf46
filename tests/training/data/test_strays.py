"""Labels that belong to no picture are faults of a folder, and nothing else that lies in it is."""

from __future__ import annotations

from pathlib import Path

from pliant.training.checking import check

from . import layouts


def test_labels_that_belong_to_no_picture_are_named(tmp_path: Path) -> None:
    folder = layouts.folder(tmp_path)
    (folder / "scene.txt").write_text("day0/000.png,office\nday0/004,office\nday0/00,kitchen\n")
    layouts.picture(folder / "rooms" / "day0" / "nobody.png", layouts.halves(0, 1))
    layouts.array(folder / "edges" / "004.npy", layouts.halves(0, 1))
    layouts.picture(folder / "rooms" / "._hidden.png", layouts.halves(0, 1))
    (folder / "edges" / "notes.md").write_text("mine")
    assert check(str(folder)).faults == [
        f"{folder}/scene.txt line 3 names 'day0/00', but there is no such picture: correct it, or take it out",
        f"{folder}/edges/004.npy is the label of no picture: give it the name of one, or take it out",
        f"{folder}/rooms/day0/nobody.png is the label of no picture: give it the name of one, or take it out",
    ]
    # What a training makes nothing of is no fault of its recipe.
    recipe = tmp_path / "mine.yaml"
    recipe.write_text(f"data: {{name: folder, root: {folder}}}\n")
    assert check(str(recipe)).ok


def test_labels_of_pictures_in_no_list_are_no_fault(tmp_path: Path) -> None:
    folder = layouts.folder(tmp_path)
    layouts.picture(folder / "images" / "spare.png", layouts.flat(1))
    layouts.picture(folder / "rooms" / "spare.png", layouts.halves(0, 1))
    (folder / "scene.txt").write_text("day0/000,office\nday0/004,office\nspare,kitchen\n")
    assert check(str(folder)).ok


def test_files_of_several_tasks_may_lie_in_one_folder(tmp_path: Path) -> None:
    (tmp_path / "dataset.yaml").write_text(
        "images: 'all/{}_color.png'\ntasks:\n  edges: {kind: edges, files: 'all/{}.png'}\n"
        "  depth: {kind: depth, files: 'all/{}_depth.png', range: [1, 9]}\nsplits: {train: names.txt}\n"
    )
    layouts.listed(tmp_path / "names.txt", ["a"])
    layouts.picture(tmp_path / "all" / "a_color.png", layouts.flat(3))
    layouts.picture(tmp_path / "all" / "a.png", layouts.halves(0, 1))
    layouts.picture(tmp_path / "all" / "a_depth.png", layouts.halves(2, 3))
    assert check(str(tmp_path)).ok
    layouts.picture(tmp_path / "all" / "b_depth.png", layouts.halves(2, 3))
    assert [line.partition(" ")[0] for line in check(str(tmp_path)).faults] == [f"{tmp_path}/all/b_depth.png"]


def test_a_name_that_no_file_can_have_is_a_fault(tmp_path: Path) -> None:
    folder = layouts.folder(tmp_path)
    (folder / "test.txt").write_text("x" * 5000)
    (folder / "scene.txt").write_text(f"day0/000,office\nday0/004,office\n{'y' * 5000},office\n")
    picture, scene = check(str(folder)).faults
    assert "xxx.jpg is not there" in picture
    assert "scene.txt line 3 names" in scene
