"""Recalibrated statistics are those that the subnet, as a plain network, would measure itself."""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from pliant import DataError
from pliant.models.extract import extract_subnet
from pliant.models.network import normalize
from pliant.training.data import open_data
from pliant.training.data.batches import Batch, epoch_batches
from pliant.training.data.sample import Sample
from pliant.training.evaluation.protocol import landmark_subnets, load_batches, quality_row
from pliant.training.evaluation.recalibrate import recalibrate, recalibration_batches

from ..reference import evaluate
from ..tiny import SPACE, random_batch, tiny_recipe, tiny_supernet


def _batches(*counts: int) -> list[Batch]:
    return [Batch(*random_batch(count)) for count in counts]


@settings(max_examples=10)
@given(st.integers(0, 1000))
def test_one_batch_gives_the_moments_of_the_plain_network(seed: int) -> None:
    supernet, config = tiny_supernet(), SPACE.sample(random.Random(seed))
    (batch,) = _batches(5)
    statistics = recalibrate(supernet, config, [batch])
    plain = extract_subnet(supernet, config)
    norms = {name: module for name, module in plain.named_modules() if isinstance(module, nn.BatchNorm2d)}
    sizes: dict[str, int] = {}
    for name, norm in norms.items():
        norm.momentum = None
        norm.reset_running_stats()

        def record(module: nn.Module, inputs: tuple[torch.Tensor, ...], name: str = name) -> None:
            sizes[name] = inputs[0].numel() // inputs[0].shape[1]

        norm.register_forward_pre_hook(record)
    with torch.no_grad():
        plain.train()(normalize(batch.images, supernet.architecture))
    assert set(statistics) == set(norms)
    for name, norm in norms.items():
        mean, variance = statistics[name]
        assert norm.running_mean is not None
        assert norm.running_var is not None
        biased = norm.running_var * (sizes[name] - 1) / sizes[name]
        assert torch.allclose(mean, norm.running_mean, atol=1e-5), name
        assert torch.allclose(variance, biased, rtol=1e-4, atol=1e-6), name


def test_batches_are_pooled_exactly_at_the_first_layer() -> None:
    """Where the input does not depend on statistics, two batches of unlike size give what one of both gives."""
    supernet, config = tiny_supernet(), SPACE.narrowest
    first, second = _batches(3, 5)
    both = Batch(
        torch.cat([first.images, second.images]),
        {name: torch.cat([first.targets[name], second.targets[name]]) for name in first.targets},
    )
    pooled = recalibrate(supernet, config, [first, second])["encoder.bn1"]
    whole = recalibrate(supernet, config, [both])["encoder.bn1"]
    assert torch.allclose(pooled[0], whole[0], atol=1e-6)
    assert torch.allclose(pooled[1], whole[1], rtol=1e-5)


@pytest.mark.parametrize("training", [True, False])
def test_nothing_of_the_supernet_changes(training: bool) -> None:
    supernet = tiny_supernet().train(training)
    before = {name: tensor.clone() for name, tensor in supernet.state_dict().items()}
    statistics = recalibrate(supernet, SPACE.widest, _batches(4))
    evaluate(supernet, SPACE.widest, _batches(4), statistics)
    assert supernet.training is training
    assert all(torch.equal(before[name], tensor) for name, tensor in supernet.state_dict().items())


def test_no_images_are_an_error() -> None:
    with pytest.raises(DataError, match="without images"):
        recalibrate(tiny_supernet(), SPACE.widest, [])


def test_evaluation_is_that_of_the_extracted_network() -> None:
    supernet, config, batches = tiny_supernet(), SPACE.uniform(0.5, 0.25), _batches(4, 3)
    statistics = recalibrate(supernet, config, batches)
    quality = evaluate(supernet, config, batches, statistics)
    plain = extract_subnet(supernet, config, statistics)
    right = measured = 0
    errors = []
    with torch.no_grad():
        for batch in batches:
            outputs = plain(normalize(batch.images, supernet.architecture))
            right += int((outputs["segmentation"].argmax(1) == batch.targets["segmentation"]).sum())
            measured += batch.targets["segmentation"].numel()
            low, high = 0.5, 10.0
            share = 0.5 + 0.25 * outputs["depth"][:, 0]
            depth = low * (high / low) ** share.clamp(0.0, 1.0)
            errors.append((depth - batch.targets["depth"]).square().flatten())
    assert quality["depth"] == pytest.approx(float(torch.cat(errors).mean().sqrt()), rel=1e-4)
    assert 0.0 < quality["segmentation"] < right / measured


def test_landmarks_run_from_the_widest_to_the_narrowest() -> None:
    found = landmark_subnets(SPACE)
    assert found == [SPACE.widest, SPACE.uniform(0.5, 0.25), SPACE.narrowest]
    assert quality_row(SPACE.widest, {"depth": float("nan"), "segmentation": 0.5})["quality"] == {
        "depth": None,
        "segmentation": 0.5,
    }


class _Numbered:
    """A data set whose images tell their index."""

    name = "numbered"
    tasks = ()

    def __len__(self) -> int:
        return 10

    def __getitem__(self, index: int) -> Sample:
        return Sample(np.full((2, 2, 3), index, np.uint8), {})


def test_limited_evaluation_spreads_over_the_whole_set() -> None:
    batches = load_batches(_Numbered(), 4, batch_size=3)
    assert [batch.images[:, 0, 0, 0].tolist() for batch in batches] == [[0, 2, 5], [7]]
    assert sum(len(batch.images) for batch in load_batches(_Numbered(), 99)) == 10


def test_recalibration_sees_what_training_would_have_seen_next() -> None:
    recipe = tiny_recipe("training.recalibration_images=40").training
    data = open_data("scenes", "train", count=24, size=(32, 48))
    batches = recalibration_batches(data, recipe)
    following = [next(iter(epoch_batches(data, 24, 0, epoch, recipe.augmentation))) for epoch in (4, 5)]
    assert [len(batch) for batch in batches] == [24, 24]
    for ours, theirs in zip(batches, following, strict=True):
        assert torch.equal(ours.images, theirs.images)


def test_recalibration_of_fewer_images_than_a_batch_ends() -> None:
    recipe = tiny_recipe("training.recalibration_images=5", "training.batch_size=64").training
    batches = recalibration_batches(open_data("scenes", "train", count=2, size=(32, 48)), recipe)
    assert [len(batch) for batch in batches] == [2, 2, 2]
