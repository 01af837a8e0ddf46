"""All that a running training holds, and how it begins: anew, or from a checkpoint; in every process the same."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import torch

from ..devices.errors import RecipeError
from ..models.supernet import Supernet
from .checkpoints.checkpoint import Checkpoint
from .checkpoints.resume import beside, binding, check_same_data, restore
from .data.batches import batches_per_epoch
from .optimization.auxiliary import Auxiliary
from .optimization.average import Average
from .optimization.schedule import make_optimizer
from .prepare import TrainingData, choose_device, fresh_supernet, given, open_training_data, place
from .progress import Progress
from .ranks import Ranks
from .recipe.recipe import Recipe
from .separate import own_fans

# What binds no weights, but is done by all processes together.
_TOGETHER = ("validate_every", "validation_images", "recalibration_images")


@dataclass(frozen=True)
class Run:
    """All that a running training holds."""

    recipe: Recipe
    out: Path
    data: TrainingData
    device: torch.device
    supernet: Supernet
    auxiliary: Auxiliary
    average: Average | None
    optimizer: torch.optim.Optimizer
    first: int
    progress: Progress
    ranks: Ranks

    @property
    def judged(self) -> Supernet:
        """What is evaluated and kept: the averaged weights, where there is an average."""
        return self.supernet if self.average is None else self.average.supernet

    @property
    def steps_per_epoch(self) -> int:
        """Batches of an epoch."""
        return batches_per_epoch(self.data.train, self.recipe.training.batch_size)

    @property
    def images_per_step(self) -> int:
        """Images of a batch: all there are where that is less."""
        return min(self.recipe.training.batch_size, len(self.data.train))

    @property
    def steps(self) -> int:
        """Steps of the whole training."""
        return self.recipe.training.epochs * self.steps_per_epoch


def prepared(
    recipe: Recipe, out: Path, start: Checkpoint | None, progress: Progress, data: TrainingData | None, ranks: Ranks
) -> Run:
    """A training before its next step; `data` in place of what the recipe names.

    Raises RecipeError where processes were given different recipes or data, or there are more than images in a batch;
    CheckpointError where a training would go on with other data.
    """
    device = choose_device(recipe.training.device, ranks.local)
    data = _opened(recipe, progress, ranks) if data is None else given(data, recipe)
    _check_shares(recipe, data, device, ranks)
    if start is not None:
        check_same_data(start, data.tasks, len(data.train))
    supernet = _begun(recipe, data, progress, ranks) if start is None else start.supernet
    place(supernet, device)
    auxiliary = Auxiliary(supernet, recipe.training).to(device)
    average = Average(supernet, recipe.training.ema) if recipe.training.ema > 0 else None
    optimizer = make_optimizer(supernet, recipe.training, auxiliary)
    first = 0
    if start is not None:
        first, folder = start.step, start.folder
        restore(ranks.same(lambda: beside(folder)), supernet, auxiliary, optimizer, folder)
    return Run(recipe, out, data, device, supernet, auxiliary, average, optimizer, first, progress, ranks)


def _opened(recipe: Recipe, progress: Progress, ranks: Ranks) -> TrainingData:
    """What one process of a machine renders, its others read from the cache."""
    data = open_training_data(recipe, progress.preparing) if ranks.local == 0 else None
    ranks.any(False)
    return open_training_data(recipe) if data is None else data


def _begun(recipe: Recipe, data: TrainingData, progress: Progress, ranks: Ranks) -> Supernet:
    """A supernet at step 0. Only the leading process reads pretrained weights: others may not have the file."""
    if ranks.leads:
        supernet, said = fresh_supernet(recipe, data)
        if said:
            progress.message(said)
        if recipe.training.only is not None:
            alone = supernet.space.uniform(recipe.training.only)
            own_fans(supernet, alone, encoder=recipe.model.pretrained is None)
    else:
        plain = recipe.model.model_copy(update={"pretrained": None})
        supernet, _ = fresh_supernet(recipe.model_copy(update={"model": plain}), data)
    if ranks.world > 1:
        supernet.load_state_dict(ranks.same(supernet.state_dict))
    return supernet


def _check_shares(recipe: Recipe, data: TrainingData, device: torch.device, ranks: Ranks) -> None:
    if ranks.world == 1:
        return
    images = min(recipe.training.batch_size, len(data.train))
    if images < ranks.world:
        raise RecipeError(
            f"{recipe.name}: a batch of {images} images cannot be shared by {ranks.world} processes: "
            "raise training.batch_size (it counts the images of all of them), or start fewer"
        )
    tasks = {task.name: task.to_json() for task in data.tasks}
    judged = {name: getattr(recipe.training, name) for name in _TOGETHER}
    own = {
        "settings": {**binding(recipe), **judged},
        "tasks": tasks,
        "images": (len(data.train), len(data.validation)),
        "devices": device.type,
    }
    found = ranks.gathered({name: _digest(value) for name, value in own.items()})
    for rank, digests in enumerate(found):
        for name, value in digests.items():
            if value != found[0][name]:
                raise RecipeError(
                    f"process {rank} has other {name} than process 0: give all of them the same recipe and data"
                )


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
