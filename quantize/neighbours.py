"""What stands around a node of a lowered graph."""

from __future__ import annotations

import onnx_ir as ir

from .placement import ACTIVATIONS, LAYERS, activated


def precision_of(node: ir.Node) -> str:
    """A layer's precision, by what its weight comes out of."""
    weight = source_of(node, 1)
    if weight is not None and weight.op_type == "DequantizeLinear":
        return "int8"
    if weight is not None and weight.op_type == "Cast" and weight.attributes.get_int("to", 0) == ir.DataType.FLOAT16:
        return "fp16"
    return "fp32"


def rounded_convolution(dequantize: ir.Node) -> ir.Node | None:
    """The convolution whose result a Q/DQ pair rounds, where only that reads it and no activation stands between."""
    quantize = source_of(dequantize, 0)
    made = source_of(quantize, 0) if quantize is not None else None
    is_own = made is not None and made.op_type == "Conv" and activated(made.outputs[0]) is made.outputs[0]
    return made if is_own else None


def made_in_integers(node: ir.Node | None) -> bool:
    """Whether a convolution in int8 makes it, activations and batch norm aside."""
    while node is not None and node.op_type in (*ACTIVATIONS, "BatchNormalization"):
        node = source_of(node, 0)
    return node is not None and node.op_type in LAYERS and precision_of(node) == "int8"


def input_of(node: ir.Node | None, index: int) -> ir.Value | None:
    """What a node reads; None where there is no such input."""
    return node.inputs[index] if node is not None and index < len(node.inputs) else None


def source_of(node: ir.Node | None, index: int) -> ir.Node | None:
    """The node that makes what a node reads; None for what is given."""
    value = input_of(node, index)
    return value.producer() if value is not None else None
