"""Every key of a recipe has its row in docs/, with its default where that is a number: none is known from code only."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pliant.training.recipe.data import SourceRecipe
from pliant.training.recipe.part import Part
from pliant.training.recipe.recipe import Recipe
from pliant.training.recipe.training import Augmentation, Distillation, SoftLabels

DOCS = Path(__file__).resolve().parents[2] / "docs"
SECTIONS = {name: field.default for name, field in Recipe.model_fields.items() if isinstance(field.default, Part)}


def _rows(text: str) -> dict[str, str]:
    """Key -> its row in a table."""
    rows = [line for line in text.splitlines() if line.startswith("| `")]
    return {key: line for line in rows for key in re.findall(r"`([a-z_]+)`", line.split("|")[1])}


def _section(name: str) -> dict[str, str]:
    return _rows((DOCS / "recipes.md").read_text().split(f"## `{name}`")[1].split("\n## ")[0])


@pytest.mark.parametrize("section", ["data", "model", "space", "search", "quantize"])
def test_every_key_of_a_section_has_its_row(section: str) -> None:
    annotation = Recipe.model_fields[section].annotation
    assert isinstance(annotation, type)
    assert issubclass(annotation, Part)
    assert list(_section(section)) == [*annotation.model_fields]
    assert section != "data" or all(f"`{key}`" in _section("data")["of"] for key in SourceRecipe.model_fields)
    for key, line in _section(section).items():
        default = annotation.model_fields[key].default
        if isinstance(default, int | float) and default is not None:
            assert f"{default:g}" in line.split("|")[2], line


def test_every_key_of_training_has_its_row() -> None:
    rows = _rows((DOCS / "training.md").read_text())
    training = type(SECTIONS["training"])
    assert set(training.model_fields) - set(rows) == set()
    for name, field in training.model_fields.items():
        if isinstance(field.default, int | float):
            assert re.search(rf"(?<![\d.]){re.escape(f'{field.default:g}')}(?![\d.])", rows[name].replace(",", " ")), (
                rows[name]
            )
    for part, key in ((Distillation, "distillation"), (SoftLabels, "soft_labels"), (Augmentation, "augmentation")):
        for name in part.model_fields:
            assert re.search(rf"\b{name}\b", rows[key]), f"training.{key}.{name}"
