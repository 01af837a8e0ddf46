"""What a check says beyond files: what a training of the same data would end with, or not be judged by."""

from __future__ import annotations

from pathlib import Path

from pliant.training.checking import check

from .data import layouts


def test_a_task_that_could_not_be_judged_is_a_fault(tmp_path: Path) -> None:
    """Its search would be refused, after the training."""
    folder, recipe = layouts.folder(tmp_path), tmp_path / "mine.yaml"
    assert check(str(folder)).ok
    (folder / "scene.txt").write_text("day0/000,office\n")
    fault = (
        "no picture for validation is labelled for scene, which would have no quality: label some, put labelled ones "
        "there, or leave the task out (data.tasks)"
    )
    assert check(str(folder)).faults == [f"{folder}: {fault}"]
    recipe.write_text(f"data: {{name: folder, root: {folder}, tasks: [rooms]}}\n")
    assert check(str(recipe)).ok
    # Of a mixture another part may have the labels.
    other = layouts.folder(tmp_path / "other")
    one, two = (f"{{name: folder, root: {root}, rename: {{scene: place}}}}" for root in (folder, other))
    recipe.write_text(f"data: {{name: mixture, of: [{one}, {two}]}}\n")
    assert check(str(recipe)).ok
    recipe.write_text(f"data: {{name: mixture, of: [{one}, {one}]}}\n")
    assert check(str(recipe)).faults == [f"mine+mine: {fault.replace('scene', 'place')}"]


def test_a_name_that_no_task_can_have_is_a_fault(tmp_path: Path) -> None:
    folder, recipe = layouts.folder(tmp_path, form=layouts.FORM.replace("  rooms:", "  values:")), tmp_path / "m.yaml"
    assert check(str(folder)).faults == ["mine: a task cannot be called 'values': give it another name"]
    part = f"{{name: folder, root: {folder}, rename: {{values: rooms, edges: total}}}}"
    recipe.write_text(f"data: {{name: mixture, of: [{part}]}}\n")
    assert check(str(recipe)).faults == ["mine: a task cannot be called 'total': give it another name"]
