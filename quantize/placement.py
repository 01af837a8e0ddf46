"""Where a policy puts integers in a graph, as an engine's dialect wants it: which nodes, and between which Q/DQ pairs.

For onnxruntime a pair stands after the activation, never between a convolution and its ReLU, on both inputs of an
addition and behind every result, so that it fuses DQ -> operator -> Q into one integer kernel. TensorRT wants pairs on
what weighted operators read and on the residual input of an addition only: the other input is made by the convolution
that it fuses with.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import onnx_ir as ir

from ..devices.dialect import Dialect
from ..devices.errors import QuantizeError
from .policy import Policy

LAYERS = ("Conv", "Gemm")
"""Operators with weights: what a policy calls layers."""

_KEEPS_RANGE = ("MaxPool", "Resize")
ACTIVATIONS = ("Relu", "Clip")


def integer_nodes(graph: ir.Graph, policy: Policy, dialect: Dialect) -> list[ir.Node]:
    """Nodes to run on integers: between the normalized input and each head, wherever the policy says int8.

    Raises QuantizeError where the policy names unknown layers, or a precision that the engine has not for a layer.
    """
    layers = [node for node in graph if node.op_type in LAYERS]
    policy.check(node.name or "" for node in layers)
    _check_possible(layers, policy, dialect)
    return _chosen(graph, policy, dialect)


def rounded_values(graph: ir.Graph, nodes: list[ir.Node], dialect: Dialect) -> dict[ir.Value, ir.Value]:
    """What becomes a Q/DQ pair, each once, in order, with the value whose range it has.

    The batch norms of the nodes are folded already.
    """
    found: dict[ir.Value, None] = {}
    for node in nodes:
        found.update(dict.fromkeys(_rounded(node, nodes, dialect)))
        if dialect.results:
            found[activated(node.outputs[0])] = None
    return {value: _range_of(value) for value in found if value not in graph.outputs}


def last_layers(graph: ir.Graph) -> set[ir.Node]:
    """The last layer before each output."""
    found = (_layer_before(output.producer()) for output in graph.outputs)
    return {node for node in found if node is not None}


def tail_of(graph: ir.Graph, heads: set[ir.Node]) -> set[ir.Node]:
    """All that follows a head's last layer, which is decoded in floats."""
    tail: set[ir.Node] = set()
    for node in graph:
        sources = (value.producer() for value in node.inputs if value is not None)
        if any(source in tail or source in heads for source in sources if source is not None):
            tail.add(node)
    return tail


def activated(value: ir.Value) -> ir.Value:
    """The value after the activation that follows, where one does."""
    users = [use.node for use in value.uses()]
    return users[0].outputs[0] if len(users) == 1 and users[0].op_type in ACTIVATIONS else value


def reads(node: ir.Node) -> tuple[ir.Value | None, ...]:
    """The activations among a node's inputs."""
    return tuple(node.inputs) if node.op_type in ("Add", "Concat") else tuple(node.inputs[:1])


def _check_possible(layers: list[ir.Node], policy: Policy, dialect: Dialect) -> None:
    """Refuse int8 for a layer that the engine has no integers for; by default such layers stay as they are."""
    named = _named(policy)
    for node in layers:
        name = node.name or ""
        wanted = named.of(name)
        if wanted == "int8" and node.op_type not in dialect.operators:
            raise QuantizeError(
                f"{name} cannot be int8: {dialect.title} runs {node.op_type} on floats only; "
                "say fp32 for it, or leave it out of the policy"
            )
        if "fp16" in (wanted, policy.default, policy.heads) and not dialect.fp16:
            raise QuantizeError(f"{name} cannot be fp16: {dialect.title} gains nothing by it; say fp32")


def _named(policy: Policy) -> Policy:
    """What the policy says of layers by name: all others are fp32."""
    return Policy(policy.name, policy.layers, "fp32", "fp32")


def _chosen(graph: ir.Graph, policy: Policy, dialect: Dialect) -> list[ir.Node]:
    """Layers as the policy says, and what stands between them: on integers where all that it reads is in integers."""
    heads = last_layers(graph)
    tail = tail_of(graph, heads)
    feeding = _ancestors([node for node in graph if node.op_type in LAYERS])
    chosen: dict[ir.Node, None] = {}
    for node in graph:
        if node.op_type not in dialect.operators or node in tail or node not in feeding:
            continue
        if node.op_type in LAYERS:
            wanted = layer_precision(node, policy, dialect, node in heads) == "int8"
        else:
            wanted = all(value is not None and maker(value) in chosen for value in reads(node))
        if wanted:
            chosen[node] = None
    return list(chosen)


