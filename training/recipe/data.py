"""What a recipe says of data: which set, how much of it, at which size, and mixtures of several."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from .part import Count, Part, Pixels, Seed


class Counts(Part):
    """How many samples of each split to use; left out: all there are (`scenes`: its own default)."""

    train: Count | None = None
    validation: Count | None = None
    test: Count | None = None


DataName = Literal["scenes", "redkitchen", "camvid", "cifar100-mtl", "nyudv2", "pascal-context", "folder"]


class SourceRecipe(Part):
    """One data set of a mixture; `rename` gives its tasks other names there, as in {segmentation: rooms}."""

    name: DataName
    counts: Counts = Counts()
    root: Path | None = None
    tasks: tuple[str, ...] | None = None
    seed: Seed = 0
    rename: dict[str, str] = Field(default_factory=dict)


class DataRecipe(Part):
    """What to train on. `size` is (height, width) in pixels; `root` the folder with the files of real data sets.

    A `folder` is described by a dataset.yaml in `root`. A `mixture` is made `of` several data sets.
    """

    name: Literal[DataName, "mixture"]
    size: tuple[Pixels, Pixels] | None = None
    counts: Counts = Counts()
    root: Path | None = None
    tasks: tuple[str, ...] | None = None
    seed: Seed = 0
    of: tuple[SourceRecipe, ...] = ()

    @model_validator(mode="after")
    def _mixed(self) -> DataRecipe:
        if (self.name == "mixture") != bool(self.of):
            raise ValueError("`name: mixture` and `of`, a list of data sets, belong together")
        if self.of and (self.tasks is not None or self.counts != Counts() or self.seed):
            raise ValueError("tasks, counts and seed of a mixture are said beside each data set in `of`")
        return self

    @property
    def sources(self) -> tuple[SourceRecipe, ...]:
        """The data sets of a mixture, or the only one."""
        if self.name != "mixture":
            return (SourceRecipe(name=self.name, counts=self.counts, root=self.root, tasks=self.tasks, seed=self.seed),)
        return tuple(source if source.root else source.model_copy(update={"root": self.root}) for source in self.of)
