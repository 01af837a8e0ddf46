"""A subnet is the same function whether it runs inside the supernet or on its own."""

from __future__ import annotations

import functools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from pliant.models import CostModel, Moments, Setting, SlimBatchNorm2d, SlimConv2d, Supernet, extract_subnet, views
from pliant.models.channels import slice_ranges

from .making import ARCHITECTURES, LABELS, collect_statistics, configs, images, make_supernet

NAMES = sorted(ARCHITECTURES)


@functools.cache
def supernet_of(name: str) -> Supernet:
    return make_supernet(name, LABELS) if name.startswith("resnet20-cifar") else make_supernet(name)


def relative_error(found: torch.Tensor, wanted: torch.Tensor) -> float:
    return float((found - wanted).abs().max() / wanted.abs().max().clamp(min=1e-6))


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=8, deadline=None)
@given(data=st.data())
def test_extracted_equals_slimmable(name: str, data: st.DataObject) -> None:
    supernet = supernet_of(name)
    config = data.draw(configs(supernet.space))
    batch = images(supernet)
    statistics = collect_statistics(supernet, config, batch)
    supernet.eval()
    with torch.no_grad():
        inside = supernet(batch, config, statistics)
        alone = extract_subnet(supernet, config, statistics)(batch)
    assert set(inside) == set(alone) == set(supernet.space.tasks)
    for task in inside:
        assert relative_error(alone[task], inside[task]) < 1e-5, task


@pytest.mark.parametrize("name", NAMES)
def test_extracted_is_made_of_plain_layers(name: str) -> None:
    plain = extract_subnet(supernet_of(name), supernet_of(name).space.narrowest)
    leaves = [m for m in plain.modules() if not list(m.children()) and list(m.parameters(recurse=False))]
    assert leaves
    assert {type(leaf) for leaf in leaves} <= {nn.Conv2d, nn.Linear, nn.BatchNorm2d}


@pytest.mark.parametrize("name", NAMES)
def test_widest_equals_the_network_without_a_setting(name: str) -> None:
    supernet = supernet_of(name).eval()
    batch = images(supernet)
    with torch.no_grad():
        inside = supernet(batch, supernet.space.widest)
        features = supernet.encoder(batch)
        size = (batch.shape[2], batch.shape[3])
        ordinary = {task: decoder(features, size) for task, decoder in supernet.decoders.items()}
    for task in inside:
        assert torch.equal(inside[task], ordinary[task]), task


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=4, deadline=None)
@given(data=st.data())
def test_inactive_weights_get_no_gradient(name: str, data: st.DataObject) -> None:
    supernet = supernet_of(name).train()
    config = data.draw(configs(supernet.space))
    supernet.zero_grad(set_to_none=True)
    outputs = supernet(images(supernet), config)
    torch.stack([output.square().mean() for output in outputs.values()]).sum().backward()
    used = views(supernet, config)
    for parameter_name, parameter in supernet.named_parameters():
        assert parameter.grad is not None, parameter_name
        outside = torch.ones_like(parameter, dtype=torch.bool)
        inside = slice_ranges(torch.arange(parameter.numel()).view(parameter.shape), used[parameter_name])
        outside.view(-1)[inside.reshape(-1)] = False
        assert not parameter.grad[outside].any(), f"{parameter_name} has a gradient outside of its subnet"
        assert parameter.grad.isfinite().all(), parameter_name
    supernet.zero_grad(set_to_none=True)


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=4, deadline=None)
@given(data=st.data())
def test_views_name_the_weights_of_the_extracted_subnet(name: str, data: st.DataObject) -> None:
    supernet = supernet_of(name)
    config = data.draw(configs(supernet.space))
    wide = dict(supernet.named_parameters())
    narrow = dict(extract_subnet(supernet, config).named_parameters())
    found = views(supernet, config)
    assert set(found) == set(wide) == set(narrow)
    for parameter_name, ranges in found.items():
        assert torch.equal(slice_ranges(wide[parameter_name], ranges), narrow[parameter_name]), parameter_name


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=3, deadline=None)
@given(data=st.data())
def test_cost_equals_counting_on_the_extracted_network(name: str, data: st.DataObject) -> None:
    supernet = supernet_of(name)
    config = data.draw(configs(supernet.space))
    plain = extract_subnet(supernet, config)
    counted = 0

    def count(module: nn.Module, inputs: tuple[torch.Tensor, ...], output: torch.Tensor) -> None:
        nonlocal counted
        if isinstance(module, nn.Conv2d):
            counted += output[0].numel() * module.weight[0].numel()
        elif isinstance(module, nn.Linear):
            counted += module.weight.numel()

    for module in plain.modules():
        module.register_forward_hook(count)
    with torch.no_grad():
        plain(images(supernet, 1))
    cost = CostModel(supernet)(config)
    assert cost.macs == counted
    tensors = [*plain.parameters(), *(b for n, b in plain.named_buffers() if "num_batches" not in n)]
    assert cost.bytes == sum(4 * tensor.numel() for tensor in tensors)


def test_narrow_training_passes_leave_the_running_statistics_alone() -> None:
    supernet = make_supernet("resnet10").train()
    before = {name: buffer.clone() for name, buffer in supernet.named_buffers()}
    narrow = supernet.space.uniform(0.5)
    supernet(images(supernet), narrow)
    collect_statistics(supernet, supernet.space.widest, images(supernet))
    changed = [name for name, buffer in supernet.named_buffers() if not torch.equal(buffer, before[name])]
    assert changed == []
    supernet(images(supernet), supernet.space.widest)
    assert any(not torch.equal(b, before[n]) for n, b in supernet.named_buffers())


def test_statistics_of_another_configuration_are_refused() -> None:
    supernet = make_supernet("resnet10").eval()
    statistics = collect_statistics(supernet, supernet.space.narrowest, images(supernet))
    with pytest.raises(Exception, match="another configuration"):
        supernet(images(supernet), supernet.space.widest, statistics)


def test_pooled_moments_equal_those_of_all_values() -> None:
    layer = SlimBatchNorm2d(make_supernet("resnet10").encoder.bn1.makes)  # type: ignore[union-attr, arg-type]
    layer.name = "bn"
    config = make_supernet("resnet10").space.widest
    values = torch.randn(12, 16, 5, 7) * 3 + 2
    collect: dict[str, Moments] = {}
    for part in values.split((3, 4, 5)):
        layer(part, Setting(config, collect=collect))
    moments = collect["bn"]
    assert torch.allclose(moments.mean.float(), values.mean((0, 2, 3)), atol=1e-5)
    variance = values.var((0, 2, 3), correction=0)
    assert torch.allclose(moments.variance.float(), variance, atol=1e-4)


def test_grouped_convolutions_keep_whole_groups() -> None:
    from pliant.models import Channels, SubnetConfig

    conv = SlimConv2d(Channels(32, "encoder.0"), Channels(64, "encoder.0", 16), 3, groups=4)
    half = SubnetConfig((0.5,), ())
    batch = torch.randn(2, 16, 6, 6)
    plain = conv.extract(half)
    assert (plain.groups, plain.weight.shape) == (2, (32, 8, 3, 3))
    assert torch.allclose(conv(batch, Setting(half)), plain(batch), atol=1e-6)
    with pytest.raises(Exception, match="groups"):
        SlimConv2d(Channels(32, "encoder.0"), Channels(64), 3, groups=4).extract(half)
