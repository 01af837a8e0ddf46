"""Factorized search: given the encoder, the best decoders follow exactly; only the encoder is searched.

The tasks of a subnet share its encoder and nothing else. So one small table for each encoder, quality by (task, decoder
width), holds every subnet on it, and for a preference and a budget the best of them are a knapsack (knapsack.py),
solved exactly; of very many choices an even part is kept. What remains is to say which encoders to measure: a predictor
learns the tables of all encoders from those measured, and those are next whose predicted subnets would add most
hypervolume.

In several precisions it is an encoder in one of them that is measured, with every decoder in each: the knapsack
chooses each decoder's width and precision.
"""

from __future__ import annotations

import itertools
import random
from dataclasses import dataclass, replace

import moocore
import numpy as np
from numpy.typing import NDArray

from ...models.space import SubnetConfig
from ...quantize.assignment import Assignment
from ..floors import SLACK
from ..predictor import Foretold, Matrix, Predictor, flags_of
from .archive import Archive
from .ecmt import first_encoders
from .hypervolume import Points
from .interface import Found, Problem, Trunk
from .knapsack import Choices, best_choices
from .parts import NANOSECONDS

Planes = list[Points]
FIRST = 12
"""Encoders measured before anything is predicted, where evaluations are not scarce."""
TWINS = 4
"""Of them, those that are measured in every precision; the others in the cheapest alone."""
ENDS = 2
"""The narrowest and the widest, which are always among them."""
ROUND = 4
"""Encoders measured between two predictions."""
MOST, FEWEST = 512, 16
"""Choices of decoders that are kept on an encoder, divided among the preferences, and for each at least. Where tasks
are many there are more, at costs so near to each other that no budget tells them apart."""
POOL = 1024
"""Encoders looked at in a round, where there are more."""


@dataclass(frozen=True)
class Factorized:
    """Exact decoders on a searched encoder."""

    name: str = "factorized"

    def search(self, problem: Problem) -> Found:
        """Measure a few encoders, then by turns predict all others and measure the most promising."""
        archive = Archive(problem, best_decoders)
        rng = random.Random(f"factorized/{problem.seed}")
        archive.evaluate(_first(archive, rng))
        foretold = Foretold()
        while archive.left and (unknown := _pool(archive, rng)):
            predicted = _predicted(archive, unknown)
            chosen = _promising(archive, unknown, predicted, min(ROUND, archive.left))
            archive.evaluate(unknown[index] for index in chosen)
            measured = np.stack([_relative(archive, unknown[index]) for index in chosen])
            foretold.add(predicted[chosen].reshape(len(chosen), -1), measured.reshape(len(chosen), -1))
        return replace(archive.found(), predictions=len(foretold), foretold=foretold.fit())


