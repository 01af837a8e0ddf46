from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pliant.devices.dialect import get_dialect
from pliant.devices.errors import QuantizeError
from pliant.export.engine import Engine
from pliant.export.feeds import Feed, Wide, beside, cut, fp32_feed, int8_feed
from pliant.export.forms import Forms
from pliant.export.noise import signal_to_noise
from pliant.models.network import normalize
from pliant.models.space import SubnetConfig
from pliant.quantize.calibrate import calibrate
from pliant.quantize.lowering import lower
from pliant.quantize.policy import Policy
from pliant.quantize.rules import check_graph
from pliant.quantize.weights import dequantize
from pliant.runtime.graphs.graph import parse_graph

from .conftest import Exported
from .making import statistics, waves

ENGINE = get_dialect("onnxruntime")
PARTS = ("ranged", "by_channel")
FLOOR_DB = 20.0
"""Signal over quantization noise that every raw output must keep."""


def both(
    exported: Exported, config: SubnetConfig, policy: Policy | None = None, images: int = 16
) -> tuple[Feed, Feed, Wide]:
    """A subnet in fp32 and in int8, calibrated on waves."""
    lowered = lower(exported.template, policy or Policy(), ENGINE)
    wide = Wide(exported.net, lowered)
    fp32 = fp32_feed(exported.template, wide, config, statistics(exported.net, config))
    ranges = calibrate(fp32.graph, fp32.arrays, lowered.ranged, [waves(images)], lowered.by_channel)
    return fp32, int8_feed(lowered, wide, fp32, ranges), wide


def seen(exported: Exported, config: SubnetConfig, by_channel: bool) -> float:
    """Signal over noise of the worst output, with what calibration saw of channels or without."""
    lowered = lower(exported.template, Policy(), ENGINE)
    wide = Wide(exported.net, lowered)
    fp32 = fp32_feed(exported.template, wide, config, statistics(exported.net, config))
    channels = lowered.by_channel if by_channel else ()
    ranges = calibrate(fp32.graph, fp32.arrays, lowered.ranged, [waves(16)], channels)
    return min(noise(exported, fp32, int8_feed(lowered, wide, fp32, ranges)).values())


def noise(exported: Exported, fp32: Feed, int8: Feed) -> dict[str, float]:
    names = [f"{task.name}/logits" for task in exported.net.tasks]
    images = waves(4, seed=50)
    expected, actual = Engine(fp32, names, "fp32")(images), Engine(int8, names, "int8")(images)
    return {name: signal_to_noise(expected[name], actual[name]) for name in names}


@pytest.mark.parametrize("width", [0.5, 1.0])
def test_int8_keeps_the_signal(resnet: Exported, width: float) -> None:
    fp32, int8, _ = both(resnet, resnet.net.space.uniform(width))
    found = noise(resnet, fp32, int8)
    assert min(found.values()) > FLOOR_DB, found


def test_a_convolution_that_classifies_is_on_integers_and_keeps_the_signal(convolved: Exported) -> None:
    fp32, int8, _ = both(convolved, convolved.net.space.widest)
    assert "decoders.classification.hidden.0" in lower(convolved.template, Policy(), ENGINE).reduced
    assert min(noise(convolved, fp32, int8).values()) > FLOOR_DB


def test_int8_keeps_the_signal_of_depthwise_convolutions(mobilenet: Exported) -> None:
    fp32, int8, _ = both(mobilenet, SubnetConfig((0.5, 1.0, 0.75, 0.5), (("depth", 0.5),)))
    found = noise(mobilenet, fp32, int8)
    assert min(found.values()) > FLOOR_DB, found


def test_ranges_matter(resnet: Exported) -> None:
    """The floor is no formality: calibrated on black images only, the same subnet is far below it."""
    config = resnet.net.space.narrowest
    fp32, _, wide = both(resnet, config)
    lowered = lower(resnet.template, Policy(), ENGINE)
    dark = waves(4) // 32
    int8 = int8_feed(lowered, wide, fp32, calibrate(fp32.graph, fp32.arrays, lowered.ranged, [dark]))
    assert min(noise(resnet, fp32, int8).values()) < FLOOR_DB


