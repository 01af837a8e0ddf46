"""Graphs with what a lowered network does not need: loops, files, foreign operators, impossible sizes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from pliant.runtime.graphs.graph_tensors import MAX_ELEMENTS

Meddle = Callable[[onnx.ModelProto], None]


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


GRAPHS: tuple[tuple[Meddle, str], ...] = (
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
"""What is done to a graph, and what the error says."""
