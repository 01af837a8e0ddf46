"""Layers in floats between integers, kept from an engine that would round them by rules of its own.

onnxruntime takes Conv or Gemm between DequantizeLinear and QuantizeLinear for a layer whose quantization was left half
done, and rounds its weights itself, with one scale for all of them. An operator between, which computes nothing, says
otherwise: LeakyRelu with a slope of 1, which no optimizer takes away.
"""

from __future__ import annotations

from collections.abc import Iterable

import onnx_ir as ir

from .placement import ACTIVATIONS, LAYERS


def keep_apart(graph: ir.Graph, integers: Iterable[ir.Node]) -> None:
    """Put that operator before every layer in floats that reads integers and whose result is rounded."""
    kept = set(integers)
    for node in list(graph):
        value = node.inputs[0] if node.inputs else None
        if node.op_type in LAYERS and node not in kept and value is not None and is_between(node):
            guard = ir.node("LeakyRelu", [value], {"alpha": 1.0}, name=f"{node.name}/Apart")
            guard.outputs[0].name = f"{node.name}/apart"
            graph.insert_before(node, guard)
            node.replace_input_with(0, guard.outputs[0])


def is_between(node: ir.Node) -> bool:
    """Whether a layer reads integers, and what it makes is rounded, batch norm and activation aside."""
    source = node.inputs[0].producer() if node.inputs and node.inputs[0] is not None else None
    if source is None or source.op_type != "DequantizeLinear":
        return False
    value = node.outputs[0]
    while True:
        users = [use.node for use in value.uses()]
        if any(user.op_type == "QuantizeLinear" for user in users):
            return True
        if len(users) != 1 or users[0].op_type not in (*ACTIVATIONS, "BatchNormalization"):
            return False
        value = users[0].outputs[0]
