"""Checkpoints: folders without pickles, written so that a kill at any moment leaves the previous one whole.

    OUT/checkpoints/step-000400/
        supernet.safetensors      parameters and buffers, by module path
        optimizer.safetensors     `<parameter>/<state>`, by parameter name
        raw.safetensors           where supernet.safetensors is an average (training.ema): what it is the average of
        auxiliary.safetensors     where the recipe asks for what has state: projections, the balance of tasks
        checkpoint.json           architecture, tasks, space, recipe, step, metrics, random state, digests of the files

A checkpoint is written under a temporary name, flushed to the disk and then renamed, so a folder with a final name is
complete. The newest two are kept, should the newest be damaged later.
"""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from ...devices.errors import CheckpointError, PliantError
from ...models.architecture import Architecture
from ...models.space import SearchSpace
from ...models.supernet import Supernet, build_supernet
from ...runtime.format.tasks import Task
from ..disk import check_room, digest, flush, remove, writing
from ..recipe.recipe import Recipe
from ..recipe.training import TrainingRecipe

VERSION = 1
KEPT = 2
WEIGHTS, OPTIMIZER, RECORD = "supernet.safetensors", "optimizer.safetensors", "checkpoint.json"
RAW, AUXILIARY = "raw.safetensors", "auxiliary.safetensors"
Tensors = dict[str, Tensor]
_KEYS = {"_version", "architecture", "tasks", "space", "recipe", "step", "metrics", "random", "digests", "versions"}


@dataclass(frozen=True)
class Checkpoint:
    """A supernet as it was after `step` steps, in evaluation mode on the CPU.

    `folder` is the step's own. `metrics` holds what was measured at the end of training (`{"quality": [...]}`, see
    evaluation/evaluate.py), and is empty before.
    """

    folder: Path
    supernet: Supernet
    recipe: Recipe
    step: int
    metrics: dict[str, Any] = field(default_factory=dict)

    @property
    def space(self) -> SearchSpace:
        """The supernet's search space."""
        return self.supernet.space

    @property
    def tasks(self) -> tuple[Task, ...]:
        """The supernet's tasks."""
        return self.supernet.tasks


