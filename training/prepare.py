"""From a recipe to what is trained: data sets, device, supernet."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from ..devices.errors import DataError, RecipeError, TrainingError
from ..models.architecture import Architecture
from ..models.sorting import sort_supernet
from ..models.space import SearchSpace
from ..models.supernet import Supernet, build_supernet, stages_of
from ..runtime.format.tasks import Task
from .data import open_data
from .data.files import find
from .data.mixture import Mixture
from .data.sample import Dataset
from .data.values import Checked, tasks_fault
from .evaluation.recalibrate import recalibration_batches
from .layout import laid_out
from .optimization.objective import LOSSES
from .recipe.errors import nearest
from .recipe.recipe import Recipe
from .weights.files import read_weights
from .weights.pretrained import load_pretrained


@dataclass(frozen=True)
class TrainingData:
    """The splits that training uses."""

    train: Dataset
    validation: Dataset

    @property
    def tasks(self) -> tuple[Task, ...]:
        """The tasks, in the data set's order."""
        return self.train.tasks


def open_split(recipe: Recipe, split: str, progress: Callable[[int, int], None] | None = None) -> Dataset:
    """A split (train, validation, test) of the recipe's data.

    With `progress(done, total)` scenes are rendered now, by all cores, otherwise one at a time when asked for.
    """
    data = recipe.data
    parts = [
        open_data(
            source.name,
            split,
            root=source.root,
            size=data.size,
            count=getattr(source.counts, split),
            seed=source.seed,
            tasks=source.tasks,
            progress=progress,
            workers=min(os.cpu_count() or 1, 16),
        )
        for source in data.sources
    ]
    return Mixture(parts, [source.rename for source in data.sources]) if data.of else parts[0]


def open_training_data(recipe: Recipe, progress: Callable[[int, int], None] | None = None) -> TrainingData:
    """Train and validation splits; RecipeError where the recipe names tasks, or stages, that there are not."""
    check_stages(recipe)  # before hours of rendering
    data = TrainingData(open_split(recipe, "train", progress), open_split(recipe, "validation", progress))
    return _of_one_size(checked(data, recipe))


def checked(data: TrainingData, recipe: Recipe) -> TrainingData:
    """The same data; RecipeError where the recipe names tasks, or stages, that there are not, DataError without tasks
    or images, or where its splits have different tasks.
    """
    check_stages(recipe)
    if not data.tasks or not len(data.train) or not len(data.validation):
        raise DataError(f"{data.train.name} needs a task, and an image in each split, to train on")
    if data.train.tasks != data.validation.tasks:
        raise DataError(f"{data.train.name}: train and validation must have the same tasks, in the same order")
    fault = tasks_fault(data.tasks)
    if fault:
        raise DataError(f"{data.train.name}: {fault}")
    known = [task.name for task in data.tasks]
    for name in known:
        misnamed = name_fault(name)
        if misnamed:
            raise RecipeError(f"{recipe.name}: {misnamed}")
    for section, names in (
        ("training.losses", recipe.training.losses),
        *(("search.preferences", preference) for preference in recipe.search.preferences),
    ):
        for name in names:
            if name not in known:
                near = nearest(name, known)
                hint = f"did you mean {near!r}?" if near else f"there are {', '.join(known)}"
                raise RecipeError(f"{recipe.name}: {section} names the task {name!r}, which the data has not; {hint}")
    return data


def name_fault(name: str) -> str | None:
    """Why no task can be called `name`, else None.

    A decoder is a module under its task's name, and a task's loss stands under it among the others of the log.
    """
    taken = "." in name or not name or name in LOSSES or hasattr(torch.nn.ModuleDict(), name)
    return f"a task cannot be called {name!r}: give it another name" if taken else None


def given(data: TrainingData, recipe: Recipe) -> TrainingData:
    """A user's own data, `checked`, and each sample as it is read: what pliant opens itself has been by its readers."""
    checked(data, recipe)
    return _of_one_size(TrainingData(Checked(data.train), Checked(data.validation)))