def optimized(feed: Feed, path: Path) -> Counter[str]:
    """The operators that onnxruntime really runs."""
    graph = parse_graph(feed.data)
    options = ort.SessionOptions()
    options.optimized_model_filepath = str(path)
    options.log_severity_level = 3
    arrays = [ort.OrtValue.ortvalue_from_numpy(feed.arrays[item.name]) for item in graph.external()]
    options.add_external_initializers([item.name for item in graph.external()], arrays)
    ort.InferenceSession(feed.data, options, providers=["CPUExecutionProvider"])
    return Counter(node.op_type for node in onnx.load(path).graph.node)


def test_a_subnet_that_is_only_timed_runs_what_a_calibrated_one_runs(resnet: Exported, tmp_path: Path) -> None:
    """With ranges that nobody observed; a zero point over 0 after a ReLU would keep convolutions in floats."""
    forms = Forms(resnet.net, {"int8": Policy()}, ENGINE)
    config = replace(resnet.net.space.narrowest, precision="int8")
    fp32 = forms.fp32(config, statistics(resnet.net, config))
    ranges = calibrate(fp32.graph, fp32.arrays, forms.ranged, [waves(4)])
    calibrated = optimized(forms.of(config, fp32, ranges), tmp_path / "calibrated.onnx")
    assert optimized(forms.of(config, fp32, forms.unmeasured()), tmp_path / "timed.onnx") == calibrated


def test_onnxruntime_runs_every_quantized_layer_on_integers(resnet: Exported, tmp_path: Path) -> None:
    _, int8, _ = both(resnet, resnet.net.space.narrowest)
    operators = optimized(int8, tmp_path / "optimized.onnx")
    layers = lower(resnet.template, Policy(), ENGINE).layers
    additions = sum(1 for node in resnet.template.graph.node if node.op_type == "Add" and "pliant" not in node.name)
    dense_heads = 4
    assert operators["QLinearConv"] == len(layers)
    assert operators["QLinearAdd"] == additions
    assert operators["Conv"] + operators["FusedConv"] == dense_heads


@pytest.mark.parametrize("width", [0.5, 1.0])
def test_shared_integers_are_each_subnets_own_weights(resnet: Exported, width: float) -> None:
    """What a narrow subnet dequantizes is its own folded weight, rounded with the scale that it is given."""
    fp32, int8, wide = both(resnet, resnet.net.space.uniform(width))
    for layer in lower(resnet.template, Policy(), ENGINE).layers:
        scales = int8.arrays[f"{layer.name}/weight_scale"]
        weight = fp32.arrays[layer.weight].astype(np.float64)
        if layer.norm is not None:
            gamma, variance = fp32.arrays[f"{layer.norm}.weight"], fp32.arrays[f"{layer.norm}.running_var"]
            weight *= (gamma / np.sqrt(variance + layer.epsilon)).reshape(-1, 1, 1, 1)
        stored = int8.arrays[layer.integers]
        assert stored.dtype == np.int8
        assert (stored == cut(wide.tensors[f"int8/{layer.weight}"], fp32.views[layer.weight].ranges)).all()
        error = np.abs(dequantize(stored, scales) - weight)
        assert (error <= 0.501 * scales.reshape(-1, 1, 1, 1) + 1e-9).all(), layer.name


def test_excluded_layers_and_heads_stay_in_fp32(resnet: Exported) -> None:
    policy = Policy("careful", (("decoders.depth.*", "fp32"),))
    _, int8, _ = both(resnet, resnet.net.space.narrowest, policy, images=2)
    floating = {name for name, view in int8.views.items() if view.tensor.startswith("weights/")}
    assert "decoders.depth.fuse.0.weight" in floating
    assert "decoders.depth.fuse.1.running_mean" in int8.own
    assert "decoders.normals.head.weight" in floating
    assert int8.views["int8/decoders.normals.fuse.0.weight"].tensor == "int8/decoders.normals.fuse.0.weight"