def save_checkpoint(
    out: Path,
    supernet: Supernet,
    optimizer: Tensors,
    recipe: Recipe,
    step: int,
    *,
    raw: Tensors | None = None,
    auxiliary: Tensors | None = None,
) -> Path:
    """Write OUT/checkpoints/step-N whole or not at all, drop all but the newest two, return its folder.

    `raw` are the weights to go on from, where `supernet` holds their average. Files of nothing are not written.
    """
    final = folder_of(out, step)
    partial = final.with_name(f".writing-{final.name}-{os.getpid()}")
    beside = {name: tensors for name, tensors in ((RAW, raw), (AUXILIARY, auxiliary)) if tensors}
    files = {WEIGHTS: supernet.state_dict(), OPTIMIZER: optimizer, **beside}
    with writing(final, partial):
        partial.mkdir(parents=True)
        for name, tensors in files.items():
            save_file(plain_tensors(tensors), partial / name)
        _write(partial / RECORD, _record(supernet, recipe, step, {name: digest(partial / name) for name in files}))
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
    out: Path, supernet: Supernet, recipe: TrainingRecipe, left: int, auxiliary: nn.Module | None = None
) -> None:
    """Refuse, with CheckpointError, to train `left` more steps where OUT has no room for the checkpoints."""
    weights, beside = _bytes(supernet), 0 if auxiliary is None else _bytes(auxiliary)
    # Both moments of AdamW, or the momentum of SGD, are as large as the weights.
    optimizer = (weights + beside) * (2 if recipe.optimizer == "adamw" else int(recipe.momentum > 0))
    written = min(-(-left // recipe.checkpoint_every), KEPT + 1 - len(steps(out)))
    kept = weights * (2 if recipe.ema > 0 else 1) + beside
    check_room(out, max(0, written), max(weights, optimizer), kept + optimizer)


def _bytes(module: nn.Module) -> int:
    return sum(tensor.numel() * tensor.element_size() for tensor in module.state_dict().values())


def load_checkpoint(path: str | Path) -> Checkpoint:
    """Read the newest whole checkpoint of OUT, or the one of a step folder; CheckpointError where there is none."""
    folder, _ = resolve(path)
    return _read(folder)


def resolve(path: str | Path) -> tuple[Path, list[str]]:
    """The folder of the newest whole checkpoint of OUT (or `path`, a step folder), and a line for each damaged one.

    Raises CheckpointError where none is whole.
    """
    path = Path(path)
    folders = [path] if (path / RECORD).exists() or path.name.startswith("step-") else steps(path)
    problems = []
    for folder in folders:
        try:
            _checked_record(folder)
        except CheckpointError as error:
            problems.append(str(error))
        else:
            return folder, problems
    if problems:
        raise CheckpointError("; ".join(problems))
    raise CheckpointError(f"no checkpoint in {path}: give a folder that `pliant train --out` wrote")


def folder_of(out: Path, step: int) -> Path:
    """The folder of the checkpoint after `step` steps."""
    return out / "checkpoints" / f"step-{step:06d}"


def steps(out: Path) -> list[Path]:
    """The checkpoint folders of OUT, newest first."""
    folder = out / "checkpoints"
    found = [each for each in folder.glob("step-*") if each.name[5:].isdigit()] if folder.is_dir() else []
    return sorted(found, key=lambda each: int(each.name[5:]), reverse=True)


def add_metrics(folder: Path, metrics: dict[str, Any]) -> None:
    """Put measured quality into a checkpoint's record, atomically."""
    record = _checked_record(folder)
    record["metrics"] = metrics
    partial = folder / f".writing-{RECORD}"
    with writing(folder / RECORD, partial):
        _write(partial, record)
        flush(partial)
        partial.replace(folder / RECORD)
        flush(folder)


def read_beside(folder: Path, name: str) -> Tensors:
    """The tensors of `OPTIMIZER` (by `<parameter>/<state>`), `RAW` or `AUXILIARY`; none where there is no such file."""
    return _tensors(folder / name) if (folder / name).exists() else {}


def clean(out: Path) -> None:
    """Remove what a killed run left half-written, and all but the newest checkpoints."""
    for leftover in (out / "checkpoints").glob(".*ing-*"):
        shutil.rmtree(leftover, ignore_errors=True)
    for old in steps(out)[KEPT:]:
        remove(old)


def drop_newer(folder: Path) -> None:
    """Remove the checkpoints after `folder`: they are damaged, and training writes them again."""
    newer = [each for each in steps(folder.parent.parent) if int(each.name[5:]) > int(folder.name[5:])]
    for each in newer:
        remove(each)


def plain_tensors(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Contiguous CPU copies with memory of their own, as safetensors asks."""
    return {name: tensor.detach().to("cpu").contiguous().clone() for name, tensor in tensors.items()}


def _record(supernet: Supernet, recipe: Recipe, step: int, digests: dict[str, str]) -> dict[str, Any]:
    return {
        "_version": VERSION,
        "architecture": supernet.architecture.to_json(),
        "tasks": {task.name: task.to_json() for task in supernet.tasks},
        "space": supernet.space.to_json(),
        "recipe": recipe.to_json(),
        "step": step,
        "metrics": {},
        "random": {"seed": recipe.training.seed, "next_step": step},
        "digests": digests,
        "versions": {"torch": torch.__version__},
    }


def _read(folder: Path) -> Checkpoint:
    record = _checked_record(folder)
    try:
        tasks = tuple(Task.from_json(name, entry) for name, entry in record["tasks"].items())
        architecture = Architecture.from_json(record["architecture"])
        recipe = Recipe.from_json(record["recipe"], f"{folder / RECORD}")
        with torch.random.fork_rng(devices=[]):
            supernet = build_supernet(architecture, tasks, SearchSpace.from_json(record["space"]))
        supernet.load_state_dict(_tensors(folder / WEIGHTS))
    except (PliantError, AttributeError, RuntimeError) as error:
        raise CheckpointError(f"{folder} does not fit this pliant: {' '.join(str(error).split())}") from error
    return Checkpoint(folder, supernet.eval(), recipe, int(record["step"]), record["metrics"])


def _checked_record(folder: Path) -> dict[str, Any]:
    """The record of a checkpoint whose files are what it says they are."""
    try:
        record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
        if not isinstance(record, dict) or set(record) != _KEYS or record["_version"] != VERSION:
            raise CheckpointError(f"{folder / RECORD} is not a record of version {VERSION}")
        digests = record["digests"]
        if not {WEIGHTS, OPTIMIZER} <= set(digests) <= {WEIGHTS, OPTIMIZER, RAW, AUXILIARY}:
            raise CheckpointError(f"{folder / RECORD} names other files than a checkpoint has")
        for name, wanted in digests.items():
            if digest(folder / name) != wanted:
                raise CheckpointError(f"{folder / name} is damaged: its digest is not the recorded one")
    except (OSError, ValueError, KeyError, TypeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not a checkpoint's record"
        raise CheckpointError(f"{folder} is no whole checkpoint: {reason}") from error
    return record


def _tensors(path: Path) -> dict[str, Tensor]:
    try:
        return {name: tensor.clone() for name, tensor in load_file(path).items()}
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"{path} cannot be read: {error}") from error


def _write(path: Path, record: dict[str, Any]) -> None:
    path.write_text(json.dumps(record, indent=1, allow_nan=False), encoding="utf-8")
