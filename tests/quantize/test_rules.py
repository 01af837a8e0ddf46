"""Each rule is broken by hand, in a graph that was right; and what lowering makes breaks none."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from onnx import TensorProto, helper, numpy_helper

from pliant.devices.dialect import get_dialect
from pliant.devices.errors import QuantizeError
from pliant.quantize.policy import Policy
from pliant.quantize.rules import RULES, check_graph, violations

ORT, RT, CUDA = (get_dialect(name) for name in ("onnxruntime", "tensorrt", "cuda"))
Change = Callable[[onnx.GraphProto], None]


def graph(symmetric: bool) -> onnx.ModelProto:
    """images -> Cast -> Q/DQ -> conv (int8) -> Relu -> Q/DQ -> conv (int8) -> Add with the first pair's output -> y."""
    kind = TensorProto.INT8 if symmetric else TensorProto.UINT8
    nodes = [
        helper.make_node("Transpose", ["floats"], ["moved"], "moved", perm=[0, 3, 1, 2]),
        helper.make_node("Cast", ["images"], ["floats"], "cast", to=TensorProto.FLOAT),
    ][::-1]
    numbers = [
        numpy_helper.from_array(np.array(0.1, np.float32), "scale"),
        helper.make_tensor("zero", kind, [], [0]),
        numpy_helper.from_array(np.full(3, 0.1, np.float32), "scales"),
        numpy_helper.from_array(np.ones((3, 3, 1, 1), np.int8), "w"),
        numpy_helper.from_array(np.zeros(3, np.float32), "bias_float"),
        numpy_helper.from_array(np.zeros(3, np.int32), "bias_int"),
    ]

    def pair(source: str, name: str) -> str:
        nodes.append(helper.make_node("QuantizeLinear", [source, "scale", "zero"], [f"{name}/q"], f"{name}/Q"))
        nodes.append(helper.make_node("DequantizeLinear", [f"{name}/q", "scale", "zero"], [f"{name}/dq"], f"{name}/DQ"))
        return f"{name}/dq"

    def convolution(source: str, name: str) -> str:
        nodes.append(helper.make_node("DequantizeLinear", ["w", "scales"], [f"{name}/w"], f"{name}/DQW", axis=0))
        bias = "bias_float"
        if not symmetric:
            bias = f"{name}/b"
            nodes.append(helper.make_node("DequantizeLinear", ["bias_int", "scales"], [bias], f"{name}/DQB", axis=0))
        nodes.append(helper.make_node("Conv", [source, f"{name}/w", bias], [f"{name}/y"], name))
        return f"{name}/y"

    first = pair("moved", "moved")
    nodes.append(helper.make_node("Relu", [convolution(first, "one")], ["active"], "relu"))
    residual = pair("active", "active")
    second = convolution(residual, "two")
    nodes.append(helper.make_node("Add", [second if symmetric else pair(second, "second"), residual], ["sum"], "add"))
    nodes.append(helper.make_node("Conv", ["sum" if symmetric else pair("sum", "sum"), "head_w"], ["y"], "head"))
    numbers.append(numpy_helper.from_array(np.ones((1, 3, 1, 1), np.float32), "head_w"))
    images = helper.make_tensor_value_info("images", TensorProto.UINT8, ["N", 4, 4, 3])
    out = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 1, 4, 4])
    made = helper.make_graph(nodes, "g", [images], [out], numbers)
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    onnx.checker.check_model(model)
    return model


def test_a_right_graph_breaks_no_rule() -> None:
    assert list(violations(graph(False), ORT, Policy("int8", (("one", "int8"),)))) == []
    assert list(violations(graph(True), RT, Policy())) == []


def node(made: onnx.GraphProto, name: str) -> onnx.NodeProto:
    found: onnx.NodeProto = next(each for each in made.node if each.name == name)
    return found


def number(made: onnx.GraphProto, name: str, array: np.ndarray) -> None:
    kept = [each for each in made.initializer if each.name != name]
    del made.initializer[:]
    made.initializer.extend([*kept, numpy_helper.from_array(array, name)])


def rounded_early(made: onnx.GraphProto) -> None:
    """Q and DQ come between a convolution and its ReLU."""
    node(made, "relu").input[0] = "early/dq"
    at = [each.name for each in made.node].index("relu")
    made.node.insert(at, helper.make_node("DequantizeLinear", ["early/q", "scale", "zero"], ["early/dq"], "early/DQ"))
    made.node.insert(at, helper.make_node("QuantizeLinear", ["one/y", "scale", "zero"], ["early/q"], "early/Q"))


