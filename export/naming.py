"""Names by module path, for initializers, nodes and values: stable across widths, torch versions and machines."""

from __future__ import annotations

import ast
from collections import Counter

import onnx_ir as ir

_PREFIX = "network."
_SCOPES = "pkg.torch.onnx.name_scopes"


def name_by_module(graph: ir.Graph) -> None:
    """Name initializers like parameters, nodes and their values like modules; in place.

    A layer with parameters is named like its module (`encoder.stages.0.0.conv1`); any other operator
    `<module>/<Operator>`, numbered where there are several. Inline constants are `constant/<number>`.
    Inputs and outputs of the graph keep their names.
    """
    _name_initializers(graph)
    fixed = {id(value) for value in (*graph.inputs, *graph.outputs)}
    taken: Counter[str] = Counter()
    names = [_node_name(node, taken) for node in graph]
    for node, name in zip(graph, names, strict=True):
        node.name = name
        for index, value in enumerate(node.outputs):
            if id(value) not in fixed:
                value.name = name if index == 0 else f"{name}:{index}"


def _name_initializers(graph: ir.Graph) -> None:
    constants = 0
    for value in list(graph.initializers.values()):
        old = value.name or ""
        if old.startswith(_PREFIX):
            value.name = old.removeprefix(_PREFIX)
        else:
            value.name = f"constant/{constants}"
            constants += 1


def _node_name(node: ir.Node, taken: Counter[str]) -> str:
    name = _layer(node) or _anonymous(node)
    taken[name] += 1
    return name if taken[name] == 1 else f"{name}.{taken[name] - 1}"


def _layer(node: ir.Node) -> str | None:
    """Module path of a layer that has a weight."""
    weight = node.inputs[1] if len(node.inputs) > 1 else None
    if weight is None or not weight.is_initializer() or not (weight.name or "").endswith(".weight"):
        return None
    return (weight.name or "").removesuffix(".weight")


def _anonymous(node: ir.Node) -> str:
    scopes = ast.literal_eval(node.metadata_props.get(_SCOPES, "[]"))
    module = scopes[-2].removeprefix(_PREFIX) if len(scopes) > 1 and scopes[-2].startswith(_PREFIX) else ""
    return f"{module}/{node.op_type}" if module else f"pliant/{node.op_type}"
