"""Reading recipes: YAML in, a checked `Recipe` out, and one plain line for the one real mistake."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..devices.errors import RecipeError
from .recipe import Recipe
from .recipe_errors import nearest
from .yaml_lines import checked_as, parsed, text_of

BUILT_IN = Path(__file__).resolve().parents[1] / "recipes"


def load_recipe(source: str | Path, settings: list[str] | None = None) -> Recipe:
    """Read a recipe from a path or a built-in name (`scenes-demo`), then apply `a.b=value` settings.

    Raises RecipeError: one line naming the key, its place (file, line, dotted path) and the nearest right one.
    """
    path = find_recipe(source)
    entry, lines = parsed(text_of(path, "recipe", RecipeError), str(source), RecipeError)
    if isinstance(entry, dict):
        entry.setdefault("name", path.stem)
    recipe = checked(entry, str(source), lines)
    return recipe.with_overrides(settings) if settings else recipe


def find_recipe(source: str | Path) -> Path:
    """The file behind a path or a built-in name; RecipeError lists the built-in names where there is none."""
    given = Path(source)
    if given.is_file():
        return given
    built_in = BUILT_IN / f"{given.name}.yaml"
    if len(given.parts) == 1 and built_in.is_file():
        return built_in
    if given.suffix in (".yaml", ".yml") or len(given.parts) > 1:
        raise RecipeError(f"there is no file {str(source)!r}: give the path of a recipe, or a built-in name")
    names = built_in_recipes()
    near = nearest(given.stem, names)
    hint = f"did you mean {near!r}? " if near else ""
    raise RecipeError(f"no recipe {str(source)!r}: {hint}give a YAML file or one of {', '.join(names)}")


def built_in_recipes() -> list[str]:
    """Names of the recipes that come with pliant."""
    return sorted(path.stem for path in BUILT_IN.glob("*.yaml"))


def checked(entry: Any, place: str, lines: Mapping[str, int] | None = None) -> Recipe:
    """A `Recipe` from plain data; `lines` tells where in `place` each dotted key stands."""
    if not isinstance(entry, dict):
        what = "empty" if entry is None else f"a {type(entry).__name__}"
        raise RecipeError(f"{place} is {what}, not a recipe: write at least `data: {{name: scenes}}`")
    recipe = checked_as(Recipe, entry, place, lines or {}, RecipeError)
    only, space = recipe.training.only, recipe.space
    both = [width for width in space.encoder_widths if width in space.decoder_widths]
    if only is not None and only not in both:
        line = (lines or {}).get("training.only")
        where = place if line is None else f"{place} line {line}"
        choices = " or ".join(f"{width:g}" for width in both)
        raise RecipeError(f"{where}: training.only is {only:g}; encoder and decoders both have the width {choices}")
    return recipe


def overridden(recipe: Recipe, settings: list[str]) -> Recipe:
    """Apply `a.b=value` settings in order; values are read as YAML."""
    entry = recipe.to_json()
    for setting in settings:
        key, equals, value = setting.partition("=")
        if not equals or not key.strip():
            raise RecipeError(f"--set {setting!r} is not of the form key=value, such as training.epochs=3")
        place = f"--set {setting}"
        given, _ = parsed(value, place, RecipeError)
        _put(entry, key.strip().split("."), given, place)
        checked(entry, place)
    return checked(entry, "--set")


def _put(entry: dict[str, Any], path: list[str], value: Any, place: str) -> None:
    """Set a nested key; what does not exist is left for `checked` to refuse."""
    for depth, name in enumerate(path[:-1]):
        inner = entry.setdefault(name, {})
        if not isinstance(inner, dict):
            raise RecipeError(f"{place}: {'.'.join(path[: depth + 1])} has no keys inside")
        entry = inner
    entry[path[-1]] = value
