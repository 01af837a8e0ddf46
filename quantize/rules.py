"""Proof that a lowered graph is one that its engine takes, before anyone runs it: a small rule for each fact.

A rule looks at one node and says what is wrong with it, or nothing. `violations` names all, `check_graph` raises the
first. What an engine's facts are stands in its dialect (devices/dialects), with sources.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import onnx
import onnx_ir as ir

from ..devices.dialect import Dialect
from ..devices.errors import QuantizeError
from .apart import is_between
from .halves import APART
from .neighbours import input_of, made_in_integers, precision_of, rounded_convolution, source_of
from .placement import LAYERS, last_layers, layer_precision
from .policy import Policy

_INTEGERS = (ir.DataType.UINT8, ir.DataType.INT8, ir.DataType.INT32)
_MOVES = ("Transpose", "Reshape", "Flatten", "Slice", "Pad")
Rule = Callable[[ir.Node, Dialect], str | None]


@dataclass(frozen=True)
class Violation:
    """A node that breaks a rule, and how."""

    node: str
    rule: str
    text: str

    def __str__(self) -> str:
        return f"{self.node} breaks the rule `{self.rule}`: {self.text}"


def check_graph(model: onnx.ModelProto, dialect: Dialect, policy: Policy | None = None) -> None:
    """Raise QuantizeError naming the first node that breaks a rule of the dialect, or lacks the policy's precision."""
    for found in violations(model, dialect, policy):
        raise QuantizeError(f"{dialect.title} would refuse this graph, or run it wrongly: {found}")


def violations(model: onnx.ModelProto, dialect: Dialect, policy: Policy | None = None) -> Iterator[Violation]:
    """All that is wrong with a graph for a dialect."""
    typed = onnx.shape_inference.infer_shapes(model, data_prop=False)
    graph = ir.serde.deserialize_model(typed).graph
    for node in graph:
        for name, rule in RULES.items():
            text = rule(node, dialect)
            if text is not None:
                yield Violation(node.name or node.op_type, name, text)
    if policy is not None:
        yield from _of_another_precision(graph, dialect, policy)


def activation_type(node: ir.Node, dialect: Dialect) -> str | None:
    """Quantized activations have the type that the engine computes with."""
    if node.op_type != "QuantizeLinear":
        return None
    zero = input_of(node, 2)
    kind = "uint8" if zero is None else str(zero.dtype).lower()
    return None if kind == dialect.activations else f"it rounds to {kind}, the engine wants {dialect.activations}"


def zero_point(node: ir.Node, dialect: Dialect) -> str | None:
    """A symmetric engine's zero points are 0, and stand in the graph, where the engine's parser looks for them."""
    if not dialect.symmetric or node.op_type not in ("QuantizeLinear", "DequantizeLinear"):
        return None
    zero = input_of(node, 2)
    if zero is None:
        return None
    if zero.const_value is None or isinstance(zero.const_value, ir.ExternalTensor):
        return "its zero point is fed from outside, and must be a 0 in the graph"
    return "its zero point is not 0" if np.any(zero.const_value.numpy()) else None


def per_tensor(node: ir.Node, dialect: Dialect) -> str | None:
    """Activations have one scale a tensor."""
    scale = input_of(node, 1)
    if node.op_type != "QuantizeLinear" or scale is None or scale.shape is None:
        return None
    return f"it has scales of shape {list(scale.shape.dims)} for an activation" if len(scale.shape) else None


def weight_type(node: ir.Node, dialect: Dialect) -> str | None:
    """A quantized weight is signed, with one scale for each output channel, along axis 0."""
    weight = source_of(node, 1)
    if node.op_type not in LAYERS or weight is None or weight.op_type != "DequantizeLinear":
        return None
    stored, scale = input_of(weight, 0), input_of(weight, 1)
    if stored is None or stored.dtype != ir.DataType.INT8:
        return f"its weight is {'unknown' if stored is None else str(stored.dtype).lower()}, not int8"
    channels = None if stored.shape is None else stored.shape[0]
    shape = None if scale is None or scale.shape is None else list(scale.shape.dims)
    if weight.attributes.get_int("axis", 1) != 0 or shape != [channels]:
        return f"its weight has scales of shape {shape} along axis {weight.attributes.get_int('axis', 1)}"
    return None


def bias_type(node: ir.Node, dialect: Dialect) -> str | None:
    """A quantized convolution's bias is stored as the engine takes it."""
    bias, source = input_of(node, 2), source_of(node, 2)
    if node.op_type not in LAYERS or bias is None or precision_of(node) != "int8":
        return None
    stored = input_of(source, 0) if source is not None and source.op_type == "DequantizeLinear" else bias
    kinds = {ir.DataType.INT32: "int32", ir.DataType.FLOAT: "float32"}
    kind = kinds.get(stored.dtype) if stored is not None and stored.dtype is not None else None
    return None if kind == dialect.bias else f"its bias is {kind}, the engine wants {dialect.bias}"


