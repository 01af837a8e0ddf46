"""Checking the data behind a name, a recipe or a folder."""

from __future__ import annotations

from pathlib import Path

from ..devices.errors import DataError, RecipeError
from .data import NAMES
from .data.check import Found, Progress, Source, check_data
from .data.cifar_files import RECORDS
from .data.folder_form import FORM
from .prepare import open_split, pretrained_path
from .recipe.data import DataRecipe
from .recipe.file import find_recipe, load_recipe
from .recipe.recipe import Recipe
from .weights.files import read_weights

# What a folder holds, by which it is known without a word from its owner.
_SIGNS = (
    (FORM, "folder"),
    ("gt_sets", "nyudv2"),
    ("ImageSets/Context", "pascal-context"),
    (next(iter(RECORDS)), "cifar100-mtl"),
)


def check(what: str, root: Path | None = None, progress: Progress | None = None) -> Found:
    """Check the data set of a name, all that a recipe (a file or a built-in one) trains on and from, or a folder.

    `root` is where the files are, instead of where the recipe says. Raises DataError or RecipeError where there is no
    such thing; what is wrong with the data itself is in what is returned.
    """
    found, mixed = Found(), None
    if what in NAMES:
        sources = [Source(what, root)]
    elif Path(what).is_dir():
        sources = [Source(_kind_of(Path(what)), Path(what))]
    else:
        recipe = load_recipe(_recipe(what))
        _check_weights(found, recipe, root)
        sources = _of_recipe(recipe.data, root)
        mixed = recipe if recipe.data.of else None
    for source in sources:
        check_data(found, source, progress)
    if mixed is not None and found.ok:
        _check_mixture(found, mixed, root)
    return found


def _check_mixture(found: Found, recipe: Recipe, root: Path | None) -> None:
    """What parts that are well by themselves do to each other: tasks of one name that differ, images of many sizes."""
    data = recipe.data if root is None else recipe.data.model_copy(update={"root": root})
    for split in ("train", "validation"):
        try:
            open_split(recipe.model_copy(update={"data": data}), split)
        except DataError as error:
            found.add(str(error))
            return


def _check_weights(found: Found, recipe: Recipe, root: Path | None) -> None:
    if recipe.model.pretrained is not None:
        try:
            read_weights(pretrained_path(recipe.model.pretrained, root or recipe.data.root))
        except DataError as error:
            found.add(str(error))


def _recipe(what: str) -> Path:
    try:
        return find_recipe(what)
    except RecipeError as error:
        raise DataError(f"{error}; or name a data set: {', '.join(sorted(NAMES))}") from error


def _kind_of(folder: Path) -> str:
    for sign, name in _SIGNS:
        if (folder / sign).exists():
            return name
    raise DataError(
        f"{folder} has no {FORM} and is no data set that is known by its files: describe it in one (docs/data.md), "
        f"or name the data set and give the folder as --root"
    )


def _of_recipe(data: DataRecipe, root: Path | None) -> list[Source]:
    return [
        Source(
            source.name,
            root or source.root,
            data.size,
            source.tasks,
            {"train": source.counts.train, "validation": source.counts.validation, "test": source.counts.test},
            one_size=True,
        )
        for source in data.sources
    ]
