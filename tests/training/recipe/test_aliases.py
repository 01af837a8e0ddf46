"""Anchors and aliases of YAML: they save writing, and cannot make a small file stand for a huge one."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from pliant import RecipeError
from pliant.devices.errors import DataError
from pliant.training.data.folder_form import read_form
from pliant.training.recipe.file import load_recipe
from pliant.training.recipe.recipe import Recipe


def _ninefold(levels: int) -> str:
    """Lists of nine aliases of the list above: nine to the power of `levels` values."""
    rows = ["a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1]"]
    for level in range(1, levels):
        rows.append(f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 9)}]")
    return "\n".join(rows) + "\n"


def _merged(levels: int) -> str:
    """Mappings that merge the mapping above nine times."""
    rows = ["a0: &a0 {x: 1}"]
    for level in range(1, levels):
        rows.append(f"a{level}: &a{level} {{<<: [{', '.join([f'*a{level - 1}'] * 9)}]}}")
    return "\n".join(rows) + "\n"


def _long_text() -> str:
    """A text of 100,000 letters and a thousand aliases of it: a hundred megabytes where it is written out."""
    return f"name: &n {'x' * 100_000}\nmodel: [{', '.join(['*n'] * 1000)}]\n"


def test_aliases_are_what_they_stand_for(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(
        "data: {name: scenes, size: &size [32, 48]}\n"
        "space: {encoder_widths: &widths [0.5, 1.0], decoder_widths: *widths}\n"
        "search: {preferences: [&a {depth: 2}, {<<: *a, edges: 3}]}\n"
    )
    recipe = load_recipe(path)
    assert recipe.space.decoder_widths == recipe.space.encoder_widths == (0.5, 1.0)
    assert recipe.search.preferences == ({"depth": 2.0}, {"depth": 2.0, "edges": 3.0})


@pytest.mark.parametrize("text", [_ninefold(8), _ninefold(40), _merged(40), _long_text()])
def test_a_small_file_that_stands_for_a_huge_one_is_refused_at_once(text: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(f"data: {{name: scenes}}\n{text}")
    begin = time.process_time()
    with pytest.raises(
        RecipeError, match=r"mine\.yaml line \d+: more than 100,000 values, aliases written out"
    ) as caught:
        load_recipe(path)
    assert "\n" not in str(caught.value)
    # The first of them took minutes, and the second more than there is.
    assert time.process_time() - begin < 10


def test_a_folders_form_and_a_setting_are_read_with_the_same_care(tmp_path: Path) -> None:
    (tmp_path / "dataset.yaml").write_text(_ninefold(8))
    with pytest.raises(DataError, match=r"dataset\.yaml line 6: more than 100,000 values"):
        read_form(tmp_path)
    recipe = Recipe.from_json({"data": {"name": "scenes"}})
    setting = "training.losses={" + _ninefold(8).strip().replace("\n", ", ") + "}"
    with pytest.raises(RecipeError, match=r"^--set training\.losses=.* more than 100,000 values"):
        recipe.with_overrides([setting])


def test_an_alias_inside_what_it_stands_for_is_named(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("data: {name: scenes}\nspace: &loop\n  encoder_widths: *loop\n")
    with pytest.raises(RecipeError, match=r"mine\.yaml line 3: \*loop stands inside what it stands for: write it out"):
        load_recipe(path)
