"""The protobuf reader: keeps bytes, prunes heads, and refuses what a lowered network does not need."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st

import pliant
from pliant.runtime.graphs.graph import parse_graph
from pliant.runtime.graphs.protobuf import INT, bytes_field, read_message, read_varint, varint_field

from ..making import SUBNETS, Made, images, reference
from ..network import TASKS

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
