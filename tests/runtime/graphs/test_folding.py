"""Batch norms become part of the convolution before them, to the bit, and only where nothing else sees a difference."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper

import pliant
from pliant.runtime.engine import create_session
from pliant.runtime.graphs.folding import fold_batch_norms
from pliant.runtime.graphs.graph import Graph, parse_graph

from ..making import make
from ..network import external

Array = np.ndarray[Any, Any]


@dataclass
class Net:
    """Layers of Conv, BatchNormalization and Relu on an image, and what feeds them."""

    nodes: list[onnx.NodeProto] = field(default_factory=list)
    arrays: dict[str, Array] = field(default_factory=dict)
    outputs: list[str] = field(default_factory=list)
    channels: int = 3
    last: str = "given"

    def convolution(self, rng: np.random.Generator, makes: int, kernel: int, bias: bool = False) -> str:
        """Adds one; its name."""
        name = f"conv{len(self.nodes)}"
        inputs = [self.last, f"{name}.weight"]
        self.arrays[inputs[1]] = rng.normal(size=(makes, self.channels, kernel, kernel)).astype(np.float32)
        if bias:
            inputs.append(f"{name}.bias")
            self.arrays[inputs[2]] = rng.normal(size=makes).astype(np.float32)
        self.nodes.append(helper.make_node("Conv", inputs, [name], name=name, pads=[kernel // 2] * 4))
        self.channels, self.last = makes, name
        return name

    def norm(self, rng: np.random.Generator, **attributes: Any) -> str:
        """Adds one after what is last; its name."""
        name = f"norm{len(self.nodes)}"
        parts = [f"{name}.{part}" for part in ("weight", "bias", "mean", "variance")]
        for part in parts:
            self.arrays[part] = rng.uniform(0.1, 2, self.channels).astype(np.float32)
        self.nodes.append(helper.make_node("BatchNormalization", [self.last, *parts], [name], **attributes))
        self.last = name
        return name

    def relu(self) -> None:
        """Adds one."""
        name = f"relu{len(self.nodes)}"
        self.nodes.append(helper.make_node("Relu", [self.last], [name]))
        self.last = name

    def graph(self) -> Graph:
        """As a suite's reader sees it."""
        cast = helper.make_node("Cast", ["images"], ["given"], to=TensorProto.FLOAT)
        made = helper.make_graph(
            [cast, *self.nodes],
            "net",
            [helper.make_tensor_value_info("images", TensorProto.UINT8, ["N", 3, 8, 8])],
            [
                helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", None, 8, 8])
                for name in (*self.outputs, self.last)
            ],
            [external(name, array) for name, array in self.arrays.items()],
        )
        return parse_graph(
            helper.make_model(made, opset_imports=[helper.make_opsetid("", 18)], ir_version=10).SerializeToString()
        )


def answer(graph: Graph, arrays: dict[str, Array]) -> list[Array]:
    options = onnxruntime.SessionOptions()
    values = [onnxruntime.OrtValue.ortvalue_from_numpy(array) for array in arrays.values()]
    options.add_external_initializers(list(arrays), values)
    session = onnxruntime.InferenceSession(graph.to_bytes(), options, providers=["CPUExecutionProvider"])
    image = np.random.default_rng(7).integers(0, 256, (2, 3, 8, 8), np.uint8)
    return list(session.run(None, {"images": image}))


def folded(net: Net) -> tuple[list[str], list[Array], list[Array]]:
    """Operators that are left, and what both graphs answer."""
    graph = net.graph()
    before = answer(graph, net.arrays)
    cut, arrays = fold_batch_norms(graph, {name: array.copy() for name, array in net.arrays.items()})
    again = parse_graph(cut.to_bytes())
    assert {item.name for item in again.external()} == set(arrays), "each array has its initializer, and is needed"
    return [node.op for node in again.nodes], before, answer(again, arrays)


