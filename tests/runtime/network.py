"""The network of the made suites in ONNX: its tasks, weights, nodes and outputs, in fp32 and int8."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from pliant.runtime.format.tasks import Task

Array = np.ndarray[Any, Any]

HEIGHT, WIDTH, FULL = 16, 24, 16
TASKS = (
    Task("floor", "segmentation", ("none", "tile", "wood"), ((0, 0, 0), (200, 0, 0), (0, 0, 200))),
    Task("depth", "depth", value_range=(0.5, 10.0)),
    Task("normals", "normals", value_range=(-1.0, 1.0)),
    Task("edges", "edges"),
    Task("room", "classification", ("kitchen", "bath", "hall", "attic")),
)


def subnet_model(arrays: dict[str, Array], precision: str, weightless: bool) -> onnx.ModelProto:
    """A subnet of these arrays; where it is weightless they are supplied at load."""
    nodes = [
        helper.make_node("Cast", ["images"], ["float"], to=TensorProto.FLOAT),
        helper.make_node("Transpose", ["float"], ["nchw"], perm=[0, 3, 1, 2]),
        helper.make_node("Sub", ["nchw", "mean"], ["centred"]),
        helper.make_node("Div", ["centred", "std"], ["normal"]),
        *(
            node
            for side in ("left", "right")
            for node in (
                helper.make_node("Conv", ["normal", f"{side}.weight"], [side], pads=[1, 1, 1, 1], name=side),
                helper.make_node("Relu", [side], [f"{side}/relu"]),
            )
        ),
        helper.make_node("Concat", ["left/relu", "right/relu"], ["both"], axis=1),
        *_mix(precision),
        helper.make_node(
            "BatchNormalization", ["mix", "norm.weight", "norm.bias", "norm.mean", "norm.var"], ["norm"], name="norm"
        ),
        helper.make_node("Relu", ["norm"], ["features"]),
        *(node for task in TASKS for node in _head(task)),
    ]
    outputs = []
    for task in TASKS:
        decoded, logits = shapes(task)
        kind = TensorProto.UINT8 if task.kind == "segmentation" else TensorProto.FLOAT
        outputs.append(helper.make_tensor_value_info(task.name, kind, decoded))
        outputs.append(helper.make_tensor_value_info(f"{task.name}/logits", TensorProto.FLOAT, logits))
    inputs = [helper.make_tensor_value_info("images", TensorProto.UINT8, ["N", HEIGHT, WIDTH, 3])]
    constants = {"axis": np.array([1], np.int64), "low": np.float32(0.5), "span": np.float32(9.5)}
    initializers = [numpy_helper.from_array(np.asarray(value), key) for key, value in constants.items()]
    initializers += [external(k, a) if weightless else numpy_helper.from_array(a, k) for k, a in arrays.items()]
    graph = helper.make_graph(nodes, "made", inputs, outputs, initializers)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def external(name: str, array: Array) -> TensorProto:
    """A declared tensor whose data is supplied at load."""
    tensor = TensorProto(name=name, data_type=helper.np_dtype_to_tensor_dtype(array.dtype), dims=array.shape)
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="pliant")
    return tensor


def _mix(precision: str) -> list[onnx.NodeProto]:
    if precision == "fp32":
        return [helper.make_node("Conv", ["both", "mix.weight"], ["mix"], pads=[1, 1, 1, 1], name="mix")]
    scales, weights = ["mix.in.scale", "mix.in.zero"], ["mix.weight", "mix.weight.scale", "mix.weight.zero"]
    return [
        helper.make_node("QuantizeLinear", ["both", *scales], ["both/q"]),
        helper.make_node("DequantizeLinear", ["both/q", *scales], ["both/dq"]),
        helper.make_node("DequantizeLinear", weights, ["mix.weight/dq"], axis=0),
        helper.make_node("Conv", ["both/dq", "mix.weight/dq"], ["mix"], pads=[1, 1, 1, 1], name="mix"),
    ]


def _head(task: Task) -> list[onnx.NodeProto]:
    name, logits = task.name, f"{task.name}/logits"
    weights = [f"{name}.weight", f"{name}.bias"]
    if task.kind == "classification":
        return [
            helper.make_node("GlobalAveragePool", ["features"], ["pool"]),
            helper.make_node("Flatten", ["pool"], ["flat"]),
            helper.make_node("Gemm", ["flat", *weights], [logits], transB=1, name=name),
            helper.make_node("Softmax", [logits], [name], axis=1),
        ]
    conv = helper.make_node("Conv", ["features", *weights], [logits], name=name)
    steps: dict[str, list[tuple[str, list[str], dict[str, Any]]]] = {
        "segmentation": [("ArgMax", [], {"axis": 1, "keepdims": 0}), ("Cast", [], {"to": TensorProto.UINT8})],
        "depth": [("Squeeze", ["axis"], {}), ("Sigmoid", [], {}), ("Mul", ["span"], {}), ("Add", ["low"], {})],
        "edges": [("Squeeze", ["axis"], {}), ("Sigmoid", [], {})],
        "normals": [("LpNormalization", [], {"axis": 1}), ("Transpose", [], {"perm": [0, 2, 3, 1]})],
    }
    nodes, at = [conv], logits
    for index, (op, constants, attributes) in enumerate(steps[task.kind]):
        to = name if index == len(steps[task.kind]) - 1 else f"{name}/{index}"
        if op == "LpNormalization":
            nodes.append(helper.make_node("ReduceL2", [at], [f"{name}/length"], axes=[1], keepdims=1))
            nodes.append(helper.make_node("Div", [at, f"{name}/length"], [to]))
        else:
            nodes.append(helper.make_node(op, [at, *constants], [to], **attributes))
        at = to
    return nodes


def shapes(task: Task) -> tuple[list[Any], list[Any]]:
    """Of a task's decoded output, and of its logits."""
    if task.kind == "classification":
        return ["N", task.channels], ["N", task.channels]
    decoded: list[Any] = ["N", HEIGHT, WIDTH]
    return decoded + [3] * (task.kind == "normals"), ["N", task.channels, HEIGHT, WIDTH]


