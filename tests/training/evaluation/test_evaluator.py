"""Tables put together from parts are exactly what evaluating each subnet gives, and no part is run twice."""

from __future__ import annotations

import dataclasses
import itertools
import math

import pytest
import torch
from hypothesis import given, settings

from pliant import DataError
from pliant.models import Statistics, SubnetConfig
from pliant.training.data.batches import Batch
from pliant.training.evaluation.evaluator import Encoder, Entry, Evaluator, Table
from pliant.training.evaluation.recalibrate import recalibrate

from ...models.making import configs
from ..reference import evaluate
from ..tiny import SPACE, random_batch, tiny_supernet

SUPERNET = tiny_supernet()
NAMES, WIDTHS = SPACE.tasks, SPACE.decoder_widths
ALL = dict.fromkeys(NAMES, WIDTHS)


def batches(*counts: int) -> list[Batch]:
    return [Batch(*random_batch(count)) for count in counts]


TRAIN, VALIDATION = batches(4, 2, 3), batches(3, 2)


def equal(one: Statistics, other: Statistics) -> bool:
    return set(one) == set(other) and all(
        torch.equal(a, b) for name in one for a, b in zip(one[name], other[name], strict=True)
    )


@settings(max_examples=10)
@given(configs(SPACE))
def test_parts_put_together_are_exactly_the_whole_subnet(config: SubnetConfig) -> None:
    evaluator = Evaluator(SUPERNET, TRAIN, VALIDATION)
    whole = recalibrate(SUPERNET, config, TRAIN)
    evaluator.table(config.encoder, ALL)
    assert equal(evaluator.statistics(config), whole)
    assert evaluator.quality(config) == evaluate(SUPERNET, config, VALIDATION, whole)


@settings(max_examples=5)
@given(configs(SPACE), configs(SPACE))
def test_subnets_one_after_the_other_do_not_mix(first: SubnetConfig, second: SubnetConfig) -> None:
    evaluator = Evaluator(SUPERNET, TRAIN, VALIDATION)
    mixed = SubnetConfig(first.encoder, second.decoders)
    for config in (first, mixed, second, first):
        whole = recalibrate(SUPERNET, config, TRAIN)
        assert evaluator.quality(config) == evaluate(SUPERNET, config, VALIDATION, whole)
        assert equal(evaluator.statistics(config), whole)


def test_one_encoder_pass_serves_all_decoders_and_nothing_is_measured_twice() -> None:
    evaluator = Evaluator(SUPERNET, TRAIN, VALIDATION)
    encoder = (0.5, 1.0, 0.5, 1.0)
    evaluator.table(encoder, ALL)
    for widths in itertools.product(WIDTHS, repeat=len(NAMES)):
        evaluator.quality(SubnetConfig(encoder, tuple(zip(NAMES, widths, strict=True))))
    assert (evaluator.effort.encoders, evaluator.effort.decoders) == (1, 4)


def test_only_what_is_demanded_is_run() -> None:
    evaluator = Evaluator(SUPERNET, TRAIN, VALIDATION)
    evaluator.quality(SPACE.narrowest)
    assert evaluator.effort.decoders == 2
    evaluator.table(SPACE.narrowest.encoder, {"depth": WIDTHS})
    assert (evaluator.effort.encoders, evaluator.effort.decoders) == (2, 3)


@pytest.mark.parametrize("training", [True, False])
def test_the_supernet_is_left_as_it_was(training: bool) -> None:
    supernet = tiny_supernet().train(training)
    before = {name: tensor.clone() for name, tensor in supernet.state_dict().items()}
    Evaluator(supernet, TRAIN, VALIDATION).quality(SPACE.narrowest)
    assert supernet.training is training
    assert all(torch.equal(before[name], tensor) for name, tensor in supernet.state_dict().items())


def test_a_task_without_labels_has_no_number() -> None:
    blank = [unlabelled(batch) for batch in VALIDATION]
    quality = Evaluator(SUPERNET, TRAIN, blank).quality(SPACE.narrowest)
    assert math.isnan(quality["depth"])
    assert quality["segmentation"] == Evaluator(SUPERNET, TRAIN, VALIDATION).quality(SPACE.narrowest)["segmentation"]


def unlabelled(batch: Batch) -> Batch:
    return dataclasses.replace(batch, targets={**batch.targets, "depth": torch.zeros_like(batch.targets["depth"])})


def test_statistics_need_no_validation_images_but_quality_does() -> None:
    evaluator = Evaluator(SUPERNET, TRAIN)
    assert equal(evaluator.statistics(SPACE.widest), recalibrate(SUPERNET, SPACE.widest, TRAIN))
    with pytest.raises(DataError, match="without validation images"):
        evaluator.quality(SPACE.widest)
    with pytest.raises(DataError, match="without images"):
        Evaluator(SUPERNET, (), VALIDATION)


def test_what_was_kept_is_not_measured_again() -> None:
    kept: list[Entry] = []
    first = Evaluator(SUPERNET, TRAIN, VALIDATION, keep=lambda *entry: kept.append(entry))
    quality = first.quality(SPACE.widest)
    second = Evaluator(SUPERNET, TRAIN, VALIDATION, known=kept, keep=refused)
    assert second.quality(SPACE.widest) == quality
    assert second.effort.encoders == 0
    assert equal(second.statistics(SPACE.widest), first.statistics(SPACE.widest))


def refused(encoder: Encoder, table: Table) -> None:
    raise DataError("this table is not wanted")


def test_a_table_that_cannot_be_kept_does_not_count() -> None:
    evaluator = Evaluator(SUPERNET, TRAIN, VALIDATION, keep=refused)
    for _ in range(2):
        with pytest.raises(DataError, match="not wanted"):
            evaluator.quality(SPACE.widest)
    assert evaluator.effort.encoders == 2
