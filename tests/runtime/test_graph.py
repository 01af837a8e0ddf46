"""The protobuf reader: keeps bytes, prunes heads, and refuses what a lowered network does not need."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

import pliant
from pliant.runtime.graph import parse_graph
from pliant.runtime.graph_tensors import MAX_ELEMENTS
from pliant.runtime.protobuf import INT, bytes_field, read_message, read_varint, varint_field

from .making import SUBNETS, TASKS, Made, images, reference

MAX_U64 = (1 << 64) - 1


def everything() -> list[str]:
    return [name for task in TASKS for name in (task.name, f"{task.name}/logits")]


@pytest.mark.parametrize("subnet", SUBNETS)
def test_a_graph_that_keeps_everything_is_the_same_model(made: Made, subnet: str) -> None:
    proto = made.graph(subnet)
    graph = parse_graph(proto.SerializeToString())
    again = onnx.load_from_string(graph.pruned(everything()).to_bytes())
    assert again == proto
    assert [node.op for node in graph.nodes] == [node.op_type for node in proto.graph.node]
    assert {item.name for item in graph.external()} == set(made.views(subnet)) | {
        name[4:] for name in made.records[subnet] if name.startswith("own/")
    }


def test_pruning_heads_drops_their_nodes_and_keeps_results(made: Made) -> None:
    model = made.models["s02-fp32"]
    graph = parse_graph(made.graph("s02-fp32").SerializeToString())
    cut = onnx.load_from_string(graph.pruned(["room"]).to_bytes())
    assert {node.op_type for node in cut.graph.node}.isdisjoint({"ArgMax", "Sigmoid", "ReduceL2"})
    assert len(cut.graph.node) < len(model.graph.node)
    assert not any(item.name.startswith(("depth", "floor")) for item in cut.graph.initializer)
    assert [output.name for output in cut.graph.output] == ["room"]

    # Feed the cut graph with the complete model's own data: results must not move.
    data = {item.name: item for item in model.graph.initializer}
    for item in cut.graph.initializer:
        item.CopyFrom(data[item.name])
    batch = images(2)
    np.testing.assert_array_equal(reference(cut, batch)["room"], reference(model, batch)["room"])


def test_an_output_that_a_graph_does_not_have(made: Made) -> None:
    graph = parse_graph(made.graph("s01-fp32").SerializeToString())
    with pytest.raises(pliant.SuiteError, match="'haze'"):
        graph.pruned(["haze"])


def loop(model: onnx.ModelProto) -> None:
    body = helper.make_graph([], "body", [], [])
    model.graph.node.insert(0, helper.make_node("Loop", ["", ""], ["loop"], body=body))


def subgraph_in_a_known_operator(model: onnx.ModelProto) -> None:
    attribute = helper.make_attribute("then", helper.make_graph([], "body", [], []))
    model.graph.node[0].attribute.append(attribute)


def function(model: onnx.ModelProto) -> None:
    model.functions.append(helper.make_function("x", "F", [], [], [], [helper.make_opsetid("", 17)]))


def external_file(model: onnx.ModelProto) -> None:
    model.graph.initializer[-1].external_data[0].value = "../../etc/passwd"


def external_offset(model: onnx.ModelProto) -> None:
    model.graph.initializer[-1].external_data.add(key="offset", value="4096")


def external_and_inline(model: onnx.ModelProto) -> None:
    model.graph.initializer[-1].raw_data = b"\0\0\0\0"


def external_in_an_attribute(model: onnx.ModelProto) -> None:
    tensor = TensorProto()
    tensor.CopyFrom(model.graph.initializer[-1])
    model.graph.node.append(helper.make_node("Constant", [], ["extra"], value=tensor))


def big_inline(model: onnx.ModelProto) -> None:
    model.graph.initializer.append(numpy_helper.from_array(np.zeros(65, np.int64), "big"))


def lying_inline(model: onnx.ModelProto) -> None:
    model.graph.initializer.append(TensorProto(name="lie", data_type=7, dims=[4], raw_data=b"12345678"))


def string_tensor(model: onnx.ModelProto) -> None:
    model.graph.initializer.append(TensorProto(name="text", data_type=TensorProto.STRING, dims=[1], string_data=[b"x"]))


def huge(model: onnx.ModelProto) -> None:
    model.graph.initializer[-1].dims[:] = [MAX_ELEMENTS, MAX_ELEMENTS]


def negative(model: onnx.ModelProto) -> None:
    model.graph.initializer[-1].dims[:] = [-1]


def cyclic(model: onnx.ModelProto) -> None:
    model.graph.node[0].input[0] = model.graph.node[5].output[0]


def made_twice(model: onnx.ModelProto) -> None:
    model.graph.node[1].output[0] = model.graph.node[0].output[0]


def twice_the_same_initializer(model: onnx.ModelProto) -> None:
    model.graph.initializer.append(model.graph.initializer[0])


def foreign_domain(model: onnx.ModelProto) -> None:
    model.graph.node[0].domain = "com.evil"


def foreign_opset(model: onnx.ModelProto) -> None:
    model.opset_import.append(helper.make_opsetid("com.microsoft", 1))


def unknown_operator(model: onnx.ModelProto) -> None:
    model.graph.node[0].op_type = "StringSplit"


def second_input(model: onnx.ModelProto) -> None:
    model.graph.input.append(helper.make_tensor_value_info("more", TensorProto.FLOAT, [1]))


def sparse(model: onnx.ModelProto) -> None:
    model.graph.sparse_initializer.add()


def bomb(model: onnx.ModelProto) -> None:
    sizes = numpy_helper.from_array(np.array([1, 1 << 20, 1 << 20], np.int64), "sizes")
    model.graph.initializer.append(sizes)
    model.graph.node.append(helper.make_node("Expand", ["mean", "sizes"], ["bomb"]))


def reference_attribute(model: onnx.ModelProto) -> None:
    model.graph.node[0].attribute[0].ref_attr_name = "x"


MEDDLING: tuple[tuple[Callable[[onnx.ModelProto], None], str], ...] = (
    (loop, "field 6|Loop"),
    (subgraph_in_a_known_operator, "field 6"),
    (function, "field 25"),
    (external_file, "outside the suite"),
    (external_offset, "outside the suite"),
    (external_and_inline, "inside and outside"),
    (external_in_an_attribute, "outside the suite"),
    (big_inline, "must be external"),
    (lying_inline, "its shape asks for"),
    (string_tensor, "field 6"),
    (huge, "impossible dimensions"),
    (negative, "impossible dimensions"),
    (cyclic, "cyclic"),
    (made_twice, "twice"),
    (twice_the_same_initializer, "two initializers"),
    (foreign_domain, "com.evil"),
    (foreign_opset, "com.microsoft"),
    (unknown_operator, "StringSplit"),
    (second_input, "one input"),
    (sparse, "field 15"),
    (bomb, "cannot be sized|asks for more"),
    (reference_attribute, "field 21"),
)


@pytest.mark.parametrize(("meddle", "says"), MEDDLING, ids=[meddle.__name__ for meddle, _ in MEDDLING])
def test_what_a_lowered_network_does_not_need_is_refused(
    made: Made, meddle: Callable[[onnx.ModelProto], None], says: str
) -> None:
    model = made.graph("s01-fp32")
    meddle(model)
    with pytest.raises(pliant.SuiteError, match=says):
        parse_graph(model.SerializeToString())


def test_two_graphs_in_one_model_are_not_merged(made: Made) -> None:
    data = made.graph("s01-fp32").SerializeToString()
    with pytest.raises(pliant.SuiteError, match="twice"):
        parse_graph(data + bytes_field(7, b""))


@given(st.integers(0, MAX_U64))
def test_numbers_round_trip(value: int) -> None:
    field = varint_field(1, value)
    assert read_message(field, 0, len(field), {1: INT}, "a test")[1][0].value == value
    with pytest.raises(pliant.SuiteError):
        read_varint(field, 1, len(field) - 1)


@pytest.mark.parametrize("data", [b"\xff" * 11, b"\xff" * 9 + b"\x7f", b"\x80", b""])
def test_numbers_beyond_64_bits_are_refused(data: bytes) -> None:
    with pytest.raises(pliant.SuiteError, match="64 bits"):
        read_varint(data, 0, len(data))


@given(st.data())
def test_damaged_graphs_are_errors_or_graphs_that_onnx_reads_alike(made: Made, data: st.DataObject) -> None:
    raw = bytearray(made.graph("s01-int8").SerializeToString())
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(raw) - 1))
        raw[at] = data.draw(st.integers(0, 255))
    try:
        graph = parse_graph(bytes(raw))
    except pliant.SuiteError:
        return
    theirs: Any = onnx.load_from_string(bytes(raw)).graph
    assert [(n.op, n.inputs, n.outputs) for n in graph.nodes] == [
        (n.op_type, tuple(n.input), tuple(n.output)) for n in theirs.node
    ]
    assert {i.name: i.shape for i in graph.initializers.values()} == {i.name: tuple(i.dims) for i in theirs.initializer}