def _first(archive: Archive, rng: random.Random) -> list[Trunk]:
    """Encoders from both ends and between, in the precision that costs least; some in the others, which tells how these
    differ. What it is better in is then a matter of prediction: where rounding costs nothing, nothing else is asked.
    """
    problem = archive.problem
    in_all, in_one = _start(problem.evaluations // 2, len(problem.parts))
    encoders = first_encoders(problem.space, rng, in_all + in_one)
    ordered = sorted(problem.parts, key=lambda each: archive.costs.trunk(Trunk(encoders[-1], each)))
    twins = [Trunk(encoder, precision) for encoder in encoders[:in_all] for precision in ordered]
    rest = [Trunk(encoder, ordered[0]) for encoder in encoders[in_all:]]
    return [*twins, *rest][: problem.evaluations]


def _start(room: int, precisions: int) -> tuple[int, int]:
    """How many encoders to begin with in every precision, and in one alone: of all evaluations no more than `room`,
    so that as many are left for what is predicted, but both ends in any case.

    Where room is scarce half of it goes to either: how precisions differ is to be learned, and how encoders do.
    """
    if precisions * TWINS + FIRST - TWINS <= room:
        return TWINS, FIRST - TWINS
    in_all = max(ENDS, min(TWINS, room // (2 * precisions)))
    return in_all, max(0, min(FIRST - in_all, room - precisions * in_all))


def best_decoders(archive: Archive, trunk: Trunk) -> list[SubnetConfig]:
    """On a measured encoder, the subnets that are best for some preference of the problem at some budget."""
    space = archive.problem.space
    kinds = list(itertools.product(archive.problem.on(*trunk), space.decoder_widths))
    found: dict[SubnetConfig, None] = {}
    for choices in _choices(archive, trunk, _relative(archive, trunk)):
        for options in choices.options:
            precisions, widths = zip(*(kinds[option] for option in options), strict=True)
            precision = Assignment(trunk.precision, precisions).precision
            found[SubnetConfig(trunk.encoder, tuple(zip(space.tasks, widths, strict=True)), precision)] = None
    return list(found)


def _promising(archive: Archive, unknown: list[Trunk], predicted: Matrix, count: int) -> list[int]:
    """Which `count` trunks are predicted to add most hypervolume, each to what those before it add."""
    offers = [_planes(archive, trunk, relative) for trunk, relative in zip(unknown, predicted, strict=True)]
    known: Planes = [_non_dominated(plane) for plane in archive.points]
    chosen: list[int] = []
    while len(chosen) < min(count, len(unknown)):
        volumes = [-1.0 if i in chosen else archive.volume.of(_joined(known, each)) for i, each in enumerate(offers)]
        chosen.append(int(np.argmax(volumes)))
        known = [_non_dominated(plane) for plane in _joined(known, offers[chosen[-1]])]
    return chosen


def _predicted(archive: Archive, unknown: list[Trunk]) -> Matrix:
    """(trunks, tasks, options) of relative quality."""
    known, problem = archive.trunks, archive.problem
    values = np.stack([_relative(archive, trunk) for trunk in known])
    predict = Predictor([_features(trunk, problem) for trunk in known], values.reshape(len(known), -1))
    found = predict([_features(trunk, problem) for trunk in unknown])
    return found.reshape(len(unknown), *values.shape[1:])


def _features(trunk: Trunk, problem: Problem) -> tuple[float, ...]:
    """Widths, and which of the precisions it is where there are several."""
    return (*trunk.encoder, *flags_of(trunk.precision, problem.parts))


def _relative(archive: Archive, trunk: Trunk) -> Matrix:
    """(tasks, options): quality relative to the widest's. Options are a decoder's widths, in each of its precisions."""
    space = archive.problem.space
    tables = [archive.tables[each] for each in archive.problem.on(*trunk).values()]
    by_option = archive.yardstick.relative(
        [{task: table[task][width] for task in space.tasks} for table in tables for width in space.decoder_widths]
    )
    order = [task.name for task in archive.problem.tasks]
    return by_option.T[[order.index(task) for task in space.tasks]]


def _choices(archive: Archive, trunk: Trunk, relative: Matrix) -> list[Choices]:
    """The best decoders that reach the floors and keep the limits, for each preference and all budgets.

    Limits are held to afterwards: exactly, but of choices that cost as much and gain more, one over a limit has hidden
    others that keep it.
    """
    problem = archive.problem
    costs = np.hstack([archive.costs.decoders(each) for each in problem.on(*trunk).values()])
    least = np.array([[archive.least.get(task, -np.inf)] for task in problem.space.tasks])
    relative = np.where(relative >= least - SLACK, relative, -np.inf)
    shares = [each.simplex for each in problem.preferences]
    most = max(FEWEST, MOST // len(shares))
    weights = [np.array([[share[task]] for task in problem.space.tasks]) for share in shares]
    best = (best_choices(relative * each, costs) for each in weights)
    return [each.where(_within(archive, trunk, each)).thinned(most) for each in best]


def _within(archive: Archive, trunk: Trunk, choices: Choices) -> NDArray[np.bool_]:
    """Which of them keep the limits: all parts add up."""
    limits, kept = archive.problem.limits, np.ones(len(choices.costs), np.bool_)
    tasks = np.arange(choices.options.shape[1])
    for limit, parts in ((limits.macs, archive.costs.macs), (limits.bytes, archive.costs.bytes)):
        if limit is not None:
            found = [parts(each) for each in archive.problem.on(*trunk).values()]
            decoders = np.hstack([each for _, each in found])
            kept &= min(base for base, _ in found) + decoders[tasks, choices.options].sum(1) <= limit
    if limits.latency_ms is not None:
        kept &= archive.costs.trunk(trunk) + choices.costs <= limits.latency_ms * NANOSECONDS
    return kept


def _planes(archive: Archive, trunk: Trunk, relative: Matrix) -> Planes:
    """For each preference (choices, 2): share of the widest's cost, and loss."""
    base, most = archive.costs.trunk(trunk), archive.widest.cost
    choices = _choices(archive, trunk, relative)
    return [np.column_stack([(each.costs + base) / most, 1.0 - each.gains]) for each in choices]


def _joined(one: Planes, other: Planes) -> Planes:
    return [np.concatenate(pair) for pair in zip(one, other, strict=True)]


def _non_dominated(plane: Points) -> Points:
    kept: Points = plane[moocore.is_nondominated(plane)]
    return kept


def _pool(archive: Archive, rng: random.Random) -> list[Trunk]:
    """Trunks that were not measured: all there are, or a draw of them."""
    space, precisions = archive.problem.space, archive.problem.parts
    if len(space.encoder_widths) ** space.stages * len(precisions) <= POOL:
        encoders = list(space.encoders())
    else:
        count = POOL // len(precisions)
        drawn = (tuple(rng.choice(space.encoder_widths) for _ in range(space.stages)) for _ in range(count))
        encoders = list(dict.fromkeys(drawn))
    trunks = (Trunk(encoder, precision) for encoder in encoders for precision in precisions)
    return [trunk for trunk in trunks if trunk not in archive.tables]
