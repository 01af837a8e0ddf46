"""What a GPU computes in halves, rehearsed on a CPU: every half is rounded, and overflows, where it is made.

onnxruntime has next to no kernels for fp16 on a CPU. It computes such a graph in fp32, and drops the casts between:
what comes out was hardly rounded, and never overflowed. So a rehearsal has a rounding of its own behind every half
node, which is not dropped, and weights that are rounded already. Sums are those of fp32; an engine that adds up in
halves loses more.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import onnx

from ..quantize.halves import APART
from .feeds import Feed

_HALF, _FULL = onnx.TensorProto.FLOAT16, onnx.TensorProto.FLOAT
_AXIS = "rehearsal/axis"


def rehearsed(feed: Feed) -> Feed:
    """A subnet whose outputs are those of its halves; the same where it has none."""
    graph = feed.graph.graph
    if not any(_casts_to(node, _HALF) for node in graph.node):
        return feed
    weights = {node.input[0] for node in graph.node if _casts_to(node, _HALF)} & set(feed.arrays)
    arrays = {name: _rounded(array) if name in weights else array for name, array in feed.arrays.items()}
    model = onnx.ModelProto()
    model.CopyFrom(feed.graph)
    del model.graph.node[:], model.graph.value_info[:]
    model.graph.node.extend(_nodes(graph, set(feed.arrays)))
    # The axis that is put before all others, and taken away again.
    model.graph.initializer.append(onnx.numpy_helper.from_array(np.zeros(1, np.int64), _AXIS))
    return Feed(model, feed.views, feed.own, arrays)


def _rounded(
    array: np.ndarray[tuple[int, ...], np.dtype[np.float32]],
) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    with np.errstate(over="ignore"):
        return array.astype(np.float16).astype(np.float32)


def _nodes(graph: onnx.GraphProto, weights: set[str]) -> Iterator[onnx.NodeProto]:
    """The graph's nodes in fp32, with roundings."""
    halves: set[str] = set()
    for node in graph.node:
        made = onnx.NodeProto()
        made.CopyFrom(node)
        reads_half = any(
            name in halves for index, name in enumerate(node.input) if index not in APART.get(node.op_type, ())
        )
        is_cast = _casts_to(node, _HALF) or (_casts_to(node, _FULL) and reads_half)
        if is_cast:
            made = onnx.helper.make_node("Identity", [node.input[0]], list(node.output), node.name)
        if _casts_to(node, _HALF) or (reads_half and not is_cast):
            halves.update(node.output)
        if node.output[0] in halves and node.input[0] not in weights:
            yield from _with_rounding(made)
        else:
            yield made


def _with_rounding(node: onnx.NodeProto) -> Iterator[onnx.NodeProto]:
    """The node, its output rounded. What stands between the casts does nothing but keep them."""
    output = node.output[0]
    exact, half, kept, full = (f"{output}/rehearsal/{part}" for part in ("exact", "half", "kept", "full"))
    node.output[0] = exact
    yield node
    yield onnx.helper.make_node("Cast", [exact], [half], to=_HALF)
    yield onnx.helper.make_node("Unsqueeze", [half, _AXIS], [kept])
    yield onnx.helper.make_node("Cast", [kept], [full], to=_FULL)
    yield onnx.helper.make_node("Squeeze", [full, _AXIS], [output])


def _casts_to(node: onnx.NodeProto, kind: int) -> bool:
    return node.op_type == "Cast" and any(each.name == "to" and each.i == kind for each in node.attribute)
