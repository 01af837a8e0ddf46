"""Reading recipes: YAML in, a checked `Recipe` out, and one plain line for the one real mistake."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from ..devices.errors import RecipeError
from .recipe import Recipe
from .recipe_errors import nearest, one_line

BUILT_IN = Path(__file__).resolve().parents[1] / "recipes"
_LARGEST = 1 << 20


def load_recipe(source: str | Path, settings: list[str] | None = None) -> Recipe:
    """Read a recipe from a path or a built-in name (`scenes-demo`), then apply `a.b=value` settings.

    Raises RecipeError: one line naming the key, its place (file, line, dotted path) and the nearest right one.
    """
    path = find_recipe(source)
    text = _text(path)
    entry, lines = _parsed(text, str(source))
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
    try:
        recipe = Recipe.model_validate(entry)
    except ValidationError as error:
        raise RecipeError(one_line(error, place, lines or {})) from None
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
        parsed, _ = _parsed(value, place)
        _put(entry, key.strip().split("."), parsed, place)
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


def _text(path: Path) -> str:
    try:
        if os.path.getsize(path) > _LARGEST:
            raise RecipeError(f"{path} is larger than 1 MB: that is no recipe")
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise RecipeError(f"{path} is not text: a recipe is a YAML file") from None
    except OSError as error:
        raise RecipeError(f"cannot read {path}: {error.strerror}") from error


def _parsed(text: str, place: str) -> tuple[Any, dict[str, int]]:
    """Plain data, and the line of every dotted key."""
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        lines = dict(_key_lines(root, "", place)) if root is not None else {}
        return yaml.safe_load(text), lines
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"{place} line {mark.line + 1}" if mark else place
        raise RecipeError(f"{where}: not YAML: {error.problem or error.context}") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise RecipeError(f"{place}: not YAML: {' '.join(str(error).split())}") from None


def _key_lines(node: yaml.Node, prefix: str, place: str) -> Iterator[tuple[str, int]]:
    """(dotted key, line) of every mapping entry; a key written twice is refused, as YAML would keep one silently."""
    if not isinstance(node, yaml.MappingNode):
        return
    seen: dict[str, int] = {}
    for key, value in node.value:
        line = key.start_mark.line + 1
        if not isinstance(key, yaml.ScalarNode) or key.tag.endswith(":merge"):
            continue
        if key.value in seen:
            raise RecipeError(f"{place} line {line}: {prefix}{key.value} stands already in line {seen[key.value]}")
        seen[key.value] = line
        yield prefix + key.value, line
        yield from _key_lines(value, f"{prefix}{key.value}.", place)