def test_heads_can_be_quantized_too(resnet: Exported) -> None:
    names = {layer.name for layer in lower(resnet.template, Policy(heads="int8"), ENGINE).layers}
    assert names - {layer.name for layer in lower(resnet.template, Policy(), ENGINE).layers} == {
        f"decoders.{task}.head" for task in ("segmentation", "depth", "normals", "edges")
    }


def test_a_policy_for_another_network_is_refused(resnet: Exported) -> None:
    with pytest.raises(QuantizeError, match="names no layer"):
        lower(resnet.template, Policy(layers=(("backbone.*", "fp32"),)), ENGINE)


@pytest.mark.parametrize("value", [0, 128])
def test_constant_images_calibrate_nothing(resnet: Exported, value: int) -> None:
    fp32, _, _ = both(resnet, resnet.net.space.narrowest, images=2)
    with pytest.raises(QuantizeError, match="all one constant"):
        calibrate(fp32.graph, fp32.arrays, ["encoder/Relu"], [np.full_like(waves(2), value)])


def test_no_images_calibrate_nothing(resnet: Exported) -> None:
    fp32, _, _ = both(resnet, resnet.net.space.narrowest, images=2)
    with pytest.raises(QuantizeError, match="without images"):
        calibrate(fp32.graph, fp32.arrays, ["encoder/Relu"], [])


def test_a_network_that_overflows_is_told_with_the_place(resnet: Exported) -> None:
    fp32, _, _ = both(resnet, resnet.net.space.narrowest, images=2)
    broken = {
        name: np.full_like(array, np.nan) if ".bn1.bias" in name else array for name, array in fp32.arrays.items()
    }
    with pytest.raises(QuantizeError, match="not finite at encoder"):
        calibrate(fp32.graph, broken, ["encoder.layer1.0/Relu"], [waves(2)])


ENGINES = pytest.mark.parametrize("engine", ["onnxruntime", "tensorrt"])


@ENGINES
@given(data=st.data())
@settings(max_examples=12, deadline=None)
def test_any_mixture_obeys_the_rules_of_each_engine(resnet: Exported, engine: str, data: st.DataObject) -> None:
    """Whichever layers stay in fp32: no weight in integers beside floats, no addition that is half rounded."""
    check_mixture(resnet, engine, data)


@ENGINES
@given(data=st.data())
@settings(max_examples=8, deadline=None)
def test_any_mixture_of_inverted_residuals_does(mobilenet: Exported, engine: str, data: st.DataObject) -> None:
    check_mixture(mobilenet, engine, data)


def check_mixture(exported: Exported, engine: str, data: st.DataObject) -> None:
    names = [layer.name for layer in lower(exported.template, Policy(), get_dialect(engine)).layers]
    floats = data.draw(st.lists(st.sampled_from(names), unique=True))
    policy = Policy("mixed", tuple((name, "fp32") for name in floats))
    lowered = lower(exported.template, policy, get_dialect(engine))
    check_graph(lowered.model, lowered.dialect, policy)
    assert {layer.name for layer in lowered.layers} == set(names) - set(floats)


def test_what_is_seen_of_channels_makes_less_noise(mobilenet: Exported) -> None:
    """Corrected biases, and the channels that depthwise convolutions read each over a whole range."""
    config = mobilenet.net.space.narrowest
    assert seen(mobilenet, config, by_channel=True) > seen(mobilenet, config, by_channel=False) + 1


def test_channels_are_seen_as_they_are(resnet: Exported) -> None:
    """Over batches of unequal size: against the normalized pixels, which anyone can compute."""
    fp32, _, _ = both(resnet, resnet.net.space.narrowest, images=2)
    images, name = waves(5), "pliant/Transpose"
    found = calibrate(fp32.graph, fp32.arrays, [name], [images[:3], images[3:]], [name])[name]
    pixels = normalize(torch.from_numpy(images), resnet.net.architecture).numpy()
    assert found.channels is not None
    assert found.channels.high == pytest.approx(pixels.max((0, 2, 3)), abs=1e-4)
    assert found.channels.mean == pytest.approx(pixels.mean(0), abs=1e-4)


