from __future__ import annotations

import numpy as np
import pytest
import torch

from pliant.devices.dialect import Dialect, get_dialect
from pliant.export.engine import Engine, Outputs
from pliant.export.feeds import Wide, fp32_feed, int8_feed
from pliant.export.noise import signal_to_noise
from pliant.export.template import widest_template
from pliant.models.network import normalize
from pliant.models.space import SubnetConfig
from pliant.models.supernet import Supernet
from pliant.quantize.calibrate import Images, calibrate
from pliant.quantize.equalize import MOST
from pliant.quantize.fake import FakeInt8
from pliant.quantize.lowering import lower
from pliant.quantize.policy import Policy
from pliant.quantize.ranges import Range

from ..export.making import statistics, supernet, waves

NEAR_DB = 1.0
"""Where a value lies on the edge between two steps each may take another, so noise is alike in power, not in place."""


def engines(net: Supernet, config: SubnetConfig, images: Images, dialect: Dialect) -> tuple[Outputs, Outputs]:
    """Raw outputs in fp32 and in an engine's int8, calibrated on the very images, both run by onnxruntime."""
    template = widest_template(net)
    lowered = lower(template, Policy(), dialect)
    wide = Wide(net, lowered)
    fp32 = fp32_feed(template, wide, config, statistics(net, config))
    ranges = calibrate(fp32.graph, fp32.arrays, lowered.ranged, [images], lowered.by_channel)
    int8 = int8_feed(lowered, wide, fp32, {name: uncorrected(found) for name, found in ranges.items()})
    names = [f"{task.name}/logits" for task in net.tasks]
    return Engine(fp32, names, "fp32")(images), Engine(int8, names, "int8")(images)


def uncorrected(found: Range) -> Range:
    """Without the means, which correct biases: in training batch norm does that."""
    if found.channels is None:
        return found
    return Range(found.low, found.high, found.channels._replace(mean=np.zeros_like(found.channels.mean)))


@pytest.mark.parametrize("engine", ["onnxruntime", "tensorrt"])
@pytest.mark.parametrize("encoder", ["resnet10", "mobilenetv2"])
def test_fake_quantization_makes_the_noise_of_the_integers(encoder: str, engine: str) -> None:
    """A place that is not rounded, or another scale of the weights, and the noise would have another power."""
    net, dialect = supernet("segmentation", "depth", encoder=encoder), get_dialect(engine)
    config, images = net.space.uniform(0.5), waves(16)
    fp32, int8 = engines(net, config, images, dialect)
    inputs = normalize(torch.from_numpy(images), net.architecture)
    rounding = FakeInt8(net, symmetric=dialect.symmetric)
    with torch.no_grad():
        found = net(inputs, config, statistics(net, config), rounding=rounding)
    for task in ("segmentation", "depth"):
        name = f"{task}/logits"
        true, fake = signal_to_noise(fp32[name], int8[name]), signal_to_noise(fp32[name], found[task].numpy())
        assert abs(true - fake) < NEAR_DB, (task, true, fake)


def test_gradients_pass_through_the_rounding() -> None:
    """All of a gradient that training in floats has is there, and points the same way."""
    net = supernet("depth")
    images = normalize(torch.from_numpy(waves(2)), net.architecture)

    def gradients(rounding: FakeInt8 | None) -> dict[str, torch.Tensor]:
        net.zero_grad()
        net(images, net.space.widest, statistics(net, net.space.widest), rounding=rounding)["depth"].sum().backward()
        return {name: each.grad.clone() for name, each in net.named_parameters() if each.grad is not None}

    floats, rounded = gradients(None), gradients(FakeInt8(net))
    assert floats.keys() == rounded.keys()
    one, other = (torch.cat([each[name].flatten() for name in floats]) for each in (floats, rounded))
    assert torch.cosine_similarity(one, other, dim=0) > 0.9


def test_a_subnet_reads_a_part_of_the_integers_of_the_widest() -> None:
    """Scales are those of the full rows, as in the suite, not of the part that a narrow subnet reads."""
    net = supernet("depth")
    layer = net.encoder.get_submodule("layer1.0.conv1")
    weight = net.get_parameter("encoder.layer1.0.conv1.weight").detach()
    weight[:, -1] *= 10  # only the widest reads these
    rounded = FakeInt8(net).weight(layer)
    assert rounded is not None
    steps = rounded / (weight.flatten(1).abs().amax(1) / 127).view(-1, 1, 1, 1)
    assert (steps - steps.round()).abs().max() < 1e-3
    assert len(steps[:, 0].round().unique()) < 60


def test_a_value_that_several_layers_read_is_rounded_once() -> None:
    rounding, value = FakeInt8(supernet("depth")), torch.randn(2, 3, 4, 4)
    assert rounding.values(value) is rounding.values(value)


def test_channels_that_a_depthwise_layer_reads_have_steps_of_their_own() -> None:
    """A small one finer steps, down to a sixteenth, as the graph has; values of both signs are left alone."""
    rounding, values = FakeInt8(supernet("depth"), symmetric=True), torch.rand(2, 3, 4, 4) * 6
    values[:, 1] /= 100
    values[:, 2] = 0
    plain = FakeInt8(supernet("depth"), symmetric=True).values(values)
    found = rounding.values(values, depthwise=True)
    step = float(values.max()) / 127
    assert (found[:, 0] - plain[:, 0]).abs().max() <= step
    assert (found[:, 1] / (step / MOST)).round().sub(found[:, 1] / (step / MOST)).abs().max() < 1e-3
    assert (found[:, 1] - values[:, 1]).abs().max() <= step / MOST / 2 * 1.001
    assert (found[:, 2] == 0).all()
    signed = values - 1
    assert torch.equal(
        rounding.values(signed, depthwise=True), FakeInt8(supernet("depth"), symmetric=True).values(signed)
    )


def test_zero_stays_zero_and_a_constant_is_no_trouble() -> None:
    rounding = FakeInt8(supernet("depth"))
    values = torch.tensor([[-1.0, 0.0, 3.0]])
    assert rounding.values(values)[0, 1] == 0
    assert torch.allclose(rounding.values(torch.full((1, 4), 2.0)), torch.full((1, 4), 2.0))
    assert (rounding.values(torch.zeros(1, 4)) == 0).all()


def test_signed_steps_are_those_of_the_engines_scale() -> None:
    values = torch.tensor([[-0.5, 0.0, 0.3, 2.0]])
    scale = float(Range(-0.5, 2.0).symmetric())
    expected = (values / scale).round() * scale
    assert torch.allclose(FakeInt8(supernet("depth"), symmetric=True).values(values), expected, atol=1e-6)
    assert not torch.allclose(FakeInt8(supernet("depth")).values(values), expected, atol=1e-4)


def test_the_heads_stay_in_floats() -> None:
    net = supernet("depth", "classification")
    rounding = FakeInt8(net)
    assert rounding.weight(net.decoders["depth"].get_submodule("head")) is None
    assert rounding.weight(net.decoders["classification"].get_submodule("hidden")) is None
    assert rounding.weight(net.decoders["depth"].get_submodule("pool")) is not None
