"""Sorting moves channels and nothing else: the widest network computes what it did."""

from __future__ import annotations

import copy
import functools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from pliant import ConfigError
from pliant.models import Channels, SlimConv2d, Supernet, extract_subnet
from pliant.models.importance import MEASURES, channel_importance
from pliant.models.sorting import (
    ChannelOrder,
    channel_order,
    importance_order,
    permute_channels,
    permuted,
    sort_supernet,
)
from pliant.models.streams import channel_streams

from .making import ARCHITECTURES, LABELS, images, make_supernet

NAMES = sorted(ARCHITECTURES)


@functools.cache
def supernet_of(name: str) -> Supernet:
    """In float64, with unequal statistics: at mean 0 and variance 1 a forgotten buffer would not show."""
    supernet = make_supernet(name, LABELS) if name.startswith("resnet20-cifar") else make_supernet(name)
    generator = torch.Generator().manual_seed(5)
    for buffer_name, buffer in supernet.named_buffers():
        if buffer.ndim:
            spread = torch.rand(buffer.shape, generator=generator)
            buffer.copy_(0.5 + spread if buffer_name.endswith("var") else spread - 0.5)
    return supernet.double().eval()


def outputs(supernet: Supernet) -> dict[str, Tensor]:
    with torch.no_grad():
        found: dict[str, Tensor] = supernet(images(supernet).double(), supernet.space.widest)
    return found


def drawn_order(supernet: Supernet, seed: int) -> ChannelOrder:
    streams = channel_streams(supernet)
    generator = torch.Generator().manual_seed(seed)
    units = {name: torch.randperm(count, generator=generator) for name, count in streams.units.items()}
    return channel_order(supernet, streams, units)


def assert_same_outputs(found: dict[str, Tensor], wanted: dict[str, Tensor]) -> None:
    for task, output in wanted.items():
        assert float((found[task] - output).abs().max()) < 1e-10 * float(output.abs().max().clamp(min=1.0)), task


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=2, deadline=None)
@given(seed=st.integers(0, 2**31))
def test_any_order_keeps_the_widest_function_and_can_be_undone(name: str, seed: int) -> None:
    original = supernet_of(name)
    supernet = copy.deepcopy(original)
    order = drawn_order(supernet, seed)
    permute_channels(supernet, order)
    assert_same_outputs(outputs(supernet), outputs(original))
    before, after = original.state_dict(), supernet.state_dict()
    assert not all(torch.equal(tensor, before[key]) for key, tensor in after.items())
    permute_channels(supernet, order.inverse())
    assert all(torch.equal(tensor, before[key]) for key, tensor in supernet.state_dict().items())


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize("name", NAMES)
def test_sorted_scores_fall_and_the_widest_function_is_kept(name: str, measure: str) -> None:
    original = supernet_of(name)
    supernet = copy.deepcopy(original)
    batches = [images(supernet, 4, seed).double() for seed in (1, 2)]
    sort_supernet(supernet, batches=batches, measure=measure)
    assert_same_outputs(outputs(supernet), outputs(original))
    for stream, scores in channel_importance(supernet, channel_streams(supernet), measure, batches).items():
        assert bool((scores.diff() <= 1e-6 * scores.max()).all()), stream


def test_sorting_changes_what_a_narrow_subnet_is() -> None:
    supernet = copy.deepcopy(supernet_of("resnet10"))
    name = "encoder.layer1.0.bn1.weight"
    with torch.no_grad():
        supernet.get_parameter(name)[13] = 100.0
    sort_supernet(supernet)
    assert supernet.get_parameter(name).tolist()[0] == 100.0
    assert 100.0 in extract_subnet(supernet, supernet.space.narrowest).get_parameter(name).tolist()


@pytest.mark.parametrize("kind", ["adamw", "sgd"])
def test_an_optimizer_goes_on_as_if_nothing_had_moved(kind: str) -> None:
    """Steps, sorting, steps: the same weights as all steps and then sorting."""

    def optimizer_of(supernet: Supernet) -> torch.optim.Optimizer:
        parameters = list(supernet.parameters())
        if kind == "sgd":
            return torch.optim.SGD(parameters, lr=1e-6, momentum=0.9)
        return torch.optim.AdamW(parameters, lr=0.01)

    def steps(supernet: Supernet, optimizer: torch.optim.Optimizer) -> None:
        for seed in range(2):
            found = supernet(images(supernet, 2, seed).double(), supernet.space.widest)
            optimizer.zero_grad()
            torch.stack([output.square().mean() for output in found.values()]).sum().backward()
            optimizer.step()

    early = copy.deepcopy(supernet_of("mobilenetv2"))
    late = copy.deepcopy(early)
    first, second = optimizer_of(early), optimizer_of(late)
    order = drawn_order(early, 3)
    steps(early, first)
    permute_channels(early, order, first)
    steps(early, first)
    steps(late, second)
    steps(late, second)
    permute_channels(late, order)
    wanted = late.state_dict()
    for name, tensor in early.state_dict().items():
        assert torch.allclose(tensor, wanted[name], rtol=1e-8, atol=1e-8), name