def both_rounded(made: onnx.GraphProto) -> None:
    node(made, "add").input[0] = "second/dq"
    at = [each.name for each in made.node].index("add")
    made.node.insert(at, helper.make_node("DequantizeLinear", ["second/q", "scale", "zero"], ["second/dq"], "s/DQ"))
    made.node.insert(at, helper.make_node("QuantizeLinear", ["two/y", "scale", "zero"], ["second/q"], "s/Q"))


def transposed_bytes(made: onnx.GraphProto) -> None:
    node(made, "moved").input[0], node(made, "cast").input[0] = "images", "turned"
    node(made, "moved").output[0], node(made, "cast").output[0] = "turned", "moved"


def half_residual(made: onnx.GraphProto) -> None:
    node(made, "add").input[1] = "halves"
    at = [each.name for each in made.node].index("add")
    made.node.insert(at, helper.make_node("Cast", ["active/dq"], ["halves"], "half", to=TensorProto.FLOAT16))


def weight_in_floats(made: onnx.GraphProto) -> None:
    """Its neighbours stay integers: onnxruntime would round the weight by itself."""
    node(made, "two").input[1] = "two/floats"
    made.initializer.append(numpy_helper.from_array(np.ones((3, 3, 1, 1), np.float32), "two/floats"))


def gemm(made: onnx.GraphProto) -> None:
    node(made, "two").op_type = "Gemm"


BROKEN: list[tuple[str, bool, str, Change]] = [
    ("activation-type", True, "moved/Q", lambda g: number(g, "zero", np.array(0, np.uint8))),
    ("activation-type", False, "moved/Q", lambda g: number(g, "zero", np.array(0, np.int8))),
    ("zero-point", True, "moved/Q", lambda g: number(g, "zero", np.array(3, np.int8))),
    ("per-tensor", True, "moved/Q", lambda g: number(g, "scale", np.full(3, 0.1, np.float32))),
    ("weight-type", False, "one", lambda g: number(g, "w", np.ones((3, 3, 1, 1), np.uint8))),
    ("weight-type", True, "one", lambda g: number(g, "scales", np.array(0.1, np.float32))),
    ("bias-type", True, "two", lambda g: number(g, "bias_float", np.zeros(3, np.float16))),
    ("integer-operator", True, "two", gemm),
    ("whole-layer", True, "two", lambda g: node(g, "two").input.__setitem__(0, "active")),
    ("left-in-floats", False, "two", weight_in_floats),
    ("before-activation", True, "relu", rounded_early),
    ("addition", True, "add", both_rounded),
    ("addition", False, "add", lambda g: node(g, "add").input.__setitem__(0, "two/y")),
    ("one-float-type", True, "add", half_residual),
    ("half-precision", False, "half", half_residual),
    ("moved-integers", True, "moved", transposed_bytes),
]


@pytest.mark.parametrize(("rule", "symmetric", "where", "change"), BROKEN, ids=[f"{b[0]}-{b[1]}" for b in BROKEN])
def test_a_rule_names_the_node_that_breaks_it(rule: str, symmetric: bool, where: str, change: Change) -> None:
    model, dialect = graph(symmetric), RT if symmetric else ORT
    change(model.graph)
    assert (where, rule) in {(found.node, found.rule) for found in violations(model, dialect)}
    with pytest.raises(QuantizeError, match="breaks the rule"):
        check_graph(model, dialect)


def test_every_rule_has_a_test_and_says_what_it_wants() -> None:
    assert {rule for rule, _, _, _ in BROKEN} == set(RULES)
    assert all(rule.__doc__ for rule in RULES.values())


def test_the_bias_of_another_engine_is_refused() -> None:
    found = {(each.node, each.rule) for each in violations(graph(False), RT)}
    assert {("one", "bias-type"), ("moved/Q", "activation-type")} <= found
    assert ("one", "integer-operator") in {(each.node, each.rule) for each in violations(graph(True), CUDA)}


def test_a_layer_of_another_precision_than_the_policys_is_named() -> None:
    policy = Policy("careful", (("two", "fp32"),))
    assert [str(found) for found in violations(graph(True), RT, policy)] == [
        "two breaks the rule `policy`: it is int8, and 'careful' says fp32"
    ]
    assert ir.serde.deserialize_model(graph(True)).graph.outputs[0].name == "y"
