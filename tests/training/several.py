"""What a process of tests/training/test_distributed.py runs: `python -m pliant.tests.training.several OUT JSON`.

JSON holds the recipe's settings and what to do to whom. All is computed in float64: in float32 the order in which
floats are added, which depends on how a batch is shared out, moves weights by more than what is tested within 20 steps.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from safetensors.torch import save_file

from pliant import DataError
from pliant.cli.failing import report
from pliant.cli.training import together
from pliant.runtime.format.tasks import Task
from pliant.training import loop
from pliant.training.checkpoints import writing
from pliant.training.data.sample import Sample
from pliant.training.optimization.sampling import subnets_at
from pliant.training.optimization.step import train_step
from pliant.training.prepare import TrainingData
from pliant.training.recipe.recipe import Recipe

from .tiny import DEPTH, SEGMENTATION, tiny_recipe

TASKS = (
    SEGMENTATION,
    DEPTH,
    Task("normals", "normals"),
    Task("edges", "edges"),
    Task("room", "classification", ("kitchen", "bath")),
)
STEPS = 20


class Rooms:
    """Random pictures of 16x24 with labels of every kind, each missing in some pictures and some pixels."""

    name = "rooms"
    tasks: tuple[Task, ...] = TASKS

    def __init__(self, count: int, seed: int, damaged: bool = False):
        self.count, self.seed, self.damaged = count, seed, damaged

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> Sample:
        if self.damaged and index == 7:
            raise DataError("room 7 is damaged: copy it again")
        rng = np.random.default_rng((self.seed, index))
        image = rng.integers(0, 256, (16, 24, 3), dtype=np.uint8)
        normals = rng.normal(size=(16, 24, 3)).astype(np.float32)
        normals /= np.linalg.norm(normals, axis=-1, keepdims=True)
        normals[:, :3] = 0
        targets: dict[str, Any] = {
            "segmentation": rng.choice([0, 1, 2, 255], (16, 24)).astype(np.uint8),
            "depth": (rng.uniform(1, 5, (16, 24)) * (rng.random((16, 24)) > index / 30)).astype(np.float32),
            "normals": normals,
            "edges": rng.choice([0, 0, 0, 1, 255], (16, 24)).astype(np.uint8),
            "room": np.array(rng.integers(0, 2)),
        }
        missing = [task.name for number, task in enumerate(TASKS) if (index + number) % 3 == 0]
        return Sample(image, {name: target for name, target in targets.items() if name not in missing})


def recipe_of(settings: list[str]) -> Recipe:
    """20 steps of 5 images each, so that shares are unequal; the default recipe but for its size.

    And with channels sorted where narrow subnets join, at step 5: the order must be that of one process.
    """
    small = ("training.batch_size=5", "training.epochs=5", "training.checkpoint_every=10", "model.aspp_rates=[2]")
    return tiny_recipe(*small, "training.sort=activation", *settings)


def _in_float64() -> None:
    torch.set_default_dtype(torch.float64)
    torch.Tensor.float = torch.Tensor.double  # type: ignore[method-assign]


def _sampled(path: Path) -> None:
    """Keep which subnets this process trains."""

    def kept(*args: Any) -> Any:
        subnets = subnets_at(*args)
        with path.open("a") as file:
            file.write(json.dumps([args[2], [subnet.to_json() for subnet in subnets]]) + "\n")
        return subnets

    patch.object(loop, "subnets_at", kept).start()


def _at(step: int, number: int) -> None:
    """Send this process a signal in the middle of a step."""

    def struck(*args: Any, **named: Any) -> Any:
        if args[5] == step:
            os.kill(os.getpid(), number)
        return train_step(*args, **named)

    patch.object(loop, "train_step", struck).start()


def _write_slowly(seconds: float) -> None:
    """As on a disk of the network: longer than processes wait for each other to speak."""
    save = save_file

    def slow(*args: Any, **named: Any) -> Any:
        time.sleep(seconds)
        return save(*args, **named)

    patch.object(writing, "save_file", slow).start()


def _fill_the_disk() -> None:
    """Fill up the disk, as far as checkpoints can see."""

    def full(*args: Any, **named: Any) -> Any:
        raise OSError(28, "No space left on device")

    patch.object(writing, "save_file", full).start()


def main(out: Path, asked: dict[str, Any]) -> int:
    rank = int(os.environ.get("RANK", "0"))
    mine = asked.get("at", [None])[0] == rank
    _in_float64()
    _sampled(out.with_name(f"{out.name}-sampled-{rank}"))
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if mine and "signal" in asked:
        _at(asked["at"][1], asked["signal"])
    if "slow" in asked:
        _write_slowly(asked["slow"])
    if mine and asked.get("full"):
        _fill_the_disk()
    data = TrainingData(Rooms(20, 0, mine and asked.get("damaged", False)), Rooms(6, 1))
    try:
        with together() as ranks:
            recipe = recipe_of([*asked.get("settings", []), *(asked.get("others", []) if rank else [])])
            result = loop.train(recipe, out, asked.get("resume", False), data=data, ranks=ranks)
            print(json.dumps([result.resumed_from, result.quality]))
        return 0
    except (Exception, KeyboardInterrupt) as error:
        return report(error)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), json.loads(sys.argv[2])))