@settings(max_examples=40)
@given(
    st.lists(st.tuples(st.integers(1, 9), st.sampled_from([1, 3]), st.booleans(), st.booleans()), min_size=1),
    st.sampled_from([{}, {"epsilon": 1e-3}, {"epsilon": 0.1, "momentum": 0.5}, {"training_mode": 0}]),
)
def test_answers_do_not_move_by_a_bit(layers: list[tuple[int, int, bool, bool]], attributes: dict[str, Any]) -> None:
    net, rng = Net(), np.random.default_rng(3)
    for makes, kernel, normed, active in layers[:6]:
        net.convolution(rng, makes, kernel)
        if normed:
            net.norm(rng, **attributes)
        if active:
            net.relu()
    left, before, after = folded(net)
    assert "BatchNormalization" not in left
    for ours, theirs in zip(after, before, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def _biased(net: Net, rng: np.random.Generator) -> None:
    net.convolution(rng, 4, 3, bias=True)
    net.norm(rng)


def _seen(net: Net, rng: np.random.Generator) -> None:
    net.outputs.append(net.convolution(rng, 4, 3))
    net.norm(rng)


def _read_twice(net: Net, rng: np.random.Generator) -> None:
    made = net.convolution(rng, 4, 3)
    normed = net.norm(rng)
    net.nodes.append(helper.make_node("Add", [made, normed], ["sum"]))
    net.last = "sum"


def _tied(net: Net, rng: np.random.Generator) -> None:
    first = net.convolution(rng, 3, 3)
    net.norm(rng)
    net.nodes.append(helper.make_node("Conv", [net.last, f"{first}.weight"], ["tied"], pads=[1] * 4))
    net.last = "tied"


def _after_a_relu(net: Net, rng: np.random.Generator) -> None:
    net.convolution(rng, 4, 3)
    net.relu()
    net.norm(rng)


def _shared_parameters(net: Net, rng: np.random.Generator) -> None:
    net.convolution(rng, 3, 3)
    net.norm(rng)
    net.nodes[-1].input[4] = net.nodes[-1].input[1]
    del net.arrays[f"{net.last}.variance"]


@pytest.mark.parametrize("build", [_biased, _seen, _read_twice, _tied, _after_a_relu, _shared_parameters])
def test_what_others_see_stays_as_it_is(build: Any) -> None:
    net = Net()
    build(net, np.random.default_rng(5))
    left, before, after = folded(net)
    assert "BatchNormalization" in left
    for ours, theirs in zip(after, before, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_weights_that_may_not_be_written_to_are_left_alone() -> None:
    net, rng = Net(), np.random.default_rng(9)
    weight = net.arrays[f"{net.convolution(rng, 4, 3)}.weight"]
    net.norm(rng)
    kept = weight.copy()
    for array in net.arrays.values():
        array.flags.writeable = False
    _, arrays = fold_batch_norms(net.graph(), net.arrays)
    np.testing.assert_array_equal(weight, kept)
    assert len(net.arrays) == 5, "nor is what was given"
    assert len(arrays) == 2
    assert not np.array_equal(arrays["conv0.weight"], kept)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("variance", [-1.0, -1e-5, np.nan, 3e38])
def test_a_variance_that_lies_is_not_warned_of_but_answers_wrong(variance: float) -> None:
    net, rng = Net(), np.random.default_rng(9)
    net.convolution(rng, 4, 3)
    net.arrays[f"{net.norm(rng)}.variance"][2] = variance
    _, before, after = folded(net)
    np.testing.assert_array_equal(after[0], before[0])


def test_a_switch_to_and_fro_leaves_nothing_folded_twice(tmp_path: Path) -> None:
    made = make()
    for name in ("s01-fp32", "s02-fp32"):  # their records are kept, and hold the weight that is folded
        views = made.views(name)
        low, high = views["mix.weight"]["ranges"]
        columns = np.concatenate([np.arange(start, stop) for start, stop in high])
        rows = slice(*low[0])
        made.records[name]["own/mix.weight"] = made.tensors["weights/mix.weight"][rows][:, columns].copy()
        del views["mix.weight"]
        made.set_views(name, views)
    with pliant.open_suite(made.write(tmp_path / "made.pliant")) as suite, suite.load("s01-fp32") as model:
        image = suite.witness_input()[0]
        first = model(image)
        for target in ("s02-fp32", "s01-fp32") * 3:
            model.switch(target)
        again = model(image)
    for task, array in first.items():
        np.testing.assert_array_equal(again[task], array)


def test_a_session_gets_the_folded_graph(suite_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[bytes] = []

    def watched(graph: bytes, *arguments: Any, **named: Any) -> Any:
        given.append(graph)
        return create_session(graph, *arguments, **named)

    monkeypatch.setattr("pliant.runtime.session.create_session", watched)
    with pliant.open_suite(suite_path) as suite:
        assert "BatchNormalization" in {node.op for node in suite.graph(suite.subnet("s01-fp32"), "onnxruntime").nodes}
        suite.load("s01-fp32", threads=1).close()
    (graph,) = given
    assert "BatchNormalization" not in {node.op for node in parse_graph(graph).nodes}


@pytest.mark.parametrize(
    ("attributes", "opset"),
    [({"frobnicate": 1}, 18), ({"training_mode": 0}, 13), ({"training_mode": 0.0}, 18), ({"epsilon": 1}, 18)],
)
def test_what_an_engine_would_refuse_it_gets_to_see(attributes: dict[str, Any], opset: int, tmp_path: Path) -> None:
    made = make()
    model = made.graph("s01-fp32")
    (norm,) = (node for node in model.graph.node if node.op_type == "BatchNormalization")
    del norm.attribute[:]
    norm.attribute.extend(helper.make_attribute(key, value) for key, value in attributes.items())
    if opset < 18:
        model.opset_import[0].version = opset
    made.replace_graph("s01-fp32", model.SerializeToString())
    with pliant.open_suite(made.write(tmp_path / "made.pliant")) as suite:
        _, found = suite.verify("s01-fp32", threads=1)
    assert not found.ok
    assert "refuses" in found.detail