def integer_operator(node: ir.Node, dialect: Dialect) -> str | None:
    """Weights in integers belong to operators that the engine runs on integers."""
    weight = source_of(node, 1)
    is_integer = node.op_type in LAYERS and weight is not None and weight.op_type == "DequantizeLinear"
    return f"{node.op_type} runs on floats only" if is_integer and node.op_type not in dialect.operators else None


def whole_layer(node: ir.Node, dialect: Dialect) -> str | None:
    """A convolution with a weight in integers reads integers too: otherwise it runs on floats, and pays for both."""
    weight, source = source_of(node, 1), source_of(node, 0)
    if node.op_type not in LAYERS or weight is None or weight.op_type != "DequantizeLinear":
        return None
    reads_integers = source is not None and source.op_type == "DequantizeLinear"
    return None if reads_integers else "its weight is in integers but what it reads is not"


def left_in_floats(node: ir.Node, dialect: Dialect) -> str | None:
    """A layer in floats stands not right between integers, where the engine would put it on integers by itself."""
    if not dialect.adopts or node.op_type not in LAYERS or precision_of(node) != "fp32":
        return None
    return "the engine would round its weights by itself" if is_between(node) else None


def before_activation(node: ir.Node, dialect: Dialect) -> str | None:
    """No rounding between a convolution and its activation, which are one kernel."""
    source = source_of(node, 0)
    if node.op_type not in ("Relu", "Clip") or source is None or source.op_type != "DequantizeLinear":
        return None
    made = source_of(source_of(source, 0), 0)
    return f"{made.name} is rounded before its activation" if made is not None and made.op_type == "Conv" else None


def addition(node: ir.Node, dialect: Dialect) -> str | None:
    """Both inputs of an addition are rounded, or only the residual one, as the engine fuses it."""
    sources = [source_of(node, index) for index in range(len(node.inputs))]
    rounded = [source for source in sources if source is not None and source.op_type == "DequantizeLinear"]
    if node.op_type != "Add" or not rounded:
        return None
    if dialect.additions == "both":
        # Beside what a layer in floats makes, a rounded input is read as a float.
        split = any(made_in_integers(source) for source in sources if source not in rounded)
        return "only one of its inputs is rounded" if split else None
    convolved = any(rounded_convolution(source) is not None for source in rounded)
    fused = any(source is not None and source.op_type == "Conv" for source in sources)
    if convolved and len(rounded) == len(sources) and not fused:
        return "the convolution before it is rounded, and cannot fuse with it"
    return None


def moved_integers(node: ir.Node, dialect: Dialect) -> str | None:
    """No integers are transposed or cut: images become floats first, and rounding stands right before its operator."""
    value = input_of(node, 0)
    if node.op_type not in _MOVES or value is None:
        return None
    quantized = source_of(node, 0)
    is_integer = (value.is_graph_input() and value.dtype in _INTEGERS) or (
        quantized is not None and quantized.op_type == "QuantizeLinear"
    )
    return f"{node.op_type} of {str(value.dtype).lower()}" if is_integer else None


def one_float_type(node: ir.Node, dialect: Dialect) -> str | None:
    """Halves and floats meet in a Cast only: strongly typed engines convert nothing by themselves."""
    apart = (*APART.get(node.op_type, ()), *((0,) if node.op_type == "Cast" else ()))
    kinds = {value.dtype for index, value in enumerate(node.inputs) if value is not None and index not in apart}
    return "it reads fp16 and fp32" if {ir.DataType.FLOAT16, ir.DataType.FLOAT} <= kinds else None


def half_precision(node: ir.Node, dialect: Dialect) -> str | None:
    """Fp16 is for engines that gain by it."""
    is_half = node.op_type == "Cast" and node.attributes.get_int("to", 0) == ir.DataType.FLOAT16
    return "it casts to fp16" if is_half and not dialect.fp16 else None


RULES: dict[str, Rule] = {
    rule.__name__.replace("_", "-"): rule
    for rule in (
        activation_type,
        zero_point,
        per_tensor,
        weight_type,
        bias_type,
        integer_operator,
        whole_layer,
        left_in_floats,
        before_activation,
        addition,
        moved_integers,
        one_float_type,
        half_precision,
    )
}
"""Every rule by name; its docstring is what docs/quantization.md says of it."""


def _of_another_precision(graph: ir.Graph, dialect: Dialect, policy: Policy) -> Iterator[Violation]:
    heads = last_layers(graph)
    for node in graph:
        if node.op_type not in LAYERS:
            continue
        found, wanted = precision_of(node), layer_precision(node, policy, dialect, node in heads)
        if found != wanted:
            yield Violation(node.name or "", "policy", f"it is {found}, and {policy.name!r} says {wanted}")
