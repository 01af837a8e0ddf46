"""All that one search has measured so far, and the count of what it may still measure."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from ..models.space import SubnetConfig
from ..training.evaluator import Encoder
from .algorithm import Candidate, Found, Problem
from .hypervolume import Volume
from .preference import decoder_widths
from .score import Yardstick

Decoders = tuple[tuple[str, float], ...]


class Archive:
    """True evaluations of a search over encoders, whose decoders are one of `variants`.

    Widest and narrowest are measured at once. Each further encoder counts against `problem.evaluations`, whether its
    table comes from a log or is measured now, so that a resumed search walks the same path.
    """

    def __init__(self, problem: Problem, variants: Iterable[Decoders]):
        self.problem = problem
        self.variants = tuple(dict.fromkeys(variants))
        self.candidates: dict[SubnetConfig, Candidate] = {}
        self.encoders: list[Encoder] = []
        space = problem.space
        for config in (space.narrowest, space.widest):
            self._measure(config.encoder, [config.decoders, *self.variants])
        self.narrowest, self.widest = self.candidates[space.narrowest], self.candidates[space.widest]
        self.yardstick = Yardstick(problem.tasks, self.widest.quality)
        self.volume = Volume.between(self.yardstick, problem.preferences, self.narrowest, self.widest)
        self._points = self.volume.points(list(self.candidates.values()))
        self._report()

    @property
    def left(self) -> int:
        """Encoders that may still be evaluated."""
        return max(0, self.problem.evaluations - len(self.encoders))

    def evaluate(self, encoder: Encoder) -> bool:
        """Measure an encoder with all variants; False where it was known, or nothing is left."""
        if encoder in self.encoders or not self.left:
            return False
        fresh = self._measure(encoder, self.variants)
        self._points = np.concatenate([self._points, self.volume.points(fresh)], axis=1)
        self._report()
        return True

    def found(self) -> Found:
        """The result."""
        return Found(tuple(self.candidates.values()), len(self.encoders))

    def _measure(self, encoder: Encoder, variants: Iterable[Decoders]) -> list[Candidate]:
        if encoder not in self.encoders:
            self.encoders.append(encoder)
        configs = [SubnetConfig(encoder, decoders) for decoders in variants]
        demand: dict[str, set[float]] = {}
        for config in configs:
            for task, width in config.decoders:
                demand.setdefault(task, set()).add(width)
        table = self.problem.source.table(encoder, demand)
        fresh = []
        for config in configs:
            if config not in self.candidates:
                cost = self.problem.cost(config)
                quality = {task: table[task][width] for task, width in config.decoders}
                self.candidates[config] = Candidate(config, quality, cost.macs, cost.bytes)
                fresh.append(self.candidates[config])
        return fresh

    def _report(self) -> None:
        if self.problem.progress is not None:
            total = max(self.problem.evaluations, len(self.encoders))
            self.problem.progress(len(self.encoders), total, self.volume.of(self._points))


def rule_variants(problem: Problem) -> list[Decoders]:
    """Decoder widths that ECMT's rule gives for the problem's preferences, at every ceiling."""
    widths = problem.space.decoder_widths
    return [decoder_widths(problem.space, each, ceiling) for each in problem.preferences for ceiling in widths]