@pytest.mark.parametrize(
    "layer", ["encoder.features.2.conv.1.0", "encoder.features.5.conv.1.0", "decoders.depth.fuse.0"]
)
def test_one_layer_in_floats_between_integers_stays_in_floats(mobilenet: Exported, layer: str, tmp_path: Path) -> None:
    """onnxruntime would round its weights by itself, with one scale for all of them (quantize/apart.py)."""
    policy = Policy("mixed", ((layer, "fp32"),))
    _, int8, _ = both(mobilenet, mobilenet.net.space.narrowest, policy)
    found = optimized(int8, tmp_path / "optimized.onnx")
    assert found["QLinearConv"] == len(lower(mobilenet.template, Policy(), ENGINE).layers) - 1
    assert found["LeakyRelu"] == 1


def test_a_shallow_first_layer_stays_in_floats_unless_it_is_named(mobilenet: Exported, resnet: Exported) -> None:
    """3x3 of three channels: integers gain nothing. 7x7 are deep enough, and TensorRT's are not known."""
    first, depthwise = "encoder.features.0.0", "encoder.features.1.conv.0.0"

    def in_int8(exported: Exported, policy: Policy, engine: str = "onnxruntime") -> set[str]:
        lowered = lower(exported.template, policy, get_dialect(engine))
        check_graph(lowered.model, lowered.dialect, policy)
        return {layer.name for layer in lowered.layers}

    usual = in_int8(mobilenet, Policy())
    assert not {first, depthwise} & usual
    assert "encoder.features.2.conv.1.0" in usual, "other depthwise ones read integers"
    assert {first, depthwise} <= in_int8(mobilenet, Policy("all", ((first, "int8"),)))
    assert {first, depthwise} <= in_int8(mobilenet, Policy(), "tensorrt")
    assert "encoder.conv1" in in_int8(resnet, Policy())


def test_channels_that_the_first_depthwise_layer_reads_are_equalized_where_it_is_on_integers(
    mobilenet: Exported,
) -> None:
    read = "encoder.features.1.conv.0.0"
    for engine, there in (("onnxruntime", False), ("tensorrt", True)):
        pairs = lower(mobilenet.template, Policy(), get_dialect(engine)).pairs
        assert (read in [pair.read_by for pair in pairs]) == there, engine


@pytest.mark.parametrize("floats", [(), ("encoder.features.2.conv.1.0", "encoder.features.4.conv.0.0")])
def test_what_engines_have_by_one_name_is_one_array(mobilenet: Exported, floats: tuple[str, ...]) -> None:
    """A suite stores it once. A layer in floats on one side changes the scales of its neighbour: these go apart."""
    config, net = mobilenet.net.space.narrowest, mobilenet.net
    policies = {"onnxruntime": Policy(), "tensorrt": Policy("mixed", tuple((name, "fp32") for name in floats))}
    lowered = {engine: lower(mobilenet.template, policy, get_dialect(engine)) for engine, policy in policies.items()}
    wide = Wide(net, *lowered.values())
    fp32 = fp32_feed(mobilenet.template, wide, config, statistics(net, config))
    tensors, channels = ({name for each in lowered.values() for name in getattr(each, part)} for part in PARTS)
    ranges = calibrate(fp32.graph, fp32.arrays, sorted(tensors), [waves(4)], sorted(channels))
    engine, alone = (int8_feed(each, wide, fp32, ranges) for each in lowered.values())
    other = beside(alone, engine, "tensorrt")
    shared = engine.own.keys() & other.own.keys()
    assert all(engine.own[name].tobytes() == other.own[name].tobytes() for name in shared)
    assert len(shared) > len(lowered["onnxruntime"].layers) / 2
    assert len(other.own) == len(alone.own)
    assert bool(other.own.keys() - alone.own.keys()) == bool(floats)
    answers = [
        Engine(feed, ["depth/logits"], "int8", literally=True)(waves(1))["depth/logits"] for feed in (alone, other)
    ]
    assert (answers[0] == answers[1]).all()