def _of_one_size(data: TrainingData) -> TrainingData:
    """The same data; DataError where the network would be judged on pictures of another size than it is built for."""
    train, validation = (split[0].image.shape[:2] for split in (data.train, data.validation))
    if train != validation:
        raise DataError(
            f"{data.train.name}: pictures to train on are {train[0]}x{train[1]}, those to validate on "
            f"{validation[0]}x{validation[1]}: set data.size, or give all of them one size"
        )
    return data


def check_stages(recipe: Recipe) -> None:
    """Raise RecipeError where distillation is to compare stages that the encoder does not have."""
    count = stages_of(recipe.model.encoder)
    for stage in recipe.training.distillation.stages or ():
        if stage >= count:
            raise RecipeError(
                f"{recipe.name}: training.distillation.stages names the stage {stage}; "
                f"{recipe.model.encoder} has stages 0 to {count - 1}"
            )


def choose_device(name: str, local: int = 0) -> torch.device:
    """The device that `auto`, `cpu` or `cuda` means to the `local`-th process here; TrainingError without one."""
    if name == "cuda" and not torch.cuda.is_available():
        raise TrainingError("training.device is cuda, but torch finds no GPU: set training.device=cpu or auto")
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda" and local >= torch.cuda.device_count():
        raise TrainingError(
            f"process {local} of this machine has no GPU of its own, there are {torch.cuda.device_count()}: start "
            "no more processes than GPUs, or set training.device=cpu"
        )
    # With an index only where there is a choice: tensors compare devices.
    return torch.device(name, local) if name == "cuda" and local else torch.device(name)


def place(supernet: Supernet, device: torch.device) -> None:
    """Move the supernet to a device, on a GPU with its weights channels-last, as its images are."""
    supernet.to(device)
    if device.type == "cuda":
        supernet.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def space_of(recipe: Recipe, tasks: tuple[Task, ...]) -> SearchSpace:
    """The recipe's search space over these tasks."""
    space = recipe.space
    return SearchSpace(
        stages_of(recipe.model.encoder),
        tuple(task.name for task in tasks),
        space.encoder_widths,
        space.decoder_widths,
        multiple=space.multiple,
    )


def architecture_of(recipe: Recipe, size: tuple[int, int]) -> Architecture:
    """The full-width network that the recipe asks for, at an input of (height, width) pixels."""
    model = recipe.model
    given = {
        "base": model.channels,
        "decoder_channels": model.decoder_channels,
        "skip_channels": model.skip_channels,
        "aspp_rates": model.aspp_rates,
        "output_stride": model.output_stride,
        "classifier": model.classifier,
    }
    asked = {name: value for name, value in given.items() if value is not None}
    return Architecture(model.encoder, size[0], size[1], model.stem, **asked)  # type: ignore[arg-type]


def fresh_supernet(recipe: Recipe, data: TrainingData) -> tuple[Supernet, str | None]:
    """A supernet at step 0, and what to say about pretrained weights; the same for the same recipe and torch.

    The encoder's pretrained channels are sorted as the recipe says; random ones have no order worth finding.
    """
    image = data.train[0].image
    architecture = architecture_of(recipe, (image.shape[0], image.shape[1]))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.training.seed)
        supernet = build_supernet(architecture, data.tasks, space_of(recipe, data.tasks))
    if recipe.model.pretrained is None:
        return supernet, None
    weights = read_weights(pretrained_path(recipe.model.pretrained, recipe.data.root))
    batches = recalibration_batches(data.train, recipe.training)
    said = str(load_pretrained(supernet, weights, batches))
    if recipe.model.sort != "none":
        images = (laid_out(supernet, batch.images) for batch in batches)
        sort_supernet(supernet, batches=images, measure=recipe.model.sort)
        said += f"; channels sorted by {recipe.model.sort}"
    return supernet, said


def pretrained_path(given: Path, root: Path | None) -> Path:
    """Where pretrained weights lie: as given if absolute, else in the data folder; DataError where they are not."""
    return given if given.is_absolute() else find(str(given), root)
