"""What rewrites of a graph have in common."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir


def constant(graph: ir.Graph, name: str, numbers: np.ndarray) -> ir.Value:
    """An initializer of the graph."""
    value = ir.Value(name=name, const_value=ir.tensor(numbers))
    value.shape, value.dtype = ir.Shape(numbers.shape), ir.DataType.from_numpy(numbers.dtype)
    graph.register_initializer(value)
    return value


def replace(graph: ir.Graph, node: ir.Node, made: list[ir.Node]) -> None:
    """Put new nodes in a node's place; the last one's output takes over name, shape and uses."""
    target, last = node.outputs[0], made[-1].outputs[0]
    graph.insert_before(node, made)
    last.shape, last.name = target.shape, target.name
    last.type = target.type
    ir.convenience.replace_all_uses_with(target, last, replace_graph_outputs=True)
    graph.remove(node, safe=True)
