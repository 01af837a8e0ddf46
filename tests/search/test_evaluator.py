from __future__ import annotations

import dataclasses
import itertools
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings

from pliant import CheckpointError, DataError
from pliant.models import Statistics, SubnetConfig, Supernet
from pliant.search.evaluator import Evaluator
from pliant.search.identity import batches_digest, supernet_digest
from pliant.search.log import EvaluationLog
from pliant.training.data.batches import Batch
from pliant.training.evaluate import evaluate
from pliant.training.recalibrate import recalibrate

from ..models.making import configs
from .making import NAMES, make_batches, make_supernet

SUPERNET = make_supernet()
TRAIN, VALIDATION = make_batches(3, 1), make_batches(2, 9)
ALL = dict.fromkeys(NAMES, (0.5, 1.0))


def equal(one: Statistics, other: Statistics) -> bool:
    return set(one) == set(other) and all(
        torch.equal(a, b) for name in one for a, b in zip(one[name], other[name], strict=True)
    )


@settings(max_examples=10)
@given(configs(SUPERNET.space))
def test_parts_put_together_are_exactly_the_whole_subnet(config: SubnetConfig) -> None:
    evaluator = Evaluator(SUPERNET, TRAIN, VALIDATION)
    whole = recalibrate(SUPERNET, config, TRAIN)
    evaluator.table(config.encoder, ALL)
    assert equal(evaluator.statistics(config), whole)
    assert evaluator.quality(config) == evaluate(SUPERNET, config, VALIDATION, whole)


def test_one_encoder_pass_serves_all_decoders_and_nothing_is_measured_twice() -> None:
    evaluator = Evaluator(SUPERNET, TRAIN, VALIDATION)
    encoder = (0.5, 1.0, 0.5, 1.0)
    evaluator.table(encoder, ALL)
    for widths in itertools.product((0.5, 1.0), repeat=len(NAMES)):
        evaluator.quality(SubnetConfig(encoder, tuple(zip(NAMES, widths, strict=True))))
    assert (evaluator.effort.encoders, evaluator.effort.decoders) == (1, 6)


def test_only_what_is_demanded_is_run() -> None:
    evaluator = Evaluator(SUPERNET, TRAIN, VALIDATION)
    narrow = SUPERNET.space.narrowest
    evaluator.quality(narrow)
    assert evaluator.effort.decoders == 3
    evaluator.table(narrow.encoder, {"depth": (0.5, 1.0)})
    assert (evaluator.effort.encoders, evaluator.effort.decoders) == (2, 4)


def test_the_supernet_is_left_as_it_was() -> None:
    supernet = make_supernet()
    supernet.train()
    before = supernet_digest(supernet)
    Evaluator(supernet, TRAIN, VALIDATION).quality(supernet.space.narrowest)
    assert supernet.training
    assert supernet_digest(supernet) == before


def test_a_task_without_labels_is_an_error() -> None:
    blank = [unlabelled(batch) for batch in VALIDATION]
    with pytest.raises(DataError, match="labelled for 'depth'"):
        Evaluator(SUPERNET, TRAIN, blank).quality(SUPERNET.space.narrowest)


def unlabelled(batch: Batch) -> Batch:
    return dataclasses.replace(batch, targets={**batch.targets, "depth": torch.zeros_like(batch.targets["depth"])})


def test_no_images_are_an_error() -> None:
    with pytest.raises(DataError, match="needs images"):
        Evaluator(SUPERNET, (), VALIDATION)


def test_a_log_is_read_instead_of_measuring_again(tmp_path: Path) -> None:
    log = EvaluationLog(tmp_path / "log", {"supernet": "a"})
    first = Evaluator(SUPERNET, TRAIN, VALIDATION, log)
    quality = first.quality(SUPERNET.space.widest)
    log.close()
    log = EvaluationLog(tmp_path / "log", {"supernet": "a"}, resume=True)
    second = Evaluator(SUPERNET, TRAIN, VALIDATION, log)
    assert second.quality(SUPERNET.space.widest) == quality
    assert second.effort.encoders == 0
    assert equal(second.statistics(SUPERNET.space.widest), first.statistics(SUPERNET.space.widest))
    log.close()


def test_every_torn_tail_is_cut_off_and_the_rest_kept(tmp_path: Path) -> None:
    path = tmp_path / "log"
    log = EvaluationLog(path, {"supernet": "a"})
    tables = [((0.5,), {"depth": {0.5: 0.1 + 0.2}}), ((1.0,), {"depth": {0.5: 1e-17}})]
    for encoder, table in tables:
        log.append(encoder, table)
    log.close()
    whole = path.read_bytes()
    ends = [i + 1 for i, byte in enumerate(whole) if byte == ord("\n")]
    for size in range(len(whole) + 1):
        path.write_bytes(whole[:size])
        kept = sum(end <= size for end in ends) - 1
        again = EvaluationLog(path, {"supernet": "a"}, resume=True)
        assert again.entries == tables[: max(kept, 0)]
        again.append(*tables[1])
        again.close()
        last = EvaluationLog(path, {"supernet": "a"}, resume=True)
        assert last.entries == [*tables[: max(kept, 0)], tables[1]]
        last.close()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "another supernet"),
        (b"hello\n", "not the log of a search"),
        (b'{"kind": "other"}\n', "not the log of a search"),
    ],
)
def test_a_log_of_something_else_is_refused_and_not_touched(
    tmp_path: Path, content: bytes | None, message: str
) -> None:
    path = tmp_path / "log"
    EvaluationLog(path, {"supernet": "a"}).close()
    if content is not None:
        path.write_bytes(content)
    before = path.read_bytes()
    with pytest.raises(CheckpointError, match=message):
        EvaluationLog(path, {"supernet": "b"}, resume=True)
    assert path.read_bytes() == before


def test_a_damaged_log_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "log"
    EvaluationLog(path, {}).close()
    path.write_bytes(path.read_bytes() + b'{"encoder": [1.0]}\n')
    with pytest.raises(CheckpointError, match="damaged"):
        EvaluationLog(path, {}, resume=True)


def test_digests_see_one_changed_value() -> None:
    def changed(supernet: Supernet) -> Supernet:
        with torch.no_grad():
            next(supernet.parameters()).view(-1)[0] += 1e-3
        return supernet

    assert supernet_digest(make_supernet()) == supernet_digest(make_supernet())
    assert supernet_digest(make_supernet()) != supernet_digest(changed(make_supernet()))
    assert batches_digest(TRAIN, VALIDATION) != batches_digest(VALIDATION, TRAIN)