def wide_weights(rng: np.random.Generator) -> dict[str, Array]:
    """What all subnets slice, at full width."""

    def random(*shape: int) -> Array:
        drawn: Array = rng.standard_normal(shape) / np.sqrt(np.prod(shape[1:]))
        return drawn.astype(np.float32)

    weights = {
        "left.weight": random(FULL, 3, 3, 3),
        "right.weight": random(FULL, 3, 3, 3),
        "mix.weight": random(FULL, 2 * FULL, 3, 3),
        "norm.weight": rng.uniform(0.5, 1.5, FULL).astype(np.float32),
        "norm.bias": random(FULL, 1).ravel(),
    }
    for task in TASKS:
        kernel = () if task.kind == "classification" else (1, 1)
        weights[f"{task.name}.weight"] = random(task.channels, FULL, *kernel) * 3
        weights[f"{task.name}.bias"] = random(task.channels, 4)[:, 0].copy()
    return weights


def own_weights(rng: np.random.Generator, left: int, right: int, precision: str) -> dict[str, Array]:
    """A subnet's own batch-norm statistics, and its scales."""
    own = {
        "norm.mean": rng.standard_normal(FULL).astype(np.float32) * 0.1,
        "norm.var": rng.uniform(0.1, 0.4, FULL).astype(np.float32) * (left + right) / 16,
        "mean": np.array([120, 115, 100], np.float32).reshape(1, 3, 1, 1),
        "std": np.array([60, 58, 55], np.float32).reshape(1, 3, 1, 1),
    }
    if precision == "int8":
        own |= {
            "mix.in.scale": np.array(0.02, np.float32),
            "mix.in.zero": np.array(0, np.uint8),
            "mix.weight.scale": np.full(FULL, 1 / 60, np.float32),
            "mix.weight.zero": np.zeros(FULL, np.int8),
        }
    return own
