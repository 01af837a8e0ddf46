"""Graphs for TensorRT, parsed, typed and built by the vendor's own code; none is run, for that takes a GPU."""

from __future__ import annotations

import copy

import pytest
import torch

from pliant.devices.dialect import get_dialect
from pliant.export.engine import Engine
from pliant.export.feeds import Feed, Wide, fp32_feed, int8_feed
from pliant.models.space import SubnetConfig
from pliant.quantize.calibrate import calibrate
from pliant.quantize.lowering import Lowered, lower
from pliant.quantize.policy import Policy
from pliant.quantize.rules import check_graph

from ..rtx import build
from .conftest import Exported
from .making import statistics, waves
from .test_int8 import FLOOR_DB, noise

TENSORRT = get_dialect("tensorrt")


def integers(exported: Exported, config: SubnetConfig, policy: Policy) -> tuple[Lowered, Feed, Feed]:
    """A subnet in fp32, and as the policy says for TensorRT."""
    lowered = lower(exported.template, policy, TENSORRT)
    wide = Wide(exported.net, lowered)
    fp32 = fp32_feed(exported.template, wide, config, statistics(exported.net, config))
    ranges = calibrate(fp32.graph, fp32.arrays, lowered.ranged, [waves(8)])
    return lowered, fp32, int8_feed(lowered, wide, fp32, ranges)


@pytest.mark.parametrize("capability", ["8.6", "12.0"])
@pytest.mark.parametrize(
    "policy", [Policy(), Policy("careful", (("decoders.depth.*", "fp32"),))], ids=["int8", "mixed"]
)
def test_the_vendor_types_and_builds_what_the_policy_says(resnet: Exported, policy: Policy, capability: str) -> None:
    lowered, fp32, int8 = integers(resnet, resnet.net.space.narrowest, policy)
    check_graph(int8.graph, TENSORRT, policy)
    for feed, layers in ((fp32, set()), (int8, {layer.name for layer in lowered.layers})):
        seen = build(feed.data, feed.arrays, capability)
        assert seen.said == ()
        assert seen.plan > 0
        assert {name for name, precision in seen.precisions.items() if precision == "int8"} == layers
        assert set(seen.precisions.values()) <= {"int8", "fp32"}


def test_a_channel_that_batch_norm_turns_off_is_built(resnet: Exported) -> None:
    """A gain of exactly 0, as weight decay may leave it; of a scale of 0 the vendor builds nothing."""
    net = copy.deepcopy(resnet.net)
    with torch.no_grad():
        for norm in (each for each in net.modules() if isinstance(each, torch.nn.BatchNorm2d)):
            norm.weight[0] = 0.0
    _, _, int8 = integers(Exported(net, resnet.template), net.space.narrowest, Policy())
    seen = build(int8.data, int8.arrays)
    assert (seen.said, seen.plan > 0) == ((), True)


HALF = Policy("fp16", default="fp16", heads="fp16")
MIXED = Policy("mixed", (("encoder.layer1*", "fp16"), ("decoders.depth.*", "fp16"), ("decoders.edges.*", "fp32")))


@pytest.mark.parametrize("policy", [HALF, MIXED], ids=["fp16", "mixed"])
def test_halves_are_typed_by_casts_alone(resnet: Exported, policy: Policy) -> None:
    lowered, fp32, half = integers(resnet, resnet.net.space.narrowest, policy)
    check_graph(half.graph, TENSORRT, policy)
    seen = build(half.data, half.arrays)
    assert (seen.said, seen.plan > 0) == ((), True)
    heads = {f"decoders.{task.name}.head" for task in resnet.net.tasks}
    said = {name: policy.of(name, name in heads) for name in seen.precisions}
    if policy is MIXED:  # fully connected, for which there are no integers
        said["decoders.classification.hidden"] = "fp32"
    assert seen.precisions == said
    assert {layer.name for layer in lowered.layers} == {n for n, kind in seen.precisions.items() if kind == "int8"}
    found = noise(resnet, fp32, half)
    assert min(found.values()) > (50 if policy is HALF else FLOOR_DB), found
    assert ("int8/encoder.conv1.weight" in half.views) == (policy is MIXED)


def test_depthwise_convolutions_are_built_too(mobilenet: Exported) -> None:
    lowered, _, int8 = integers(mobilenet, mobilenet.net.space.widest, Policy())
    check_graph(int8.graph, TENSORRT, Policy())
    seen = build(int8.data, int8.arrays)
    assert (seen.said, seen.plan > 0) == ((), True)
    assert sum(precision == "int8" for precision in seen.precisions.values()) == len(lowered.layers)


def test_depthwise_halves_of_a_narrow_subnet_are_built(mobilenet: Exported) -> None:
    _, _, half = integers(mobilenet, mobilenet.net.space.narrowest, HALF)
    check_graph(half.graph, TENSORRT, HALF)
    assert (build(half.data, half.arrays).said, Engine(half, ["depth"], "half")(waves(1))["depth"].shape[0]) == ((), 1)


def test_a_decoder_in_floats_reads_nothing_that_was_rounded_for_others(resnet: Exported) -> None:
    policy = Policy("careful", (("decoders.depth.*", "fp32"),))
    model = lower(resnet.template, policy, TENSORRT).model
    rounded = {node.output[0] for node in model.graph.node if node.op_type == "DequantizeLinear"}
    convolutions = [node for node in model.graph.node if node.op_type == "Conv" and "decoders.depth." in node.name]
    assert len(convolutions) > 5
    assert not {node.input[0] for node in convolutions} & rounded


def test_onnxruntimes_integers_are_refused_by_the_vendor_and_by_our_rules(resnet: Exported) -> None:
    """Why there are two dialects: and the checker says so before the vendor does."""
    lowered = lower(resnet.template, Policy(), get_dialect("onnxruntime"))
    wide, config = Wide(resnet.net, lowered), resnet.net.space.narrowest
    fp32 = fp32_feed(resnet.template, wide, config, statistics(resnet.net, config))
    int8 = int8_feed(lowered, wide, fp32, calibrate(fp32.graph, fp32.arrays, lowered.ranged, [waves(4)]))
    assert build(int8.data, int8.arrays).plan == 0
    with pytest.raises(Exception, match="would refuse this graph"):
        check_graph(int8.graph, TENSORRT)


def test_signed_integers_keep_the_signal(resnet: Exported) -> None:
    """Half of the range is lost after a ReLU; run by onnxruntime, which takes this form as well."""
    _, fp32, int8 = integers(resnet, resnet.net.space.widest, Policy())
    found = noise(resnet, fp32, int8)
    assert min(found.values()) > FLOOR_DB - 6, found
    assert Engine(int8, ["depth"], "int8")(waves(1))["depth"].shape[0] == 1
