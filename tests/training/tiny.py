"""The smallest supernet and data that have all that training touches; seconds, not minutes."""

from __future__ import annotations

import torch

from pliant.models.architecture import Architecture
from pliant.models.space import SearchSpace
from pliant.models.supernet import Supernet, build_supernet
from pliant.runtime.format.tasks import Task
from pliant.training.recipe.recipe import Recipe

SEGMENTATION = Task("segmentation", "segmentation", ("floor", "wall", "thing"), ((0, 0, 0), (9, 9, 9), (5, 5, 5)))
DEPTH = Task("depth", "depth", value_range=(0.5, 10.0))
SPACE = SearchSpace(4, ("depth", "segmentation"), (0.25, 0.5, 1.0), (0.25, 1.0), multiple=4)


def tiny_supernet(seed: int = 0) -> Supernet:
    """A ResNet-10 of 16 base channels with two dense decoders, for 32x48 pixels."""
    architecture = Architecture("resnet10", 32, 48, base=16, decoder_channels=16, skip_channels=8, output_stride=8)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return build_supernet(architecture, (SEGMENTATION, DEPTH), SPACE)


UNTAUGHT = ("training.distillation.weight=0", "training.soft_labels.weight=0")
APART = ("training.updates=apart", "training.widest_weight=1")


def tiny_recipe(*settings: str) -> Recipe:
    """A recipe that trains in a second or two, with `settings` applied; its levers are the defaults."""
    entry = {
        "data": {"name": "scenes", "size": [32, 48], "counts": {"train": 24, "validation": 8}},
        "model": {
            "encoder": "resnet10",
            "channels": 16,
            "decoder_channels": 16,
            "skip_channels": 8,
            "output_stride": 8,
        },
        "space": {"encoder_widths": [0.25, 0.5, 1.0], "decoder_widths": [0.5, 1.0], "multiple": 4},
        "training": {
            "epochs": 4,
            "batch_size": 4,
            "subnets": 1,
            "checkpoint_every": 2,
            "recalibration_images": 8,
        },
    }
    return Recipe.from_json(entry).with_overrides(list(settings))


def random_batch(count: int = 4) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """uint8 images (N, 32, 48, 3) and targets for both tasks."""
    generator = torch.Generator().manual_seed(count)
    images = torch.randint(0, 256, (count, 32, 48, 3), dtype=torch.uint8, generator=generator)
    segmentation = torch.randint(0, 3, (count, 32, 48), generator=generator)
    depth = 1.0 + 5.0 * torch.rand(count, 32, 48, generator=generator)
    return images, {"segmentation": segmentation, "depth": depth}
