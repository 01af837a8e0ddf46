"""Reading recipes: a YAML file in, by its path or its built-in name, a checked `Recipe` out."""

from __future__ import annotations

from pathlib import Path

from ...devices.errors import RecipeError
from .errors import nearest
from .recipe import Recipe, checked
from .yaml_lines import parsed, text_of

BUILT_IN = Path(__file__).resolve().parents[2] / "recipes"


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
