"""Going on with a training: from which checkpoint, and only with the recipe that it was started with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from ...devices.errors import CheckpointError
from ...models.supernet import Supernet
from ...runtime.format.tasks import Task
from ..optimization.auxiliary import Auxiliary
from ..optimization.schedule import restore_optimizer
from ..progress import Progress
from ..recipe.recipe import Recipe
from .checkpoint import Checkpoint, Tensors, load_checkpoint, read_beside, resolve
from .folders import AUXILIARY, OPTIMIZER, RAW, steps, sweep

# What may differ when a training goes on: it decides nothing of the weights.
_FREE = ("checkpoint_every", "validate_every", "validation_images", "recalibration_images", "device")
# What decides nothing either where one width is trained alone: it speaks of others beside it.
_NESTED = (
    "subnets",
    "sampling",
    "uniform",
    "coupled",
    "full_width",
    "sort",
    "widest_weight",
    "subnet_balance",
    "updates",
    "teacher",
    "distillation",
    "soft_labels",
)


def starting_point(recipe: Recipe, out: Path, resume: bool, progress: Progress) -> Checkpoint | None:
    """The checkpoint to go on from; None to begin."""
    sweep(out)
    if not steps(out):
        if resume:
            progress.message(f"{out} holds no training to resume: this begins one")
        return None
    if not resume:
        raise CheckpointError(f"{out} holds a training already: go on with --resume, or choose another folder")
    folder, problems = resolve(out)
    for problem in problems:
        progress.message(f"{problem}; going on from {folder.name} instead")
    checkpoint = load_checkpoint(folder)
    _check_same_recipe(recipe, checkpoint)
    progress.message(f"resumed from {folder.name}")
    return checkpoint


def beside(folder: Path) -> dict[str, Tensors]:
    """What a checkpoint has beside its supernet, by file name; for `restore`."""
    return {name: read_beside(folder, name) for name in (OPTIMIZER, AUXILIARY, RAW)}


def restore(
    found: dict[str, Tensors],
    supernet: Supernet,
    auxiliary: Auxiliary,
    optimizer: torch.optim.Optimizer,
    folder: Path,
) -> None:
    """Give all that is trained the state that was `found` beside a supernet; CheckpointError where it fits not.

    `supernet` is that of the checkpoint in `folder`: averaged weights give way to those that they are the average of.
    """
    restore_optimizer(optimizer, supernet, found[OPTIMIZER], auxiliary)
    try:
        auxiliary.load_state_dict(found[AUXILIARY])
        if found[RAW]:
            supernet.load_state_dict(found[RAW])
    except RuntimeError as error:
        raise CheckpointError(f"{folder} does not fit this pliant: {' '.join(str(error).split())}") from error


def _check_same_recipe(recipe: Recipe, checkpoint: Checkpoint) -> None:
    """Refuse to go on with other settings: the result would be that of neither recipe."""
    now, then = _bound(recipe), _bound(checkpoint.recipe)
    for key, value in now.items():
        if key in then and value != then[key]:  # a key that only one of them has: `only` differs, and is named
            raise CheckpointError(
                f"{checkpoint.folder.parent.parent} was started with {key} = {then[key]}, the recipe now says {value}: "
                "resume with the same recipe, or choose another folder"
            )


def _bound(recipe: Recipe) -> dict[str, Any]:
    """What binds, and the images by which a training sorts channels on its way, where it does."""
    settings, found = recipe.training, binding(recipe)
    if settings.only is None and settings.sort == "activation":
        found["training.recalibration_images"] = settings.recalibration_images
    return found


def check_same_data(checkpoint: Checkpoint, tasks: Sequence[Task], images: int) -> None:
    """Refuse to go on with data that mean other things, or are other in number: CheckpointError names what changed."""
    where, advice = checkpoint.folder.parent.parent, "give it the data that it had, or choose another folder"
    # Colours decide no weight.
    then, now = ({task.name: replace(task, colors=()) for task in each} for each in (checkpoint.tasks, tasks))
    for name in {**then, **now}:
        if then.get(name) != now.get(name):
            was, has = _shown(then.get(name)), _shown(now.get(name))
            raise CheckpointError(f"{where} was started with the task {name!r} {was}; it is {has} now: {advice}")
    if checkpoint.images not in (None, images):
        raise CheckpointError(f"{where} was started with {checkpoint.images} training images, now {images}: {advice}")


def _shown(task: Task | None) -> str:
    if task is None:
        return "absent"
    return f"of {task.kind}" + (f" ({', '.join(task.classes)})" if task.classes else f" {task.value_range}")


def binding(recipe: Recipe) -> dict[str, Any]:
    """Every setting that decides the weights, by dotted key."""
    entry = recipe.to_json()
    for source in entry["data"]["of"]:
        del source["root"]  # as data.root: where the files lie, not what they are
    flat = {f"{part}.{key}": v for part in ("data", "model", "space", "training") for key, v in entry[part].items()}
    idle = _FREE if recipe.training.only is None else (*_FREE, *_NESTED)
    if not recipe.training.quantization_aware:
        idle = (*idle, "rounding")
    free = {"data.root", *(f"training.{key}" for key in idle)}
    return {key: value for key, value in flat.items() if key not in free}
