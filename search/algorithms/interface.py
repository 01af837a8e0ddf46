"""What a search algorithm is given and what it gives: the interface that all of them share."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, Protocol

from ...models.cost import Cost
from ...models.space import SearchSpace, SubnetConfig
from ...quantize.assignment import FP32, Assignment, assigned_to, even_assignments
from ...runtime.format.tasks import Task
from ...training.evaluation.evaluator import Demand, Encoder, Table
from ..floors import NONE, Floors
from ..latency.model import LatencyModel
from ..limits import UNLIMITED, Limits
from ..predictor import Fit
from ..preference import Decoders, Preference

Progress = Callable[[int, int, float], None]
"""Called after each true evaluation: how many are done, how many there may be, hypervolume so far."""


class Trunk(NamedTuple):
    """An encoder, and a precision: its own and that of all decoders on it, assigned where these have another."""

    encoder: Encoder
    precision: str = "fp32"

    @classmethod
    def of(cls, config: SubnetConfig) -> Trunk:
        """The trunk of a subnet."""
        return cls(config.encoder, config.precision)

    def config(self, decoders: Decoders) -> SubnetConfig:
        """The subnet with these decoders."""
        return SubnetConfig(self.encoder, decoders, self.precision)


Wanted = tuple[Trunk, Demand]


class TableSource(Protocol):
    """Where true quality comes from (quality/source.py)."""

    def evaluate(self, wanted: Sequence[Wanted]) -> Iterator[Table]:
        """Quality of the demanded decoders on each trunk, in this order: task -> decoder width -> metric.

        They are taken one by one, and may be measured side by side.
        """
        ...


@dataclass(frozen=True)
class Problem:
    """What to search.

    `evaluations` bounds the trunks that are truly evaluated, `population` is that of an evolution. With a `latency`, by
    the encoder's precision, budgets are of latency, else of multiply-adds. A subnet's encoder and each of its decoders
    may have any of the precisions in `parts`. Below its `floors`, and over its `limits`, nothing is worth having. The
    result depends on this and on nothing else: same problem, same candidates.
    """

    space: SearchSpace
    tasks: tuple[Task, ...]
    cost: Callable[[SubnetConfig], Cost]
    source: TableSource
    preferences: tuple[Preference, ...]
    evaluations: int
    population: int = 24
    seed: int = 0
    progress: Progress | None = None
    latency: Mapping[str, LatencyModel] | None = None
    floors: Floors = NONE
    parts: tuple[str, ...] = (FP32,)
    limits: Limits = UNLIMITED

    def on(self, encoder: Encoder, precision: str) -> dict[str, Trunk]:
        """An encoder in a precision of its own, by each precision that decoders may have on it."""
        every = even_assignments(len(self.space.tasks), self.parts)
        return {each.decoders[0]: Trunk(encoder, each.precision) for each in every if each.encoder == precision}


@dataclass(frozen=True)
class Candidate:
    """A subnet whose quality (the metric, by task) was measured; `macs` of one image, `bytes` of weights.

    `nanoseconds` is its estimated latency where the search is for latency.
    """

    config: SubnetConfig
    quality: dict[str, float]
    macs: int
    bytes: int
    nanoseconds: int | None = None

    @property
    def cost(self) -> int:
        """What budgets limit: nanoseconds, or multiply-adds where there is no latency."""
        return self.macs if self.nanoseconds is None else self.nanoseconds


@dataclass(frozen=True)
class Found:
    """What a search measured: candidates without repetition, widest and narrowest among them, in a fixed order.

    `foretold` says how well the quality of `predictions` evaluations was predicted before they were made.
    """

    candidates: tuple[Candidate, ...]
    evaluations: int
    predictions: int = 0
    foretold: Fit | None = None

    def without(self, gone: Collection[SubnetConfig]) -> Found:
        """The same without some of the candidates."""
        return replace(self, candidates=tuple(each for each in self.candidates if each.config not in gone))


class Algorithm(Protocol):
    """A way to search; implementations keep no state between searches."""

    @property
    def name(self) -> str:
        """The name in a front's provenance."""
        ...

    def search(self, problem: Problem) -> Found:
        """Evaluate subnets, at most `problem.evaluations` encoders."""
        ...


def by_task(config: SubnetConfig) -> dict[str, Trunk]:
    """The trunk that tells each task's quality and cost: the subnet's encoder, with all decoders as that task's is."""
    count, assigned = len(config.decoders), assigned_to(config)
    trunks = {
        each: Trunk(config.encoder, Assignment(assigned.encoder, (each,) * count).precision)
        for each in set(assigned.decoders)
    }
    return {task: trunks[each] for (task, _), each in zip(config.decoders, assigned.decoders, strict=True)}


def tables_of(problem: Problem, configs: Sequence[SubnetConfig]) -> Iterator[Table]:
    """True quality of single subnets, each with nothing but its own decoders, one after the other as they are taken."""
    trunks = [by_task(config) for config in configs]
    wanted = [
        (trunk, {task: (width,) for task, width in config.decoders if own[task] == trunk})
        for config, own in zip(configs, trunks, strict=True)
        for trunk in dict.fromkeys(own.values())
    ]
    found = problem.source.evaluate(wanted)
    for own in trunks:
        table: Table = {}
        for _ in dict.fromkeys(own.values()):
            table |= next(found)
        yield table
