"""What evaluations cost: an encoder with all decoders is more work than one subnet, though each is one evaluation."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pliant.search.algorithms.interface import Problem, TableSource, Wanted
from pliant.search.algorithms.parts import PartCosts
from pliant.training.evaluation.evaluator import Table


class Counted:
    """A source of true quality that counts the multiply-adds of one image through all that it is asked for.

    Each trunk counts once a request and each decoder once, whether the table is stored or measured now: what a search
    without a store would pay.
    """

    def __init__(self, source: TableSource, problem: Problem):
        self._source, self._space = source, problem.space
        self._costs = PartCosts(problem.space, problem.cost)
        self.macs = 0

    def evaluate(self, wanted: Sequence[Wanted]) -> Iterator[Table]:
        """As the source does."""
        widths, tasks = self._space.decoder_widths, self._space.tasks
        for trunk, demand in wanted:
            trunk_macs, decoders = self._costs.macs(trunk)
            own = (decoders[tasks.index(task), widths.index(width)] for task in demand for width in set(demand[task]))
            self.macs += trunk_macs + int(sum(own))
        return self._source.evaluate(wanted)
