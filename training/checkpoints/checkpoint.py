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
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from ...devices.errors import CheckpointError, PliantError
from ...models.architecture import Architecture
from ...models.space import SearchSpace
from ...models.supernet import Supernet, build_supernet
from ...runtime.format.tasks import Task
from ..disk import digest
from ..recipe.recipe import Recipe
from .folders import AUXILIARY, OPTIMIZER, RAW, RECORD, VERSION, WEIGHTS, steps

Tensors = dict[str, Tensor]
_KEYS = {"_version", "architecture", "tasks", "space", "recipe", "step", "metrics", "random", "digests", "versions"}
# Keys that records of version 1 may lack; and what a recipe in one meant that said nothing of these.
_LATER = {"images"}
_MEANT = {"sampling": "sandwich", "widest_weight": 1.0, "soft_labels": {"weight": 0.0}}


class Damaged(CheckpointError):
    """A checkpoint that is not what was written: half there, or changed. An older one may be whole."""


@dataclass(frozen=True)
class Checkpoint:
    """A supernet as it was after `step` steps, in evaluation mode on the CPU.

    `folder` is the step's own; `images` is how many an epoch trains on, None where that was not written down. `metrics`
    holds what was measured at the end of training (`{"quality": [...]}`, see evaluation/protocol.py), and is empty
    before.
    """

    folder: Path
    supernet: Supernet
    recipe: Recipe
    step: int
    images: int | None = None
    metrics: dict[str, Any] = field(default_factory=dict)

    @property
    def space(self) -> SearchSpace:
        """The supernet's search space."""
        return self.supernet.space

    @property
    def tasks(self) -> tuple[Task, ...]:
        """The supernet's tasks."""
        return self.supernet.tasks


def load_checkpoint(path: str | Path) -> Checkpoint:
    """Read the newest whole checkpoint of OUT, or the one of a step folder; CheckpointError where there is none."""
    folder, _ = resolve(path)
    return _read(folder)


def resolve(path: str | Path) -> tuple[Path, list[str]]:
    """The folder of the newest whole checkpoint of OUT (or `path`, a step folder), and a line for each damaged one.

    Raises CheckpointError where none is whole, and at once where one cannot be read for another reason than damage: it
    may be whole.
    """
    path = Path(path)
    folders = [path] if (path / RECORD).exists() or path.name.startswith("step-") else steps(path)
    problems = []
    for folder in folders:
        try:
            checked_record(folder)
        except Damaged as error:
            problems.append(str(error))
        else:
            return folder, problems
    if problems:
        raise CheckpointError("; ".join(problems))
    raise CheckpointError(f"no checkpoint in {path}: give a folder that `pliant train --out` wrote")


def read_beside(folder: Path, name: str) -> Tensors:
    """The tensors of `OPTIMIZER` (by `<parameter>/<state>`), `RAW` or `AUXILIARY`; none where there is no such file."""
    return _tensors(folder / name) if (folder / name).exists() else {}


def _read(folder: Path) -> Checkpoint:
    record = checked_record(folder)
    try:
        tasks = tuple(Task.from_json(name, entry) for name, entry in record["tasks"].items())
        architecture = Architecture.from_json(record["architecture"])
        written = {**record["recipe"], "training": {**_MEANT, **record["recipe"].get("training", {})}}
        recipe = Recipe.from_json(written, f"{folder / RECORD}")
        with torch.random.fork_rng(devices=[]):
            supernet = build_supernet(architecture, tasks, SearchSpace.from_json(record["space"]))
        supernet.load_state_dict(_tensors(folder / WEIGHTS))
    except (PliantError, AttributeError, RuntimeError, TypeError, ValueError) as error:
        raise CheckpointError(f"{folder} does not fit this pliant: {' '.join(str(error).split())}") from error
    return Checkpoint(folder, supernet.eval(), recipe, record["step"], record.get("images"), record["metrics"])


def checked_record(folder: Path) -> dict[str, Any]:
    """The record of a checkpoint whose files are what it says they are; Damaged where they are not."""
    try:
        record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
        if isinstance(record, dict) and record.get("_version", VERSION) != VERSION:
            raise CheckpointError(
                f"{folder / RECORD} is of another version of pliant: this one reads version {VERSION}"
            )
        if not isinstance(record, dict) or set(record) - _LATER != _KEYS:
            raise Damaged(f"{folder / RECORD} is not a record of version {VERSION}")
        if not _sound(record):
            raise Damaged(f"{folder / RECORD} says what no training wrote there")
        digests = record["digests"]
        if not {WEIGHTS, OPTIMIZER} <= set(digests) <= {WEIGHTS, OPTIMIZER, RAW, AUXILIARY}:
            raise Damaged(f"{folder / RECORD} names other files than a checkpoint has")
        for name, wanted in digests.items():
            if digest(folder / name) != wanted:
                raise Damaged(f"{folder / name} is damaged: its digest is not the recorded one")
    except FileNotFoundError as error:
        raise Damaged(f"{folder} is no whole checkpoint: {error.strerror}") from error
    except OSError as error:
        raise CheckpointError(
            f"cannot read {folder}: {error.strerror}; mend that, or remove it to go on from an older one"
        ) from error
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise Damaged(f"{folder} is no whole checkpoint: not a checkpoint's record") from error
    return record


def _sound(record: dict[str, Any]) -> bool:
    """Whether what is counted is a number, and what is looked into a mapping."""
    counts = [record["step"], *(record[name] for name in _LATER & set(record) if record[name] is not None)]
    mappings = [record[name] for name in ("digests", "metrics", "recipe", "tasks")]
    return all(type(each) is int and each >= 0 for each in counts) and all(isinstance(each, dict) for each in mappings)


def _tensors(path: Path) -> dict[str, Tensor]:
    try:
        return {name: tensor.clone() for name, tensor in load_file(path).items()}
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"{path} cannot be read: {error}") from error
