"""Labels in a user's own folder that belong to no picture: most often a name that was mistyped."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from .file_dataset import Place
from .folder import LABEL_ENDINGS, PICTURE_ENDINGS, fitting, patterns, without_ending
from .folder_form import FolderForm
from .lists import read_names, read_table


def strays(folder: Path, form: FolderForm) -> Iterator[str]:
    """A line for each name in a list of classes, and each label file, that belongs to no picture.

    Raises DataError where a list is missing or wrong.
    """
    known = _known(folder, form)
    for path in {folder / label.list: None for label in form.tasks.values() if label.list is not None}:
        for line, (name, _) in read_table(path, without_ending).items():
            if not known(name):
                yield f"{path} line {line} names {name!r}, but there is no such picture: correct it, or take it out"
    for path in _files(folder, form, known):
        yield f"{path} is the label of no picture: give it the name of one, or take it out"


def _known(folder: Path, form: FolderForm) -> Callable[[str], bool]:
    """Whether a name is that of a picture: one that is there, or one in a split's list, where it is missed already."""
    listed = {name for file in form.splits.values() for name in read_names(folder / file, without_ending)}
    images = Place(folder, patterns(form.images, PICTURE_ENDINGS))
    return lambda name: name in listed or images.find(name) is not None


def _files(folder: Path, form: FolderForm, known: Callable[[str], bool]) -> list[Path]:
    """Where files of several tasks lie in one folder, a file fits more than one pattern: it needs a picture by one."""
    settled = {path for _, path in fitting(folder, form.images, PICTURE_ENDINGS)}
    alone: set[Path] = set()
    for label in form.tasks.values():
        if label.files is not None:
            for name, path in fitting(folder, label.files, LABEL_ENDINGS):
                (settled if known(name) else alone).add(path)
    return sorted(alone - settled)