def test_the_state_in_a_checkpoint_is_permuted_by_name() -> None:
    supernet = supernet_of("resnet10")
    order = drawn_order(supernet, 4)
    name = "encoder.layer2.0.conv1.weight"
    momentum = torch.randn(supernet.get_parameter(name).shape)
    tensors = {f"{name}/exp_avg": momentum, f"{name}/step": torch.tensor(3.0)}
    found = permuted(tensors, order)
    rows, columns = order.places[name]
    assert rows is not None
    assert columns is not None
    assert torch.equal(found[f"{name}/exp_avg"], momentum[rows][:, columns])
    assert torch.equal(found[f"{name}/step"], tensors[f"{name}/step"])
    back = permuted(found, order.inverse())
    assert torch.equal(back[f"{name}/exp_avg"], momentum)


def test_a_state_of_another_shape_is_refused_before_anything_moves() -> None:
    supernet = copy.deepcopy(supernet_of("resnet10"))
    optimizer = torch.optim.SGD(supernet.parameters(), lr=0.1)
    optimizer.state[supernet.get_parameter("encoder.conv1.weight")]["row"] = torch.ones(16)
    before = copy.deepcopy(supernet.state_dict())
    with pytest.raises(ConfigError, match=r"row of encoder\.conv1\.weight"):
        sort_supernet(supernet, optimizer)
    assert all(torch.equal(tensor, before[name]) for name, tensor in supernet.state_dict().items())


def test_layers_of_a_residual_stream_share_their_order() -> None:
    streams = channel_streams(supernet_of("resnet18-stride32"))
    assert len({streams.makes[f"encoder.{name}"] for name in ("conv1", "layer1.0.bn2", "layer1.1.conv2")}) == 1
    assert streams.makes["encoder.layer1.0.conv1"] != streams.makes["encoder.layer1.0.conv2"]
    assert streams.makes["encoder.layer2.0.downsample.0"] == streams.makes["encoder.layer2.1.bn2"]
    assert streams.reads["decoders.depth.skip.0"] == streams.makes["encoder.layer1.1.conv2"]
    assert streams.makes["decoders.depth.pool"] == streams.makes["decoders.depth.project.1"]
    branches = [part.stream for part in streams.reads["decoders.depth.project.0"]]
    assert len(branches) == len(set(branches)) == 3
    assert streams.units[streams.makes["decoders.depth.head"][0].stream] == 1


def test_a_depthwise_convolution_moves_with_what_it_reads() -> None:
    streams = channel_streams(supernet_of("mobilenetv2"))
    hidden = {streams.makes[f"encoder.features.3.conv.{place}"] for place in ("0.0", "0.1", "1.0", "1.1")}
    assert len(hidden) == 1
    assert hidden == {streams.reads["encoder.features.3.conv.2"]}


@pytest.mark.parametrize("measure", MEASURES)
def test_a_channel_that_its_depthwise_convolution_silences_is_last(measure: str) -> None:
    """However loud the batch norm before it is."""
    supernet = copy.deepcopy(supernet_of("mobilenetv2"))
    block = "encoder.features.3.conv"
    with torch.no_grad():
        supernet.get_parameter(f"{block}.0.1.weight")[5] = 10.0
        supernet.get_parameter(f"{block}.1.1.weight")[5] = 0.0
    order = importance_order(supernet, measure, [images(supernet, 4).double()])
    places = order.places[f"{block}.1.0.weight"][0]
    assert places is not None
    assert int(places[-1]) == 5


def test_groups_move_as_wholes() -> None:
    original = make_supernet("resnet10").double().eval()
    torch.manual_seed(3)
    stage = Channels(32, "encoder.1")
    grouped = SlimConv2d(stage, stage, 3, groups=4).double()
    original.get_submodule("encoder.layer2.0").conv2 = grouped
    supernet = copy.deepcopy(original)
    streams = channel_streams(supernet)
    read, made = (axes["encoder.layer2.0.conv2"][0] for axes in (streams.reads, streams.makes))
    assert read.stream == made.stream
    assert streams.units[read.stream] == 4
    sort_supernet(supernet)
    assert not torch.equal(supernet.get_parameter("encoder.layer2.0.conv2.weight"), grouped.weight)
    assert_same_outputs(outputs(supernet), outputs(original))


def test_finding_an_order_changes_nothing() -> None:
    supernet = copy.deepcopy(supernet_of("mobilenetv2")).train()
    before = copy.deepcopy(supernet.state_dict())
    importance_order(supernet, "activation", [images(supernet, 4).double()])
    assert supernet.training
    assert all(torch.equal(tensor, before[name]) for name, tensor in supernet.state_dict().items())


def test_what_cannot_be_followed_is_refused() -> None:
    supernet = copy.deepcopy(supernet_of("resnet10"))
    supernet.register_parameter("scale", torch.nn.Parameter(torch.ones(16).double()))
    with pytest.raises(ConfigError, match="scale is no part"):
        importance_order(supernet)
    with pytest.raises(ConfigError, match="needs images"):
        importance_order(supernet_of("resnet10"), "activation")
    with pytest.raises(ConfigError, match="no importance measure 'size'"):
        importance_order(supernet_of("resnet10"), "size")

    class Flipped(torch.nn.Module):
        def __init__(self, block: torch.nn.Module):
            super().__init__()
            self.block = block

        def forward(self, x: Tensor, *at: object) -> Tensor:
            return self.block(x.flip(1), *at)  # type: ignore[no-any-return]

    supernet = copy.deepcopy(supernet_of("resnet10"))
    stage = supernet.get_submodule("encoder.layer2")
    stage[0] = Flipped(stage[0])  # type: ignore[index, operator]
    with pytest.raises(ConfigError, match="cannot be followed through flip"):
        importance_order(supernet)
