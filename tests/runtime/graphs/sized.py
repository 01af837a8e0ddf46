"""Graphs of a few nodes and constants whose activations are to be sized, whole and as a suite holds them."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from pliant.runtime.graphs.graph import Graph, parse_graph

HEIGHT, WIDTH = 8, 12

Node = tuple[str, list[str], dict[str, Any]]

CONSTANTS: dict[str, Any] = {
    "kernel": np.ones((4, 3, 3, 3), np.float32),
    "deep": np.ones((3, 1, 3, 3), np.float32),
    "one": np.float32(1),
    "scale": np.ones(3, np.float32),
    "zero": np.uint8(0),
    "matrix": np.ones((WIDTH, 5), np.float32),
    "tall": np.ones((HEIGHT * WIDTH * 3, 4), np.float32),
    "axes": np.array([2, -1], np.int64),
    "first": np.array([1], np.int64),
    "row": np.array([[0, 2]], np.int64),
    "starts": np.array([1, -4], np.int64),
    "stops": np.array([1 << 40, -1], np.int64),
    "steps": np.array([3, 1], np.int64),
    "pads": np.array([0, 0, 1, -1, 0, 0, 2, 3], np.int64),
    "scales": np.array([1, 1, 1.5, 0.3], np.float32),
    "sizes": np.array([5, 7], np.int64),
    "pieces": np.array([3, 1, 4], np.int64),
    "rows": np.array([0, 3, 2, -1], np.int64),
    "stretch": np.array([1, 3, 1, 1], np.int64),
    "scale33": np.ones((3, 1, 1), np.float32),
    "nought": np.int64(0),
    "nought1": np.array([0], np.int64),
    "minus": np.array([-1], np.int64),
    "wide": np.ones(WIDTH, np.float32),
    "huge": np.zeros((1, 3, 1500, 1500), np.float32),
}


def model(nodes: list[Node], opset: int = 18) -> onnx.ModelProto:
    """A model of these nodes, `#` standing for what the one before makes; every value is an output."""
    made = [
        helper.make_node("Cast", ["images"], ["float"], to=TensorProto.FLOAT),
        helper.make_node("Transpose", ["float"], ["x"], perm=[0, 3, 1, 2]),
    ]
    for index, (op, inputs, attributes) in enumerate(nodes):
        kept = dict(attributes)
        names = [f"v{index}"] + [f"v{index}.{more}" for more in range(1, kept.pop("outputs", 1))]
        # At version 18 Split says its number of outputs, unless its sizes do.
        given = [name.replace("#0", "v0").replace("#", f"v{index - 1}") for name in inputs]
        made.append(helper.make_node(op, given, names, **kept))
    used = {name for node in made for name in node.input}
    inline = [numpy_helper.from_array(np.asarray(CONSTANTS[name]), name) for name in CONSTANTS if name in used]
    large = [item for item in inline if np.prod(item.dims) > 64]
    graph = helper.make_graph(
        made,
        "sizes",
        [helper.make_tensor_value_info("images", TensorProto.UINT8, ["N", HEIGHT, WIDTH, 3])],
        [helper.make_empty_tensor_value_info(name) for node in made for name in node.output],
        [item for item in inline if item not in large],
    )
    found = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=9)
    found.graph.initializer.extend(large)
    return found


def weightless(whole: onnx.ModelProto) -> Graph:
    """The graph as a suite would hold it: large constants external, one output that is always there."""
    cut = onnx.ModelProto()
    cut.CopyFrom(whole)
    for item in cut.graph.initializer:
        if np.prod(item.dims) > 64:
            item.ClearField("raw_data")
            item.data_location = TensorProto.EXTERNAL
            item.external_data.add(key="location", value="pliant")
    del cut.graph.output[:]
    cut.graph.output.append(helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 3, HEIGHT, WIDTH]))
    return parse_graph(cut.SerializeToString())
