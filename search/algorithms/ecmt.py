"""ECMT's search (Aich et al., ICCV 2023): decoder widths by the rule, the encoder by evolution.

Each preference has an NSGA-II over the encoder's widths and the rule's ceiling, with two objectives: the preference's
loss of quality and the cost. Two objectives serve all budgets at once: a budget picks the best that it can pay. All
evolutions share each true evaluation: an encoder is measured with every decoder width.
"""

from __future__ import annotations

import itertools
import math
import random
from dataclasses import dataclass

from ...models.space import SearchSpace, SubnetConfig
from ...training.evaluation.evaluator import Encoder
from ..preference import Preference, rule_variants
from .archive import Archive
from .evolution import Evolution, Genes
from .interface import Found, Problem, Trunk


@dataclass(frozen=True)
class Ecmt:
    """ECMT's rule with a searched encoder."""

    name: str = "ecmt"

    def search(self, problem: Problem) -> Found:
        """Measure a first population, then evolve it for all preferences in turn until evaluations are used up."""
        variants = rule_variants(problem.space, problem.preferences)
        archive = Archive(problem, lambda _archive, trunk: map(trunk.config, variants))
        rng = random.Random(f"ecmt/{problem.seed}")
        archive.evaluate(map(Trunk, first_encoders(problem.space, rng, min(problem.population, problem.evaluations))))
        runs = [_Run(archive, preference, index) for index, preference in enumerate(problem.preferences)]
        while archive.left:
            before = len(archive.trunks)
            for run in runs:
                run.generation()
            if len(archive.trunks) == before and not _immigrate(archive, rng):
                break
        return archive.found()


class _Run:
    """The evolution of one preference."""

    def __init__(self, archive: Archive, preference: Preference, index: int):
        problem = archive.problem
        self.archive, self.preference, self.told = archive, preference, 0
        space = problem.space
        self._decoders = rule_variants(space, [preference])
        levels = [len(space.encoder_widths)] * space.stages + [len(self._decoders)]
        # A round over all preferences costs about one population.
        offspring = max(2, math.ceil(problem.population / len(problem.preferences)))
        seed = problem.seed * 1009 + index
        self.evolution = Evolution(levels, 2, problem.population, offspring, seed)

    def generation(self) -> None:
        """Learn what was measured since, by anyone, and measure the next offspring's encoders."""
        fresh = self.archive.trunks[self.told :]
        self.told = len(self.archive.trunks)
        if fresh:
            individuals = [(trunk.encoder, ceiling) for trunk in fresh for ceiling in range(len(self._decoders))]
            genes = [self._genes(encoder, ceiling) for encoder, ceiling in individuals]
            self.evolution.tell(genes, [self._objectives(*each) for each in individuals])
        brood = self.evolution.ask(lambda genes: Trunk(self._encoder(genes)) not in self.archive.tables)
        self.archive.evaluate(Trunk(self._encoder(genes)) for genes in brood)

    def _encoder(self, genes: Genes) -> Encoder:
        widths = self.archive.problem.space.encoder_widths
        return tuple(widths[gene] for gene in genes[:-1])

    def _genes(self, encoder: Encoder, ceiling: int) -> Genes:
        widths = self.archive.problem.space.encoder_widths
        return (*(widths.index(width) for width in encoder), ceiling)

    def _objectives(self, encoder: Encoder, ceiling: int) -> tuple[float, float]:
        candidate = self.archive.candidates[SubnetConfig(encoder, self._decoders[ceiling])]
        loss = 1.0 - self.archive.yardstick.score(self.preference, candidate.quality)
        return loss, candidate.cost / self.archive.widest.cost


def first_encoders(space: SearchSpace, rng: random.Random, count: int) -> list[Encoder]:
    """Uniform encoders from both ends, then random ones; `count` in all, or as many as there are."""
    uniform: list[Encoder] = [(width,) * space.stages for width in space.encoder_widths]
    chosen = dict.fromkeys([uniform[0], uniform[-1], *uniform[1:-1]][:count])
    total = len(space.encoder_widths) ** space.stages
    while len(chosen) < min(count, total):
        chosen[tuple(rng.choice(space.encoder_widths) for _ in range(space.stages))] = None
    return list(chosen)


def _immigrate(archive: Archive, rng: random.Random) -> bool:
    """Measure a random encoder that nobody has: the evolutions have converged, but evaluations are left."""
    space = archive.problem.space
    trunks = map(Trunk, itertools.islice(space.encoders(), 100_000))
    unknown = [trunk for trunk in trunks if trunk not in archive.tables]
    archive.evaluate([rng.choice(unknown)] if unknown else [])
    return bool(unknown)
