"""True quality of subnets, measured with recalibrated batch norm, each part once.

Given the encoder's widths, a task's output depends on its own decoder only. So quality is a table by (encoder, task,
decoder width), and a subnet's row is put together from it: one pass of the encoder over the images serves every decoder
of every task, where evaluating subnet by subnet would run the encoder for each combination. Exactly the same numbers
come out, statistics included, as from `recalibrate` and `evaluate` on the whole subnet (tested).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from ...devices.errors import DataError
from ...models.decode import decode
from ...models.metrics import Metric
from ...models.setting import Moments, Statistics
from ...models.space import SubnetConfig
from ...models.supernet import Supernet
from ..data.batches import Batch
from ..layout import laid_out

Encoder = tuple[float, ...]
Demand = Mapping[str, Collection[float]]
"""Task -> the decoder widths that are wanted."""
Table = dict[str, dict[float, float]]
"""Task -> decoder width -> the task's metric, for one encoder; NaN where nothing is labelled."""
Entry = tuple[Encoder, Table]
Wanted = tuple[Encoder, Demand]
Decoder = tuple[str, float]


@dataclass
class Effort:
    """What was really run: encoders and decoders (task, width); nothing that was remembered."""

    encoders: int = 0
    decoders: int = 0


@dataclass
class _Known:
    """What is remembered of one encoder."""

    encoder: Statistics | None = None
    decoders: dict[Decoder, Statistics] = field(default_factory=dict)
    quality: dict[Decoder, float] = field(default_factory=dict)


