"""Writing a checkpoint: whole or not at all, with room for it found out before training."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from ...models.supernet import Supernet
from ..disk import check_room, digest, flush, remove, writing
from ..recipe.recipe import Recipe
from ..recipe.training import TrainingRecipe
from .checkpoint import Tensors, checked_record
from .folders import AUXILIARY, KEPT, OPTIMIZER, RAW, RECORD, VERSION, WEIGHTS, clean, folder_of, steps


def save_checkpoint(
    out: Path,
    supernet: Supernet,
    optimizer: Tensors,
    recipe: Recipe,
    step: int,
    *,
    images: int | None = None,
    raw: Tensors | None = None,
    auxiliary: Tensors | None = None,
) -> Path:
    """Write OUT/checkpoints/step-N whole or not at all, drop all but the newest two, return its folder.

    `images` is how many an epoch trains on. `raw` are the weights to go on from, where `supernet` holds their average.
    Files of nothing are not written.
    """
    final = folder_of(out, step)
    partial = final.with_name(f".writing-{final.name}-{os.getpid()}")
    beside = {name: tensors for name, tensors in ((RAW, raw), (AUXILIARY, auxiliary)) if tensors}
    files = {WEIGHTS: supernet.state_dict(), OPTIMIZER: optimizer, **beside}
    with writing(final, partial):
        partial.mkdir(parents=True)
        for name, tensors in files.items():
            save_file(plain_tensors(tensors), partial / name)
        digests = {name: digest(partial / name) for name in files}
        _write(partial / RECORD, _record(supernet, recipe, step, images, digests))
        for name in (*files, RECORD):
            flush(partial / name)
        flush(partial)
        if final.exists():
            remove(final)
        partial.rename(final)
        flush(final.parent)
        clean(out)
    return final


def check_checkpoints_fit(
    out: Path, supernet: Supernet, recipe: TrainingRecipe, count: int, auxiliary: nn.Module | None = None
) -> None:
    """Refuse, with CheckpointError, to train where OUT has no room for `count` more checkpoints, older ones dropped."""
    weights, beside = _bytes(supernet), 0 if auxiliary is None else _bytes(auxiliary)
    # Both moments of AdamW, or the momentum of SGD, are as large as the weights.
    optimizer = (weights + beside) * (2 if recipe.optimizer == "adamw" else int(recipe.momentum > 0))
    written = min(count, KEPT + 1 - len(steps(out)))
    kept = weights * (2 if recipe.ema > 0 else 1) + beside
    check_room(out, max(0, written), max(weights, optimizer), kept + optimizer)


def add_metrics(folder: Path, metrics: dict[str, Any]) -> None:
    """Put measured quality into a checkpoint's record, atomically."""
    record = checked_record(folder)
    record["metrics"] = metrics
    partial = folder / f".writing-{RECORD}"
    with writing(folder / RECORD, partial):
        _write(partial, record)
        flush(partial)
        partial.replace(folder / RECORD)
        flush(folder)


def plain_tensors(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Contiguous CPU copies with memory of their own, as safetensors asks."""
    return {name: tensor.detach().to("cpu").contiguous().clone() for name, tensor in tensors.items()}


def _record(
    supernet: Supernet, recipe: Recipe, step: int, images: int | None, digests: dict[str, str]
) -> dict[str, Any]:
    return {
        "_version": VERSION,
        "architecture": supernet.architecture.to_json(),
        "tasks": {task.name: task.to_json() for task in supernet.tasks},
        "space": supernet.space.to_json(),
        "recipe": recipe.to_json(),
        "step": step,
        "images": images,
        "metrics": {},
        "random": {"seed": recipe.training.seed, "next_step": step},
        "digests": digests,
        "versions": {"torch": torch.__version__},
    }


def _bytes(module: nn.Module) -> int:
    return sum(tensor.numel() * tensor.element_size() for tensor in module.state_dict().values())


def _write(path: Path, record: dict[str, Any]) -> None:
    path.write_text(json.dumps(record, indent=1, allow_nan=False), encoding="utf-8")
