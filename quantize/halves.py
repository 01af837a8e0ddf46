"""Fp16 in a graph: casts around the layers that a policy puts in half precision, in place.

Weights stay stored once in fp32: a half layer reads them through a Cast, which engines fold when they load. What stands
between layers (batch norm, activations, additions, resizing) is half where all that it reads is; decoding, integers and
the normalization of images are fp32. Vectors of batch norm stay fp32, as ONNX allows: they are where fp16 overflows.
"""

from __future__ import annotations

from collections.abc import Iterable

import onnx_ir as ir

from .placement import LAYERS, last_layers, tail_of
from .policy import Policy

_HALF, _FULL = ir.DataType.FLOAT16, ir.DataType.FLOAT
_FLOATS_ONLY = ("QuantizeLinear", "DequantizeLinear", "Cast")
APART = {"Resize": (1, 2, 3), "BatchNormalization": (1, 2, 3, 4), "Reshape": (1,), "Pad": (1, 3), "Slice": (1, 2, 3, 4)}
"""Inputs that need not be of the type of an operator's data."""


def halve(graph: ir.Graph, policy: Policy, integers: Iterable[ir.Node]) -> list[str]:
    """Put the layers that the policy says in fp16, `integers` aside, and name them; there may be none."""
    halves = _half_nodes(graph, policy, set(integers))
    casts: dict[tuple[ir.Value, ir.DataType], ir.Value] = {}
    for node in list(graph):
        wanted = _HALF if node in halves else _FULL
        for index, value in enumerate(node.inputs):
            if value is None or index in APART.get(node.op_type, ()):
                continue
            given = _type_of(value, halves)
            if given is not None and given != wanted and node.op_type != "Cast":
                node.replace_input_with(index, _cast(graph, value, wanted, casts))
    for index, output in enumerate(graph.outputs):
        if output.producer() in halves:
            graph.outputs[index] = _named_output(graph, output, casts)
    for node in halves:
        for output in node.outputs:
            output.type = ir.TensorType(_HALF)
    graph.sort()
    return [node.name or "" for node in graph if node in halves and node.op_type in LAYERS]


def _half_nodes(graph: ir.Graph, policy: Policy, integers: set[ir.Node]) -> set[ir.Node]:
    heads = last_layers(graph)
    tail = tail_of(graph, heads)
    halves: set[ir.Node] = set()
    for node in graph:
        if node in integers or node in tail or node.op_type in _FLOATS_ONLY:
            continue
        if node.op_type in LAYERS:
            wanted = policy.of(node.name or "", node in heads) == "fp16"
        else:
            data = [
                value
                for index, value in enumerate(node.inputs)
                if value is not None and not value.is_initializer() and index not in APART.get(node.op_type, ())
            ]
            wanted = bool(data) and all(value.producer() in halves for value in data)
        if wanted:
            halves.add(node)
    return halves


def _type_of(value: ir.Value, halves: set[ir.Node]) -> ir.DataType | None:
    """Half or full, or None for what is no float."""
    producer = value.producer()
    if producer in halves:
        return _HALF
    if value.is_initializer():
        return _FULL if value.dtype == _FULL else None
    if producer is None or value.dtype not in (None, _FULL):
        return None
    # An activation whose type the graph does not state: integers come out of few operators only.
    is_integer = producer.op_type in ("QuantizeLinear", "ArgMax", "Shape") or (
        producer.op_type == "Cast" and producer.attributes.get_int("to", 0) != _FULL
    )
    return None if is_integer else _FULL


def _cast(
    graph: ir.Graph, value: ir.Value, kind: ir.DataType, casts: dict[tuple[ir.Value, ir.DataType], ir.Value]
) -> ir.Value:
    """The value in the other type, by one Cast for all that read it so."""
    if (value, kind) not in casts:
        name = f"{value.name}/{'half' if kind == _HALF else 'full'}"
        node = ir.node("Cast", [value], {"to": int(kind)}, name=f"{name}/Cast")
        node.outputs[0].name, node.outputs[0].type = name, ir.TensorType(kind)
        graph.append(node)
        casts[value, kind] = node.outputs[0]
    return casts[value, kind]


def _named_output(graph: ir.Graph, output: ir.Value, casts: dict[tuple[ir.Value, ir.DataType], ir.Value]) -> ir.Value:
    """An output of the graph in fp32, under the name that it had."""
    full = _cast(graph, output, _FULL, casts)
    full.name, output.name = output.name, f"{output.name}/half"
    full.shape = output.shape
    return full