class Evaluator:
    """Quality and statistics of one supernet's subnets on decoded batches.

    `recalibration` are training images; `validation` are others, without which there are statistics only. `known`
    tables are not measured again; `keep` is given each new one, which is forgotten where that raises.
    Raises DataError without images to recalibrate on.
    """

    def __init__(
        self,
        supernet: Supernet,
        recalibration: Sequence[Batch],
        validation: Sequence[Batch] = (),
        *,
        known: Iterable[Entry] = (),
        keep: Callable[[Encoder, Table], None] | None = None,
    ):
        if not recalibration:
            raise DataError("batch norm cannot be recalibrated without images")
        self.supernet = supernet
        self.effort = Effort()
        self._recalibration, self._validation = tuple(recalibration), tuple(validation)
        self._tasks = {task.name: task for task in supernet.tasks}
        self._known: dict[Encoder, _Known] = {}
        self._keep = keep
        for encoder, table in known:
            self._of(encoder).quality.update(_flat(table))

    def evaluate(self, wanted: Sequence[Wanted]) -> Iterator[Table]:
        """A table for each, in this order, one measured after the other as they are taken."""
        return (self.table(encoder, demand) for encoder, demand in wanted)

    def table(self, encoder: Encoder, demand: Demand) -> Table:
        """Quality of the demanded decoders on this encoder; what is not known yet is measured in one go."""
        known = self._of(encoder)
        missing = [pair for pair in _pairs(demand) if pair not in known.quality]
        if missing:
            found = self._measure(encoder, known, missing)
            self.effort.encoders += 1
            self.effort.decoders += len(missing)
            self.learn(encoder, _nested(found))
        return {task: {width: known.quality[task, width] for width in widths} for task, widths in demand.items()}

    def knows(self, encoder: Encoder, demand: Demand) -> bool:
        """Whether a table needs no measuring."""
        return all(pair in self._of(encoder).quality for pair in _pairs(demand))

    def learn(self, encoder: Encoder, table: Table) -> None:
        """Keep what was measured, here or elsewhere."""
        if self._keep is not None:
            self._keep(encoder, table)
        self._of(encoder).quality.update(_flat(table))

    @property
    def tables(self) -> dict[Encoder, Table]:
        """All that is known of quality, by encoder."""
        return {encoder: _nested(known.quality) for encoder, known in self._known.items() if known.quality}

    def quality(self, config: SubnetConfig) -> dict[str, float]:
        """Quality per task of one subnet."""
        table = self.table(config.encoder, {task: (width,) for task, width in config.decoders})
        return {task: table[task][width] for task, width in config.decoders}

    def statistics(self, config: SubnetConfig) -> Statistics:
        """Recalibrated batch-norm statistics of one subnet, as `recalibrate` gives."""
        known = self._of(config.encoder)
        self._recalibrate(config.encoder, known, config.decoders)
        merged = dict(known.encoder or {})
        for pair in config.decoders:
            merged.update(known.decoders[pair])
        return merged

    def _of(self, encoder: Encoder) -> _Known:
        return self._known.setdefault(encoder, _Known())

    def _measure(self, encoder: Encoder, known: _Known, pairs: Sequence[Decoder]) -> dict[Decoder, float]:
        if not self._validation:
            raise DataError("quality cannot be measured without validation images")
        self._recalibrate(encoder, known, pairs)
        return self._validate(encoder, known, pairs)

    def _recalibrate(self, encoder: Encoder, known: _Known, pairs: Iterable[Decoder]) -> None:
        missing = [pair for pair in pairs if pair not in known.decoders]
        if not missing and known.encoder is not None:
            return
        shared: dict[str, Moments] = {}
        own: dict[Decoder, dict[str, Moments]] = {pair: {} for pair in missing}
        with torch.no_grad():
            for batch in self._recalibration:
                images = self._images(batch)
                features = self.supernet.features(images, _encoder_only(encoder), collect=shared)
                for pair in missing:
                    self._decode(features, images, encoder, pair, None, own[pair])
        known.encoder = _statistics(shared)
        known.decoders.update({pair: _statistics(moments) for pair, moments in own.items()})

    def _validate(self, encoder: Encoder, known: _Known, pairs: Sequence[Decoder]) -> dict[Decoder, float]:
        metrics = {pair: Metric(self._tasks[pair[0]]) for pair in pairs}
        was_training = self.supernet.training
        self.supernet.eval()
        try:
            with torch.no_grad():
                for batch in self._validation:
                    images = self._images(batch)
                    features = self.supernet.features(images, _encoder_only(encoder), known.encoder)
                    for pair, metric in metrics.items():
                        logits = self._decode(features, images, encoder, pair, known.decoders[pair], None)
                        output = decode(metric.task, logits.float()).cpu().numpy()
                        metric.update(output, batch.targets[pair[0]].numpy())
        finally:
            self.supernet.train(was_training)
        return {pair: metric.value() for pair, metric in metrics.items()}

    def _images(self, batch: Batch) -> Tensor:
        return laid_out(self.supernet, batch.images)

    def _decode(
        self,
        features: list[Tensor],
        images: Tensor,
        encoder: Encoder,
        pair: Decoder,
        statistics: Statistics | None,
        collect: dict[str, Moments] | None,
    ) -> Tensor:
        size, config = (images.shape[2], images.shape[3]), SubnetConfig(encoder, (pair,))
        task = pair[0]
        outputs = self.supernet.decode_features(features, size, config, statistics, tasks=(task,), collect=collect)
        return outputs[task]


def _encoder_only(encoder: Encoder) -> SubnetConfig:
    return SubnetConfig(encoder, ())


def _statistics(collected: Mapping[str, Moments]) -> Statistics:
    return {name: (moments.mean.float(), moments.variance.float()) for name, moments in collected.items()}


def _pairs(demand: Demand) -> list[Decoder]:
    return [(task, width) for task, widths in demand.items() for width in sorted(set(widths))]


def _flat(table: Table) -> dict[Decoder, float]:
    return {(task, width): value for task, row in table.items() for width, value in row.items()}


def _nested(found: Mapping[Decoder, float]) -> Table:
    table: Table = {}
    for (task, width), value in found.items():
        table.setdefault(task, {})[width] = value
    return table
