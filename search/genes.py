"""A subnet as a row of integers, which an evolution can cross and mutate: one gene a width, and one for precision."""

from __future__ import annotations

from dataclasses import dataclass

from ..models.space import SearchSpace, SubnetConfig
from .evolution import Genes
from .predictor import flags_of


@dataclass(frozen=True)
class Coding:
    """Genes of a space's subnets: encoder stages, decoders, and the precision where there are several."""

    space: SearchSpace
    precisions: tuple[str, ...]

    @property
    def levels(self) -> list[int]:
        """How many values each gene has."""
        widths = [len(self.space.encoder_widths)] * self.space.stages
        widths += [len(self.space.decoder_widths)] * len(self.space.tasks)
        return [*widths, *[len(self.precisions)] * self._several]

    def config(self, genes: Genes) -> SubnetConfig:
        """The subnet of these genes."""
        space = self.space
        last = space.stages + len(space.tasks)
        encoder = tuple(space.encoder_widths[gene] for gene in genes[: space.stages])
        decoders = (space.decoder_widths[gene] for gene in genes[space.stages : last])
        precision = self.precisions[genes[last] if self._several else 0]
        return SubnetConfig(encoder, tuple(zip(space.tasks, decoders, strict=True)), precision)

    def genes(self, config: SubnetConfig) -> Genes:
        """The genes of a subnet of this space."""
        encoder = map(self.space.encoder_widths.index, config.encoder)
        decoders = (self.space.decoder_widths.index(width) for _, width in config.decoders)
        return (*encoder, *decoders, *[self.precisions.index(config.precision)] * self._several)

    def features(self, config: SubnetConfig) -> tuple[float, ...]:
        """What a predictor learns from: widths, and which of the precisions it is where there are several."""
        widths = (*config.encoder, *(width for _, width in config.decoders))
        return (*widths, *flags_of(config.precision, self.precisions))

    @property
    def _several(self) -> bool:
        return len(self.precisions) > 1
