"""The widest subnet's encoder is the network that the papers describe: its parameters counted, its outputs compared."""

from __future__ import annotations

from collections.abc import Callable

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
