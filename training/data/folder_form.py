"""What `dataset.yaml` may say: how the files of a user's own folder are laid out, and what their numbers mean."""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from ...devices.errors import DataError
from ...runtime.format.tasks import Kind, Task
from ..recipe.part import Count, Part, Positive
from ..recipe.yaml_lines import checked_as, parsed, text_of
from .decode import Frame

FORM = "dataset.yaml"
Split = Literal["train", "validation", "test"]
_Color = tuple[
    Annotated[int, Field(ge=0, le=255)], Annotated[int, Field(ge=0, le=255)], Annotated[int, Field(ge=0, le=255)]
]
_TASK_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")
# Which keys mean something for which kind of task; all others are refused, rather than read and forgotten.
_KEYS: dict[Kind, set[str]] = {
    "segmentation": {"files", "classes", "colors", "first", "ignore"},
    "depth": {"files", "unit", "range", "ignore"},
    "normals": {"files", "frame"},
    "edges": {"files", "ignore"},
    "classification": {"list", "classes"},
}
_NEEDED: dict[Kind, tuple[str, ...]] = {
    "segmentation": ("files", "classes"),
    "depth": ("files", "range"),
    "normals": ("files",),
    "edges": ("files",),
    "classification": ("list", "classes"),
}


class LabelForm(Part):
    """The labels of one task.

    `files` is a pattern below the folder in which `{}` stands for a picture's name; without an ending, any that can be
    read. `list` is a text file with a line `name,class` for each picture (classification). `first` is the number of
    the first class in the files and `ignore` the numbers of what has no label (segmentation: 255 unless said). `unit`
    is what a stored 1 means in metres, `range` the metres that are to be expressed. `frame` is `opengl` for normals
    with y up and z towards the camera. `variable` is what a `.mat` file calls the labels.
    """

    kind: Kind
    files: str | None = None
    list: str | None = None
    classes: tuple[str, ...] = ()
    colors: tuple[_Color, ...] = ()
    first: int = 0
    ignore: tuple[int, ...] | None = None
    unit: Positive = 1.0
    range: tuple[Positive, Positive] | None = None
    frame: Frame = "camera"
    variable: str | None = None

    @field_validator("files", "list")
    @classmethod
    def _inside(cls, pattern: str | None) -> str | None:
        return None if pattern is None else inside(pattern)

    @model_validator(mode="after")
    def _of_this_kind(self) -> LabelForm:
        given = self.model_fields_set - {"kind", "variable"}
        for key in sorted(given - _KEYS[self.kind]):
            raise ValueError(f"a task of the kind {self.kind} has no {key}: take it out")
        for key in _NEEDED[self.kind]:
            if not getattr(self, key):
                raise ValueError(f"a task of the kind {self.kind} needs {key}")
        if self.files and self.files.count("{}") != 1:
            raise ValueError("files needs one {} where a picture's name stands, as in depth/{}.png")
        if self.classes and (len(self.classes) > 255 or len(set(self.classes)) != len(self.classes)):
            raise ValueError("classes must be at most 255 names, each once")
        if self.colors and len(self.colors) != len(self.classes):
            raise ValueError("colors must be one [red, green, blue] for each class, or left out")
        if self.range and self.range[0] >= self.range[1]:
            raise ValueError("range must be [nearest, farthest] in metres")
        return self

    def task(self, name: str) -> Task:
        """What a network is to tell."""
        spans = {"depth": self.range or (0.0, 1.0), "normals": (-1.0, 1.0)}
        return Task(name, self.kind, self.classes, self.colors, spans.get(self.kind, (0.0, 1.0)))


class FolderForm(Part):
    """All of a `dataset.yaml`.

    `images` is the pattern of the pictures. `splits` names a text file for each split with a picture's name a line;
    without it, eight of ten pictures are for training, one for validation, one for test, told by their names alone.
    """

    images: str = "images/{}"
    tasks: Annotated[dict[str, LabelForm], Field(min_length=1)]
    splits: dict[Split, str] = Field(default_factory=dict)
    version: Annotated[Count, Field(le=1)] = 1

    @field_validator("images")
    @classmethod
    def _one_place(cls, pattern: str) -> str:
        if pattern.count("{}") != 1:
            raise ValueError("images needs one {} where a picture's name stands, as in images/{}.jpg")
        return inside(pattern)

    @field_validator("splits")
    @classmethod
    def _lists_inside(cls, splits: dict[Split, str]) -> dict[Split, str]:
        for split, file in splits.items():
            try:
                inside(file)
            except ValueError as error:
                raise ValueError(f"{split} is {file!r}; {error}") from error
        return splits

    @field_validator("tasks")
    @classmethod
    def _named(cls, tasks: dict[str, LabelForm]) -> dict[str, LabelForm]:
        for name in tasks:
            if not _TASK_NAME.fullmatch(name):
                raise ValueError(f"{name!r} is no name for a task: use letters, digits, - and _, a letter first")
        return tasks


def read_form(folder: Path) -> FolderForm:
    """The `dataset.yaml` of a folder; DataError names the one mistake, its line and the nearest right key."""
    path = folder / FORM
    if not path.is_file():
        raise DataError(f"{path} is not there: describe the folder in it (docs/data.md shows how), or name another one")
    entry, lines = parsed(text_of(path, FORM, DataError), str(path), DataError)
    if not isinstance(entry, dict):
        raise DataError(f"{path} says nothing: write at least its tasks (docs/data.md shows how)")
    return checked_as(FolderForm, entry, str(path), lines, DataError)


def inside(pattern: str) -> str:
    """A pattern or file below the folder; ValueError for one that leads out of it."""
    parts = PurePosixPath(pattern)
    if parts.is_absolute() or ".." in parts.parts or not parts.parts or "\\" in pattern or "\0" in pattern:
        raise ValueError("it should be a path below the folder, with / between its parts")
    return pattern
