"""One width trained alone is an ordinary network of that width."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch

from pliant.models.decoders import SMALL
from pliant.models.layers import SlimConv2d
from pliant.models.supernet import views
from pliant.training.checkpoints.checkpoint import load_checkpoint
from pliant.training.loop import train
from pliant.training.separate import own_fans

from .tiny import SPACE, tiny_recipe, tiny_supernet


@pytest.mark.parametrize("width", [0.25, 0.5])
def test_weights_have_the_spread_of_their_own_fan(width: float) -> None:
    supernet, config = tiny_supernet(), SPACE.uniform(width, 0.25)
    own_fans(supernet, config)
    for name, layer in supernet.slim_layers().items():
        if isinstance(layer, SlimConv2d):
            plain = layer.extract(config)
            fan = plain.out_channels * plain.kernel_size[0] * plain.kernel_size[1]
            weight = plain.weight.detach()
            expected = math.sqrt(2.0 / fan)
            if name == "decoders.segmentation.head":
                expected = plain.in_channels**-0.5
            elif name.startswith("decoders.") and name.endswith((".pool", ".head")):
                expected = SMALL
            assert float(weight.std()) == pytest.approx(expected, rel=6.0 / math.sqrt(2 * weight.numel())), name


def test_the_full_width_and_a_spared_encoder_stay_as_they_are() -> None:
    before, supernet = tiny_supernet().state_dict(), tiny_supernet()
    own_fans(supernet, SPACE.widest)
    assert all(torch.equal(before[name], tensor) for name, tensor in supernet.state_dict().items())
    own_fans(supernet, SPACE.narrowest, encoder=False)
    changed = {name for name, tensor in supernet.state_dict().items() if not torch.equal(before[name], tensor)}
    assert changed
    assert all(name.startswith("decoders.") for name in changed)


def test_nothing_outside_of_the_width_is_trained_and_only_it_is_judged(tmp_path: Path) -> None:
    settings = ("training.only=0.5", "training.epochs=2", "training.weight_decay=0", "training.validate_every=1")
    result = train(tiny_recipe(*settings), tmp_path)
    checkpoint = load_checkpoint(tmp_path)
    config = checkpoint.space.uniform(0.5)
    assert [row["config"] for row in result.quality] == [config.to_json()]
    again = train(tiny_recipe(*settings, "training.lr=1e-30"), tmp_path / "untrained")
    fresh = dict(load_checkpoint(again.out).supernet.named_parameters())
    parts = views(checkpoint.supernet, config)
    for name, parameter in checkpoint.supernet.named_parameters():
        moved = parameter != fresh[name]
        used = torch.zeros_like(moved)
        index: list[torch.Tensor] = [
            torch.cat([torch.arange(start, stop) for start, stop in axis]) for axis in parts[name]
        ]
        used[torch.meshgrid(*index, indexing="ij")] = True
        assert bool(moved.any()), name
        assert not bool((moved & ~used).any()), name
