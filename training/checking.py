"""Checking the data behind a name, a recipe or a folder."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from ..devices.errors import DataError, RecipeError
from .data import NAMES
from .data.check import Found, Progress, Source, check_data, unjudged
from .data.cifar_files import RECORDS
from .data.folder_form import FORM
from .prepare import name_fault, open_split, pretrained_path
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
# Training, search and export open no other split of a recipe.
_TRAINED_ON = ("train", "validation")


def check(what: str, root: Path | None = None, progress: Progress | None = None) -> Found:
    """Check the data set of a name, all that a recipe (a file or a built-in one) trains on and from, or a folder.

    `root` is where the files are; of a recipe it stands for `data.root`, so that a data set of a mixture with a root of
    its own keeps that. Raises DataError or RecipeError where there is no such thing; what is wrong with the data itself
    is in what is returned.
    """
    found, mixed = Found(), None
    if what in NAMES:
        sources = [Source(what, root)]
    elif Path(what).is_dir():
        if root is not None:
            raise DataError(f"{what} is a folder, which holds its files itself: leave --root out, or name the data set")
        sources = [Source(_kind_of(Path(what)), Path(what))]
    else:
        recipe = _rooted(load_recipe(_recipe(what)), root)
        _check_weights(found, recipe)
        sources = _of_recipe(recipe.data)
        mixed = recipe if recipe.data.of else None
    for source in sources:
        check_data(found, source, progress)
    if mixed is None:
        for row in found.splits:
            _check_names(found, row.data, row.labelled)
    elif found.ok:
        _check_mixture(found, mixed)
    return found


def _rooted(recipe: Recipe, root: Path | None) -> Recipe:
    if root is None:
        return recipe
    return recipe.model_copy(update={"data": recipe.data.model_copy(update={"root": root})})


def _check_names(found: Found, place: str, tasks: Iterable[str]) -> None:
    for name in tasks:
        fault = name_fault(name)
        if fault:
            found.add(f"{place}: {fault}")


def _check_mixture(found: Found, recipe: Recipe) -> None:
    """What parts that are well by themselves do to each other: tasks of one name that differ, images of many sizes.

    And what they need each other for: a task is judged by the labels of all parts.
    """
    for split in _TRAINED_ON:
        try:
            data = open_split(recipe, split)
        except DataError as error:
            found.add(str(error))
            return
    labelled = {task.name: 0 for task in data.tasks}
    _check_names(found, data.name, labelled)
    judged = [row for row in found.splits if row.split == "validation"]
    for row, source in zip(judged, recipe.data.sources, strict=True):
        for task, count in row.labelled.items():
            labelled[source.rename.get(task, task)] += count
    for task, count in labelled.items():
        if not count:
            found.add(unjudged(data.name, task))


def _check_weights(found: Found, recipe: Recipe) -> None:
    if recipe.model.pretrained is not None:
        try:
            read_weights(pretrained_path(recipe.model.pretrained, recipe.data.root))
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


def _of_recipe(data: DataRecipe) -> list[Source]:
    return [
        Source(
            source.name,
            source.root,
            data.size,
            source.tasks,
            counts={split: getattr(source.counts, split) for split in _TRAINED_ON},
            splits=_TRAINED_ON,
            one_size=True,
            part=bool(data.of),
        )
        for source in data.sources
    ]
