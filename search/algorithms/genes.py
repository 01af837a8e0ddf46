"""A subnet as a row of integers, which an evolution can cross and mutate: a gene for each width, and for precisions."""

from __future__ import annotations

from dataclasses import dataclass

from ...models.space import SearchSpace, SubnetConfig
from ...quantize.assignment import Assignment, assigned_to, may_differ
from ..predictor import flags_of
from .evolution import Genes
from .interface import Problem


@dataclass(frozen=True)
class Coding:
    """Genes of a space's subnets: widths of encoder stages and decoders; where there are several `parts`, then the
    encoder's precision and those of the decoders. Where tasks are very many, all have the encoder's.
    """

    space: SearchSpace
    parts: tuple[str, ...]

    @classmethod
    def of(cls, problem: Problem) -> Coding:
        """That of a problem's subnets."""
        return cls(problem.space, problem.parts)

    @property
    def levels(self) -> list[int]:
        """How many values each gene has."""
        widths = [len(self.space.encoder_widths)] * self.space.stages
        widths += [len(self.space.decoder_widths)] * len(self.space.tasks)
        return [*widths, *[len(self.parts)] * self._assigned]

    @property
    def assignments(self) -> int:
        """How many precisions a subnet may have."""
        return int(len(self.parts) ** self._assigned)

    def config(self, genes: Genes) -> SubnetConfig:
        """The subnet of these genes."""
        space = self.space
        last = space.stages + len(space.tasks)
        encoder = tuple(space.encoder_widths[gene] for gene in genes[: space.stages])
        decoders = (space.decoder_widths[gene] for gene in genes[space.stages : last])
        own, *others = [self.parts[gene] for gene in genes[last:]] or [self.parts[0]]
        assigned = Assignment(own, tuple(others) or (own,) * len(space.tasks))
        return SubnetConfig(encoder, tuple(zip(space.tasks, decoders, strict=True)), assigned.precision)

    def genes(self, config: SubnetConfig) -> Genes:
        """The genes of a subnet of this space."""
        encoder = map(self.space.encoder_widths.index, config.encoder)
        decoders = (self.space.decoder_widths.index(width) for _, width in config.decoders)
        return (*encoder, *decoders, *map(self.parts.index, self._precisions(config)))

    def features(self, config: SubnetConfig) -> tuple[float, ...]:
        """What a predictor learns from: widths, and the precision of each part where there are several."""
        widths = (*config.encoder, *(width for _, width in config.decoders))
        return (*widths, *(flag for each in self._precisions(config) for flag in flags_of(each, self.parts)))

    def _precisions(self, config: SubnetConfig) -> tuple[str, ...]:
        """Those that have a gene."""
        assigned = assigned_to(config)
        return (assigned.encoder, *assigned.decoders)[: self._assigned]

    @property
    def _assigned(self) -> int:
        """Parts that have a precision of their own."""
        if len(self.parts) == 1:
            return 0
        return 1 + len(self.space.tasks) if may_differ(len(self.space.tasks), self.parts) else 1
