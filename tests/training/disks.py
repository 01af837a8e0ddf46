"""Disks that are full, and what is written on them.

A full disk is made by a limit on file sizes (`tests/full_disk.py`), and where mounting is allowed also by a file system
that is really full (`conftest.py`). Permissions stop nobody who runs as root, so folders are made unwritable by what
stands in their place.
"""

from __future__ import annotations

from pathlib import Path

import torch

from pliant.training.checkpoints.writing import save_checkpoint
from pliant.training.optimization.schedule import make_optimizer, optimizer_tensors
from pliant.training.progress import StepReport

from .tiny import tiny_recipe, tiny_supernet

SHORT = ("training.epochs=2", "data.counts.train=8", "data.counts.validation=4", "training.checkpoint_every=1")


def save(out: Path, step: int) -> Path:
    network = tiny_supernet(step)
    recipe = tiny_recipe()
    optimizer = make_optimizer(network, recipe.training)
    for parameter in network.parameters():
        parameter.grad = torch.ones_like(parameter)
    optimizer.step()
    return save_checkpoint(out, network, optimizer_tensors(optimizer, network), recipe, step)


def report(step: int) -> StepReport:
    return StepReport(step, 4, 0, {"depth": 1.0}, 1.0, 0.0, 0.1, 1.0, None)


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
