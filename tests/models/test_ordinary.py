"""The widest subnet's encoder is the network that the papers describe: its parameters counted, its outputs compared."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache

import pytest
import torch
from torch import Tensor

from pliant.models import Architecture, SearchSpace, Supernet, build_supernet, stages_of

from .making import DENSE, LABELS, images, spread_affine
from .ordinary import Weights, mobilenetv2, resnet

# torchvision's models without their classifiers; MobileNetV2 also without its last layer of 1280 channels.
PUBLISHED = {"resnet18": 11_176_512, "resnet34": 21_284_672, "resnet50": 23_508_032, "mobilenetv2": 1_811_712}

ORDINARY: dict[str, Callable[[Tensor, Weights], list[Tensor]]] = {
    "resnet18": lambda x, w: resnet(x, w, (2, 2, 2, 2)),
    "resnet34": lambda x, w: resnet(x, w, (3, 4, 6, 3)),
    "resnet50": lambda x, w: resnet(x, w, (3, 4, 6, 3), bottleneck=True),
    "resnet20": lambda x, w: resnet(x, w, (3, 3, 3), cifar=True),
    "mobilenetv2": mobilenetv2,
}


def made(encoder: str, base: int | None = None) -> Supernet:
    cifar = encoder == "resnet20"
    tasks = LABELS if cifar else DENSE
    stem = "cifar" if cifar else "imagenet"
    architecture = Architecture(encoder, 64, 64, stem, base, output_stride=32, decoder_channels=8, skip_channels=8)
    return build_supernet(architecture, tasks, SearchSpace(stages_of(encoder), tuple(task.name for task in tasks)))


@pytest.mark.parametrize("encoder", sorted(PUBLISHED))
def test_the_encoder_has_the_published_number_of_parameters(encoder: str) -> None:
    with torch.device("meta"):
        supernet = made(encoder)
    assert sum(parameter.numel() for parameter in supernet.encoder.parameters()) == PUBLISHED[encoder]


@pytest.mark.parametrize("encoder", sorted(ORDINARY))
def test_the_widest_says_what_the_ordinary_network_says(encoder: str) -> None:
    torch.manual_seed(0)
    supernet = made(encoder, None if encoder == "mobilenetv2" else 16)
    spread_affine(supernet)
    batch = images(supernet)
    with torch.no_grad():
        # Running statistics that fit the batch: at their initial 0 and 1 activations would die out or explode.
        supernet.train()
        for _ in range(30):
            supernet(batch, supernet.space.widest)
        supernet.eval()
        features = supernet.features(batch, supernet.space.widest)
        expected = ORDINARY[encoder](batch, supernet.encoder.state_dict())
    assert [feature.shape for feature in features] == [feature.shape for feature in expected]
    for feature, wanted in zip(features, expected, strict=True):
        assert float(wanted.std()) > 1e-2
        assert torch.allclose(feature, wanted, rtol=1e-4, atol=1e-4 * float(wanted.abs().max()))


@cache
def strided_at_work(encoder: str) -> tuple[Supernet, Tensor, Tensor]:
    """A strided network, a batch and its last feature, once for all strides that are held against it: change none.

    In float64, at statistics that fit: a convolution that looks elsewhere gives other features by tens of percent.
    """
    torch.manual_seed(0)
    strided = made(encoder, None if encoder == "mobilenetv2" else 16)
    spread_affine(strided)
    batch = images(strided).double()
    strided.double().train()
    with torch.no_grad():
        for _ in range(30):
            strided(batch, strided.space.widest)
        return strided, batch, strided.eval().features(batch, strided.space.widest)[-1]


@pytest.mark.parametrize("output_stride", [4, 8, 16])
@pytest.mark.parametrize("encoder", ["resnet18", "resnet50", "mobilenetv2"])
def test_every_other_feature_of_a_dilated_encoder_is_that_of_the_strided_one(encoder: str, output_stride: int) -> None:
    strided, batch, wanted = strided_at_work(encoder)
    with torch.no_grad():
        for dilates_first in (False, True):
            architecture = replace(strided.architecture, output_stride=output_stride, dilates_first=dilates_first)
            dilated = build_supernet(architecture, strided.tasks, strided.space).double().eval()
            dilated.load_state_dict(strided.state_dict())
            found = dilated.features(batch, dilated.space.widest)[-1]
            apart = 32 // output_stride
            difference = (found[:, :, ::apart, ::apart] - wanted).norm() / wanted.norm()
            assert bool(difference < 1e-12) is not dilates_first


def test_networks_of_before_are_dilated_as_they_were() -> None:
    now = Architecture("resnet18", 32, 32)
    assert Architecture.from_json(now.to_json()) == now
    before = {key: value for key, value in now.to_json().items() if key != "dilates_first"}
    assert Architecture.from_json(before) == replace(now, dilates_first=True)
    assert Architecture.from_json(before).to_json() == before