def layer_precision(node: ir.Node, policy: Policy, dialect: Dialect, head: bool) -> str:
    """The precision that a layer gets: the policy's, unless that is int8 and the engine does not gain by it."""
    wanted = policy.of(node.name or "", head)
    if wanted != "int8" or (node.op_type in dialect.operators and not _is_shallow(node, policy, dialect)):
        return wanted
    return "fp32"


def _is_shallow(node: ir.Node, policy: Policy, dialect: Dialect) -> bool:
    """Whether a layer does too little for integers to pay, and the policy does not name it.

    Only a first one, and a depthwise one right after it: further on what is read is in integers already.
    """
    weight = node.inputs[1]
    if weight is None or weight.shape is None or _named(policy).of(node.name or "") == "int8":
        return False
    depth = math.prod(size for size in weight.shape[1:] if isinstance(size, int))
    if depth >= dialect.shallow:
        return False
    before = layer_before(node)
    if before is None:
        return True
    second = is_depthwise(node) and layer_before(before) is None
    return second and layer_precision(before, policy, dialect, False) != "int8"


def is_depthwise(node: ir.Node) -> bool:
    """Whether each output channel of a convolution reads one channel of its own."""
    weight = node.inputs[1]
    if weight is None or weight.shape is None:
        return False
    return node.attributes.get_int("group", 1) == weight.shape[0] and weight.shape[1] == 1


def layer_before(node: ir.Node) -> ir.Node | None:
    """The layer that makes what a layer reads; None where that is the images."""
    source = node.inputs[0]
    return None if source is None else _layer_before(source.producer())


def maker(value: ir.Value) -> ir.Node | None:
    """What computes a value, activations and batch norm aside: they are a part of it."""
    node = value.producer()
    while node is not None and node.op_type in (*ACTIVATIONS, "BatchNormalization"):
        node = node.inputs[0].producer() if node.inputs[0] is not None else None
    return node


def _layer_before(node: ir.Node | None) -> ir.Node | None:
    while node is not None and node.op_type not in LAYERS:
        node = next((value.producer() for value in node.inputs if value is not None and value.producer()), None)
    return node


def _ancestors(nodes: list[ir.Node]) -> set[ir.Node]:
    found, waiting = set(nodes), list(nodes)
    while waiting:
        for value in waiting.pop().inputs:
            source = value.producer() if value is not None else None
            if source is not None and source not in found:
                found.add(source)
                waiting.append(source)
    return found


def _rounded(node: ir.Node, nodes: list[ir.Node], dialect: Dialect) -> Iterable[ir.Value]:
    """What a node reads as integers."""
    values = [value for value in reads(node) if value is not None]
    if node.op_type == "Add" and dialect.additions == "one":
        return [value for value in values if value is not _fused(values, nodes)]
    return values


def _fused(values: list[ir.Value], nodes: list[ir.Node]) -> ir.Value | None:
    """The input of an addition that only it reads, made by an integer convolution: of two, the main branch's."""
    made = [value for value in values if _is_convolved(value, nodes) and len(list(value.uses())) == 1]
    return max(made, key=_depth, default=None)


def _is_convolved(value: ir.Value, nodes: list[ir.Node]) -> bool:
    source = value.producer()
    return source is not None and source.op_type == "Conv" and source in nodes


def _depth(value: ir.Value) -> int:
    """How many nodes stand one behind the other before a value, up to a few: a shortcut has fewer."""
    depth, node = 0, value.producer()
    while node is not None and depth < 16 and node.op_type != "Add":
        depth += 1
        node = node.inputs[0].producer() if node.inputs and node.inputs[0] is not None else None
    return depth


def _range_of(value: ir.Value) -> ir.Value:
    """The tensor whose range it has: pooling and resizing do not leave their input's."""
    source = value.producer()
    if source is None or source.op_type not in _KEEPS_RANGE or source.inputs[0] is None:
        return value
    return _range_of(source.inputs[0])
