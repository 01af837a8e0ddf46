"""What is compared: each method finds subnets at equal evaluations, and offers some of them for a preference."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from pliant.models.space import SubnetConfig
from pliant.search.algorithm import Candidate, Found, Problem, Trunk
from pliant.search.archive import Archive
from pliant.search.ecmt import Ecmt
from pliant.search.factorized import Factorized
from pliant.search.joint import Joint
from pliant.search.preference import Preference, rule_variants

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
    return _of(Factorized().search(replace(problem, space=space)))


def ecmt(problem: Problem) -> Outcome:
    """ECMT's rule: a preference's decoders by the rule, under any ceiling; the encoder searched."""
    found = Ecmt().search(problem)

    def offers(preference: Preference) -> list[Candidate]:
        allowed = set(rule_variants(problem.space, [preference]))
        return [each for each in found.candidates if each.config.decoders in allowed]

    return Outcome(found, offers)


def joint_fp32(problem: Problem) -> Outcome:
    """All widths at once, by predictors."""
    return _of(Joint().search(problem))


def random_search(problem: Problem) -> Outcome:
    """As many random subnets."""
    space, rng = problem.space, random.Random(f"random/{problem.seed}")
    configs = dict.fromkeys([space.narrowest, space.widest])
    while len(configs) < min(problem.evaluations, len(space)):
        configs[space.sample(rng)] = None
    return _of(_evaluated(problem, list(configs)))


def factorized(problem: Problem) -> Outcome:
    """Exact decoders, the encoder searched."""
    return _of(Factorized().search(problem))


METHODS: dict[str, Callable[[Problem], Outcome]] = {
    "uniform-width": uniform_width,
    "encoder-only": encoder_only,
    "ecmt": ecmt,
    "joint-fp32": joint_fp32,
    "random": random_search,
    "factorized": factorized,
}


def _of(found: Found) -> Outcome:
    return Outcome(found, lambda _preference: found.candidates)


def _evaluated(problem: Problem, configs: Sequence[SubnetConfig]) -> Found:
    """These subnets and nothing else."""
    free = replace(problem, evaluations=10**9, progress=None)
    archive = Archive(free, lambda _archive, _trunk: ())
    archive.evaluate(Trunk.of(config) for config in configs)
    return Found(tuple(archive.candidate(config) for config in configs), len(configs))
