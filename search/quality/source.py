"""Where true quality comes from, for every precision that a search may choose."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

from ...training.evaluation import evaluator
from ...training.evaluation.evaluator import Table
from ..algorithms.interface import Wanted


class EncoderSource(Protocol):
    """Tables of encoders in one precision (`training.evaluation`, a cluster, `integers.IntegerEvaluator`)."""

    def evaluate(self, wanted: Sequence[evaluator.Wanted]) -> Iterator[Table]:
        """Quality of the demanded decoders on each encoder, in this order."""
        ...


class ByPrecision:
    """Tables of trunks, each from the source of its precision."""

    def __init__(self, sources: Mapping[str, EncoderSource]):
        self._sources = sources

    def evaluate(self, wanted: Sequence[Wanted]) -> Iterator[Table]:
        """A table for each, in this order; what a source may measure side by side it is told at once."""
        found = {
            precision: source.evaluate(
                [(trunk.encoder, demand) for trunk, demand in wanted if trunk.precision == precision]
            )
            for precision, source in self._sources.items()
        }
        for trunk, _ in wanted:
            yield next(found[trunk.precision])
