"""What is compared: each method finds subnets at equal evaluations, and offers some of them for a preference."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from pliant.models.space import SubnetConfig
from pliant.search.algorithms.ecmt import Ecmt
from pliant.search.algorithms.factorized import Factorized
from pliant.search.algorithms.interface import Algorithm, Candidate, Found, Problem, Trunk, tables_of
from pliant.search.algorithms.joint import Joint
from pliant.search.algorithms.parts import PartCosts
from pliant.search.algorithms.selection import non_dominated
from pliant.search.preference import Preference, rule_variants
from pliant.search.score import Yardstick

INT8 = "int8"
Offers = Callable[[Preference], Sequence[Candidate]]


@dataclass(frozen=True)
class Outcome:
    """All that a method found, and what it would choose from for a preference."""

    found: Found
    offers: Offers


def uniform_width(problem: Problem) -> Outcome:
    """A slimmable network's knob: one width for all; a preference turns nothing."""
    space = problem.space
    return _of(_evaluated(problem, [space.uniform(width, width) for width in space.encoder_widths]))


def encoder_only(problem: Problem) -> Outcome:
    """Slim the encoder only, searched; decoders at full width."""
    space = replace(problem.space, decoder_widths=(1.0,))
    return _of(Factorized().search(replace(_in_fp32(problem), space=space)))


def ecmt(problem: Problem) -> Outcome:
    """ECMT's rule: a preference's decoders by the rule, under any ceiling; the encoder searched."""
    found = Ecmt().search(_in_fp32(problem))

    def offers(preference: Preference) -> list[Candidate]:
        allowed = set(rule_variants(problem.space, [preference]))
        return [each for each in found.candidates if each.config.decoders in allowed]

    return Outcome(found, offers)


def joint_fp32(problem: Problem) -> Outcome:
    """All widths at once, by predictors."""
    return _of(Joint().search(_in_fp32(problem)))


def search_then_int8(problem: Problem) -> Outcome:
    """The factorized search in fp32, then int8."""
    return _then_int8(problem, Factorized())


def joint_then_int8(problem: Problem) -> Outcome:
    """The joint search of widths in fp32, then int8: what `joint` is to be compared with, by the same means."""
    return _then_int8(problem, Joint())


def _then_int8(problem: Problem, algorithm: Algorithm) -> Outcome:
    """Search in fp32 with half of the evaluations; with the rest measure what was best in int8, and rank anew."""
    searched = algorithm.search(replace(_in_fp32(problem), evaluations=-(-problem.evaluations // 2)))
    best = non_dominated(searched.candidates, Yardstick(problem.tasks, _widest(problem, searched).quality))
    trunks = dict.fromkeys(Trunk(each.config.encoder, INT8) for each in best)
    left = list(trunks)[: max(0, problem.evaluations - searched.evaluations)]
    space = problem.space
    everything = dict.fromkeys(space.tasks, space.decoder_widths)
    tables = problem.source.evaluate([(trunk, everything) for trunk in left])
    costs = PartCosts.of(problem)
    twins = [
        costs.candidate(trunk.config(each.config.decoders), table)
        for trunk, table in zip(left, tables, strict=True)
        for each in best
        if each.config.encoder == trunk.encoder
    ]
    return _of(Found((*searched.candidates, *twins), searched.evaluations + len(left)))


def joint(problem: Problem) -> Outcome:
    """All widths and precision at once, by predictors."""
    return _of(Joint().search(problem))


def factorized_int8(problem: Problem) -> Outcome:
    """Exact decoders; the encoder and precision searched."""
    return _of(Factorized().search(problem))


def random_search(problem: Problem) -> Outcome:
    """As many random subnets."""
    space, rng = problem.space, random.Random(f"random/{problem.seed}")
    configs = dict.fromkeys([space.narrowest, space.widest])
    while len(configs) < min(problem.evaluations, space.size):
        configs[space.sample(rng)] = None
    return _of(_evaluated(problem, list(configs)))


def factorized(problem: Problem) -> Outcome:
    """Exact decoders, the encoder searched."""
    return _of(Factorized().search(_in_fp32(problem)))


METHODS: dict[str, Callable[[Problem], Outcome]] = {
    "uniform-width": uniform_width,
    "encoder-only": encoder_only,
    "ecmt": ecmt,
    "joint-fp32": joint_fp32,
    "search-then-int8": search_then_int8,
    "joint-then-int8": joint_then_int8,
    "joint": joint,
    "random": random_search,
    "factorized": factorized,
    "factorized-int8": factorized_int8,
}
"""All by name; those that know int8 need a problem that does."""
INTEGERS = ("search-then-int8", "joint-then-int8", "joint", "factorized-int8")


def _in_fp32(problem: Problem) -> Problem:
    return replace(problem, parts=("fp32",))


def _widest(problem: Problem, found: Found) -> Candidate:
    return next(each for each in found.candidates if each.config == problem.space.widest)


def _of(found: Found) -> Outcome:
    return Outcome(found, lambda _preference: found.candidates)


def _evaluated(problem: Problem, configs: Sequence[SubnetConfig]) -> Found:
    """These subnets and nothing else."""
    costs = PartCosts.of(problem)
    return Found(tuple(map(costs.candidate, configs, tables_of(problem, configs))), len(configs))
