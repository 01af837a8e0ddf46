"""The sizes of activations: what onnxruntime makes of them, their bound, and what weights add."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper, numpy_helper

import pliant
from pliant.runtime.graphs.activations import AT_LEAST, PER_PIXEL, allowed, count_activations
from pliant.runtime.graphs.graph import parse_graph
from pliant.runtime.graphs.operators import RULES

from .sized import HEIGHT, WIDTH, Node, model, weightless

SAMPLE = Path(pliant.__file__).parent / "runtime" / "sample" / "sample.pliant"

# Each makes `out` of float NCHW `x` (N, 3, 8, 12); what is made under other names is seen too.
CASES: dict[str, list[Node]] = {
    "Conv": [("Conv", ["x", "kernel"], {"strides": [2, 1], "pads": [1, 0, 2, 1], "dilations": [1, 2]})],
    "Conv depthwise": [("Conv", ["x", "deep"], {"group": 3, "strides": [3, 3]})],
    "MaxPool": [("MaxPool", ["x"], {"kernel_shape": [3, 2], "strides": [2, 3], "pads": [1, 0, 1, 1]})],
    "MaxPool ceil": [("MaxPool", ["x"], {"kernel_shape": [3, 2], "strides": [2, 3], "ceil_mode": 1})],
    "MaxPool ceil padded": [
        ("MaxPool", ["x"], {"kernel_shape": [1, 2], "strides": [2, 3], "pads": [0, 1, 0, 1], "ceil_mode": 1})
    ],
    "AveragePool": [("AveragePool", ["x"], {"kernel_shape": [2, 2], "strides": [2, 2]})],
    "GlobalAveragePool": [("GlobalAveragePool", ["x"], {})],
    "GlobalMaxPool": [("GlobalMaxPool", ["x"], {})],
    "QuantizeLinear": [("QuantizeLinear", ["x", "one", "zero"], {}), ("DequantizeLinear", ["#", "one", "zero"], {})],
    "BatchNormalization": [("BatchNormalization", ["x", "scale", "scale", "scale", "scale"], {})],
    "InstanceNormalization": [("InstanceNormalization", ["x", "scale", "scale"], {})],
    "Clip": [("Clip", ["x", "", "one"], {})],
    "Add": [("GlobalAveragePool", ["x"], {}), ("Add", ["#", "x"], {})],
    "Where": [("Greater", ["x", "one"], {}), ("Where", ["#", "x", "one"], {})],
    "Max": [("Max", ["x", "one", "scale33"], {})],
    "ReduceMean": [("ReduceMean", ["x", "axes"], {"keepdims": 0})],
    "ReduceSum": [("ReduceSum", ["x", "axes"], {})],
    "ReduceMax all": [("ReduceMax", ["x"], {"keepdims": 0})],
    "ReduceL2 none": [("ReduceL2", ["x"], {"noop_with_empty_axes": 1})],
    "ArgMax": [("ArgMax", ["x"], {"axis": -1, "keepdims": 0})],
    "MatMul": [("MatMul", ["x", "matrix"], {})],
    "Gemm": [("Flatten", ["x"], {}), ("Gemm", ["#", "tall"], {})],
    "Flatten": [("Flatten", ["x"], {"axis": 1})],
    "Concat": [("Concat", ["x", "x", "x"], {"axis": -3})],
    "Slice": [("Slice", ["x", "starts", "stops", "axes", "steps"], {})],
    "Gather": [("Gather", ["x", "row"], {"axis": 1})],
    "Split": [("Split", ["x", "pieces"], {"axis": 2, "outputs": 3})],
    "Split uneven": [("Split", ["x"], {"axis": 3, "num_outputs": 5, "outputs": 5})],
    "Pad": [("Pad", ["x", "pads"], {})],
    "Resize by scales": [("Resize", ["x", "", "scales"], {"mode": "nearest"})],
    "Resize as exported": [
        ("Shape", ["x"], {"start": 0, "end": 2}),
        ("Concat", ["#", "sizes"], {"axis": 0}),
        ("Resize", ["x", "", "", "#"], {"mode": "linear"}),
    ],
    "Reshape": [("Reshape", ["x", "rows"], {})],
    "Reshape as exported": [
        ("Shape", ["x"], {}),
        ("Gather", ["#", "nought"], {}),
        ("Unsqueeze", ["#", "nought"], {}),
        ("Concat", ["#", "minus"], {"axis": 0}),
        ("Reshape", ["x", "#"], {}),
    ],
    "Slice of a shape": [
        ("Shape", ["x"], {}),
        ("Slice", ["#", "nought1", "first"], {}),
        ("Concat", ["#", "minus"], {"axis": 0}),
        ("Reshape", ["x", "#"], {}),
    ],
    "Expand": [("GlobalMaxPool", ["x"], {}), ("Shape", ["x"], {}), ("Expand", ["#0", "#"], {})],
    "Squeeze": [("ReduceMax", ["x", "first"], {}), ("Squeeze", ["#", "first"], {})],
    "Unsqueeze": [("Unsqueeze", ["x", "axes"], {})],
    "Transpose": [("Transpose", ["x"], {"perm": [0, 2, 3, 1]})],
    "DepthToSpace": [("Concat", ["x"] * 4, {"axis": 1}), ("DepthToSpace", ["#"], {"blocksize": 2})],
    "SpaceToDepth": [("SpaceToDepth", ["x"], {"blocksize": 4})],
    "LayerNormalization": [("LayerNormalization", ["x", "wide"], {})],
    "Softmax": [("Softmax", ["x"], {"axis": 1})],
    "Constant": [("Constant", [], {"value": numpy_helper.from_array(np.ones((1, 3, 1, 1), np.float32))})],
}


def elements_made(whole: onnx.ModelProto, batch: int) -> int:
    """Elements of all values that onnxruntime makes, without its optimizations."""
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    session = ort.InferenceSession(whole.SerializeToString(), options, providers=["CPUExecutionProvider"])
    images = np.zeros((batch, HEIGHT, WIDTH, 3), np.uint8)
    return sum(int(np.size(value)) for value in session.run(None, {"images": images}))


@pytest.mark.parametrize("case", CASES)
def test_sizes_are_those_that_onnxruntime_makes(case: str) -> None:
    whole = model(CASES[case])
    graph = weightless(whole)
    told = count_activations(graph.nodes, graph.initializers, graph.input, graph.outputs)
    assert told == elements_made(whole, 1)
    # What is told for one image is enough for each of several.
    assert elements_made(whole, 5) <= 5 * told


def test_every_operator_has_a_case_or_is_as_large_as_its_inputs() -> None:
    tried = {op for nodes in CASES.values() for op, _, _ in nodes} | {"Cast", "Identity"}
    alike = {
        op for op, rule in RULES.items() if rule in (RULES["Relu"], RULES["Add"], RULES["ReduceMax"]) or op in tried
    }
    assert alike == set(RULES)


def test_an_attribute_is_what_its_type_says() -> None:
    whole = model(CASES["Concat"])
    (axis,) = whole.graph.node[-1].attribute
    axis.ints.append(2)
    with pytest.raises(pliant.SuiteError, match="type that it says"):
        weightless(whole)
    del axis.ints[:]
    axis.type = onnx.AttributeProto.INTS
    with pytest.raises(pliant.SuiteError, match="type that it says"):
        weightless(whole)


def test_an_output_in_another_size_than_declared() -> None:
    whole = model(CASES["Concat"])
    cut = weightless(whole)
    whole.graph.output[0].CopyFrom(helper.make_tensor_value_info("v0", TensorProto.FLOAT, ["N", 3, HEIGHT, WIDTH]))
    del whole.graph.output[1:]
    assert cut.nodes[-1].op == "Concat"
    with pytest.raises(pliant.SuiteError, match="another size than it declares"):
        parse_graph(whole.SerializeToString())


def test_the_bound_goes_with_the_image() -> None:
    assert allowed(8, 8) == AT_LEAST
    assert allowed(1024, 2048) == PER_PIXEL * 1024 * 2048


def test_weights_are_made_anew_once() -> None:
    """What is dequantized of the file's weights is in proportion to the file, unless it is done again and again."""
    once = weightless(model([("Identity", ["huge"], {})]))
    told = count_activations(once.nodes, once.initializers, once.input, once.outputs)
    assert told == 2 * HEIGHT * WIDTH * 3
    twice = weightless(model([("Identity", ["huge"], {}), ("Identity", ["huge"], {})]))
    told = count_activations(twice.nodes, twice.initializers, twice.input, twice.outputs)
    assert told == 2 * HEIGHT * WIDTH * 3 + 3 * 1500 * 1500


def test_graphs_of_the_shipped_suite_are_far_below_the_bound() -> None:
    with pliant.open_suite(SAMPLE) as suite:
        for subnet in suite.subnets:
            graph = suite.graph(subnet, "onnxruntime")
            told = count_activations(graph.nodes, graph.initializers, graph.input, graph.outputs)
            assert told < PER_PIXEL / 20 * suite.input.height * suite.input.width
