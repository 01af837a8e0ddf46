"""A small supernet with images made up for it, and a search problem whose truth is a formula."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch

from pliant.models import Cost, PartCost, SearchSpace, SubnetConfig, Supernet, build_supernet
from pliant.models.architecture import Architecture
from pliant.quantize.assignment import Assignment
from pliant.runtime.format.tasks import Task
from pliant.search.algorithms.archive import Archive
from pliant.search.algorithms.hypervolume import Volume
from pliant.search.algorithms.interface import Candidate, Problem, Trunk, Wanted
from pliant.search.latency.clock import ThisMachine, probes
from pliant.search.latency.model import LatencyModel
from pliant.search.latency.timing import EFFORT
from pliant.search.preference import rule_variants, standard_preferences
from pliant.search.quality.data import SearchData
from pliant.search.score import Yardstick
from pliant.training.checkpoints.checkpoint import Checkpoint
from pliant.training.data.batches import Batch
from pliant.training.evaluation.evaluator import Demand, Encoder, Table
from pliant.training.recipe.recipe import Recipe

TASKS = (
    Task("surfaces", "segmentation", ("floor", "wall", "thing")),
    Task("depth", "depth", value_range=(0.3, 10.0)),
    Task("edges", "edges"),
)
NAMES = tuple(sorted(task.name for task in TASKS))
HEIGHT, WIDTH = 32, 32


def make_supernet(seed: int = 0) -> Supernet:
    """A ResNet-10 of 8 to 64 channels, three dense tasks."""
    architecture = Architecture("resnet10", HEIGHT, WIDTH, base=16, decoder_channels=16, skip_channels=8)
    torch.manual_seed(seed)
    return build_supernet(architecture, TASKS, SearchSpace(4, NAMES, (0.5, 1.0), (0.5, 1.0))).eval()


def make_batches(count: int, seed: int, size: int = 2) -> tuple[Batch, ...]:
    """Noise with labels that are noise."""
    rng = torch.Generator().manual_seed(seed)

    def one() -> Batch:
        shape = (size, HEIGHT, WIDTH)
        images = torch.randint(0, 256, (*shape, 3), generator=rng, dtype=torch.uint8)
        targets = {
            "surfaces": torch.randint(0, 3, shape, generator=rng),
            "depth": 0.5 + 4.0 * torch.rand(shape, generator=rng),
            "edges": torch.randint(0, 2, shape, generator=rng).float(),
        }
        return Batch(images, targets)

    return tuple(one() for _ in range(count))


def make_data(seed: int = 0) -> SearchData:
    """Two batches to recalibrate and calibrate on, two others to validate on."""
    training = make_batches(2, seed)
    shown = np.concatenate([np.asarray(batch.images) for batch in training])
    return SearchData("noise", "validation", training, make_batches(2, seed + 1), (shown,))


def make_clock(checkpoint: Checkpoint, count: int) -> ThisMachine:
    """This machine, with the fewest runs that a search takes: tests look at what becomes of latencies."""
    return ThisMachine(checkpoint.supernet, 1, count=count, effort=dataclasses.replace(EFFORT, seconds=0.0))


def make_checkpoint(folder: Path, seed: int = 0) -> Checkpoint:
    """A checkpoint of an untrained supernet; its recipe is that of another network, but for the search."""
    recipe = Recipe.model_validate({"data": {"name": "scenes"}, "search": {"evaluations": 8, "population": 4}})
    return Checkpoint(folder, make_supernet(seed), recipe, 0)


class Formula:
    """Quality as a smooth function of widths, and how often it was asked for.

    Of `fragile` tasks a decoder in int8 loses a tenth; nothing else does by precision.
    """

    def __init__(self, space: SearchSpace, importance: tuple[float, ...], fragile: tuple[str, ...] = ()):
        self.space, self.importance, self.fragile = space, importance, fragile
        self.asked: list[Encoder] = []
        self.demands: list[Demand] = []

    def evaluate(self, wanted: Sequence[Wanted]) -> Iterator[Table]:
        for trunk, demand in wanted:
            table = self._table(trunk.encoder, demand)
            low = Assignment.of(trunk.precision, len(self.space.tasks)).decoders[0] == "int8"
            for task in self.fragile if low else ():
                table[task] = {width: 0.9 * value for width, value in table.get(task, {}).items()}
            yield {task: table[task] for task in demand}

    def _table(self, encoder: Encoder, demand: Demand) -> Table:
        self.asked.append(encoder)
        self.demands.append(demand)
        gain = sum(share * width**0.5 for share, width in zip(self.importance, encoder, strict=True))
        return {
            task: {width: (1.0 - gain * (0.7 + 0.3 * width)) + 0.1 for width in widths}
            if task == "depth"
            else {width: gain * (0.7 + 0.3 * width) for width in widths}
            for task, widths in demand.items()
        }


def formula_cost(config: SubnetConfig) -> Cost:
    """Each stage costs the same at full width, a decoder half of that."""
    encoder = sum(int(1000 * width**2) for width in config.encoder)
    decoders = {task: PartCost(int(500 * width**2), 1) for task, width in config.decoders}
    return Cost(PartCost(encoder, 1), decoders)


def formula_problem(evaluations: int = 40, seed: int = 0, stages: int = 4) -> tuple[Problem, Formula]:
    """256 encoders, of which the first stages matter most."""
    space = SearchSpace(stages, NAMES)
    source = Formula(space, tuple(weight / 10 for weight in (4, 3, 2, 1))[:stages])
    preferences = standard_preferences(NAMES)
    return Problem(space, TASKS, formula_cost, source, preferences, evaluations, 12, seed), source


def priced(problem: Problem) -> Problem:
    """By latency: every part in int8 takes half, and by the formula loses nothing."""
    drawn = probes(problem.space, 80, ("fp32", "int8"))
    known = {config: _price(problem, config) for config in drawn}
    models = {
        own: LatencyModel(
            problem.space,
            problem.tasks,
            {config: each for config, each in known.items() if config.precision.partition("-")[0] == own},
        )
        for own in ("fp32", "int8")
    }
    return dataclasses.replace(problem, latency=models, parts=("fp32", "int8"))


def _price(problem: Problem, config: SubnetConfig) -> float:
    """Milliseconds by the formula's multiply-adds."""
    cost, assigned = problem.cost(config), Assignment.of(config.precision, len(problem.space.tasks))
    half = {"fp32": 1.0, "int8": 0.5}
    decoders = zip(cost.decoders.values(), assigned.decoders, strict=True)
    return (cost.encoder.macs * half[assigned.encoder] + sum(each.macs * half[own] for each, own in decoders)) / 1000


def by_rule(problem: Problem) -> Archive:
    """An archive that keeps the decoders of ECMT's rule."""
    variants = rule_variants(problem.space, problem.preferences)
    return Archive(problem, lambda _archive, trunk: map(trunk.config, variants))


def volume_of(problem: Problem, candidates: tuple[Candidate, ...] | None) -> float:
    """Hypervolume of candidates, or of the whole space."""
    if candidates is None:
        archive = by_rule(dataclasses.replace(problem, evaluations=10_000))
        archive.evaluate(map(Trunk, problem.space.encoders()))
        candidates = archive.found().candidates
    by_config = {each.config: each for each in candidates}
    low, high = by_config[problem.space.narrowest], by_config[problem.space.widest]
    volume = Volume.between(Yardstick(problem.tasks, high.quality), problem.preferences, low, high)
    return volume.of(volume.points(candidates))
