"""The sizes of activations: what onnxruntime makes of them, and graphs that ask for more than images need."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper, numpy_helper

import pliant
from pliant.runtime.graphs.activations import AT_LEAST, PER_PIXEL, allowed, count_activations
from pliant.runtime.graphs.graph import Graph, parse_graph
from pliant.runtime.graphs.operators import RULES

HEIGHT, WIDTH = 8, 12
SAMPLE = Path(pliant.__file__).parent / "runtime" / "sample" / "sample.pliant"

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
}

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
CONSTANTS |= {
    "scale33": np.ones((3, 1, 1), np.float32),
    "nought": np.int64(0),
    "nought1": np.array([0], np.int64),
    "minus": np.array([-1], np.int64),
    "wide": np.ones(WIDTH, np.float32),
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


def doublings(op: str, count: int) -> list[Node]:
    if op == "Concat":
        return [("Concat", ["x" if index == 0 else "#"] * 2, {"axis": 2}) for index in range(count)]
    return [("Pad", ["x" if index == 0 else "#", "grow"], {}) for index in range(count)]


def constant(values: Any, dtype: Any = np.int64) -> Node:
    return "Constant", [], {"value": numpy_helper.from_array(np.array(values, dtype))}


GREEDY: dict[str, tuple[list[Node], str]] = {
    "Expand by a constant node": ([constant([1, 3, 1 << 14, 1 << 14]), ("Expand", ["one", "#"], {})], "asks for more"),
    "Expand to a lie": ([constant([1 << 40, 1 << 40]), ("Expand", ["one", "#"], {})], "impossible dimensions"),
    "Pad by a constant node": ([constant([0] * 5 + [1 << 30, 0, 0]), ("Pad", ["x", "#"], {})], "asks for more"),
    "Resize by a constant node": (
        [constant([1, 1, 1e4, 1e4], np.float32), ("Resize", ["x", "", "#"], {})],
        "asks for more",
    ),
    "Resize by infinity": ([constant([1, 1, np.inf, 1], np.float32), ("Resize", ["x", "", "#"], {})], "impossible"),
    "Resize by nothing": ([constant([1, 1, np.nan, 1], np.float32), ("Resize", ["x", "", "#"], {})], "impossible"),
    "Resize of the batch": ([constant([9, 1, 1, 1], np.float32), ("Resize", ["x", "", "#"], {})], "impossible"),
    "Resize that crops": (
        [
            constant([1, 1, 1, 1], np.float32),
            ("Resize", ["x", "#", "#"], {"coordinate_transformation_mode": "tf_crop_and_resize"}),
        ],
        "whole images only",
    ),
    "Concat again and again": (doublings("Concat", 40), "asks for more"),
    "Concat of nothing for ever": (
        [
            ("Slice", ["x", "first", "first", "first"], {}),
            *[("Concat", ["#", "#"], {"axis": 2})] * 60,
        ],
        "impossible dimensions",
    ),
    "pads of a pool": (
        [("AveragePool", ["x"], {"kernel_shape": [1, 1], "pads": [1 << 20] * 4})],
        "asks for more",
    ),
    "pads of a convolution": ([("Conv", ["x", "kernel"], {"pads": [1 << 15] * 4})], "asks for more"),
    "padding by name": ([("Conv", ["x", "kernel"], {"auto_pad": "SAME_UPPER"})], "auto_pad"),
    "stride of nothing": ([("Conv", ["x", "kernel"], {"strides": [0, 1]})], "impossible size"),
    "kernel beyond the image": ([("MaxPool", ["x"], {"kernel_shape": [99, 99]})], "impossible dimensions"),
    "patches of a large kernel": ([("Conv", ["x", "huge"], {"pads": [1500] * 4})], "asks for more"),
    "a batch that is forgotten": (
        [constant([1, 3, 96, 1]), ("Reshape", ["x", "#"], {})],
        "as many elements",
    ),
    "the square of the batch": (
        [
            ("ReduceMax", ["x", "axes"], {"keepdims": 0}),
            ("Transpose", ["#"], {}),
            ("MatMul", ["v0", "#"], {}),
        ],
        "square of the images",
    ),
    "a size that is computed": (
        [
            ("ReduceMax", ["x"], {"keepdims": 0}),
            ("Cast", ["#"], {"to": TensorProto.INT64}),
            ("Unsqueeze", ["#", "nought1"], {}),
            ("Expand", ["one", "#"], {}),
        ],
        "no constant in the graph",
    ),
    "a size that wraps in a cast": (
        [constant([1 << 8]), ("Cast", ["#"], {"to": TensorProto.INT8}), ("Expand", ["one", "#"], {})],
        "no constant in the graph",
    ),
    "a batch that is folded away": ([("Flatten", ["x"], {"axis": 2})], "merges the images"),
    "a constant in another form": ([("Constant", [], {"value_int": 3})], "as tensors"),
    "more outputs than there are": (
        [("MaxPool", ["x"], {"kernel_shape": [1, 1], "outputs": 2})],
        "more outputs",
    ),
}
CONSTANTS |= {"huge": np.zeros((1, 3, 1500, 1500), np.float32)}


@pytest.mark.parametrize("case", GREEDY)
def test_what_cannot_be_sized_or_is_too_large_is_refused_at_once(case: str) -> None:
    nodes, says = GREEDY[case]
    start = time.perf_counter()
    with pytest.raises(pliant.SuiteError, match=says) as caught:
        weightless(model(nodes))
    assert time.perf_counter() - start < 1
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 300


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
