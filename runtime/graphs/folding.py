"""Batch norms that follow a convolution, made part of its weights before an engine sees them.

onnxruntime does the same with every session that it makes, in memory of its own: a third of the time that a wide subnet
takes to load. Here weights that were just read are multiplied where they lie. Results are the same to the bit.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from .graph import Graph
from .node import Node
from .onnx_fields import NODE
from .protobuf import REPEATED, bytes_field, read_message

Arrays = dict[str, np.ndarray[Any, Any]]

_EPSILON = 1e-5
"""Of ONNX's BatchNormalization, where a node states none."""
_TRAINING_MODE = 14
"""The first operator set whose BatchNormalization can be told that it trains."""
_NODE, _INPUT, _OUTPUT = 1, 1, 2


class _Pair(NamedTuple):
    """A convolution without a bias, and the batch norm that is the only one to read it."""

    convolution: Node
    norm: Node
    epsilon: float


def fold_batch_norms(graph: Graph, arrays: Arrays) -> tuple[Graph, Arrays]:
    """The graph with a Conv for each Conv and BatchNormalization where that can be, and the arrays that feed it.

    `arrays` are those of all external initializers. Weights that can be written to are changed in place.
    """
    pairs = list(_pairs(graph))
    if not pairs:
        return graph, arrays
    fed = dict(arrays)
    for pair in pairs:
        _fold(pair, fed)
    return _joined(graph, pairs), fed


def _pairs(graph: Graph) -> list[_Pair]:
    uses = Counter(name for node in graph.nodes for name in node.inputs)
    uses.update(list(graph.outputs))
    makers = {node.outputs[0]: node for node in graph.nodes if node.op == "Conv" and len(node.inputs) == 2}
    fed = {item.name: item for item in graph.external() if uses[item.name] == 1 and item.dtype == np.float32}
    found = []
    for norm in graph.nodes:
        maker = makers.get(norm.inputs[0]) if norm.op == "BatchNormalization" and uses[norm.inputs[0]] == 1 else None
        if maker is None or maker.inputs[1] not in fed or not _is_plain(norm, graph.opset):
            continue
        channels = fed[maker.inputs[1]].shape[:1]
        if all(name in fed and fed[name].shape == channels for name in norm.inputs[1:]):
            found.append(_Pair(maker, norm, float(norm.attributes.get("epsilon", _EPSILON))))  # type: ignore[arg-type]
    return found


def _is_plain(norm: Node, opset: int) -> bool:
    """Whether engines accept it as it stands; what they refuse, they are to see."""
    kinds = {"epsilon": float, "momentum": float, **({"training_mode": int} if opset >= _TRAINING_MODE else {})}
    right = all(type(value) is kinds.get(name) for name, value in norm.attributes.items())
    return right and len(norm.inputs) == 5 and len(norm.outputs) == 1 and not norm.attributes.get("training_mode")


def _fold(pair: _Pair, arrays: Arrays) -> None:
    """The weight and, under the name of the norm's own, the bias of the convolution that does both."""
    weight = pair.convolution.inputs[1]
    gamma, beta, mean, variance = pair.norm.inputs[1:]
    # What a lying suite makes infinite is refused by its witness, as it would be without folding.
    with np.errstate(all="ignore"):
        scale = arrays.pop(gamma) / np.sqrt(np.add(arrays.pop(variance), pair.epsilon, dtype=np.float32))
        arrays[beta] = arrays[beta] - arrays.pop(mean) * scale
        whole = arrays[weight]
        along = scale.reshape(-1, *[1] * (whole.ndim - 1))
        arrays[weight] = np.multiply(whole, along, out=whole if whole.flags.writeable else None)


def _joined(graph: Graph, pairs: list[_Pair]) -> Graph:
    """The graph with one node in the place of each norm, written behind the data that is there."""
    data, at = [graph.data], len(graph.data)
    places: dict[int, Node] = {}
    for pair in pairs:
        written = _write(graph.data, pair)
        inputs = (*pair.convolution.inputs, pair.norm.inputs[2])
        places[pair.norm.begin] = replace(
            pair.convolution, inputs=inputs, outputs=pair.norm.outputs, begin=at, stop=at + len(written)
        )
        data.append(written)
        at += len(written)
    gone = {pair.convolution.begin for pair in pairs}
    unfed = {name for pair in pairs for name in (pair.norm.inputs[1], *pair.norm.inputs[3:])}
    return replace(
        graph,
        data=b"".join(data),
        nodes=tuple(places.get(node.begin, node) for node in graph.nodes if node.begin not in gone),
        initializers={name: item for name, item in graph.initializers.items() if name not in unfed},
    )


def _write(data: bytes, pair: _Pair) -> bytes:
    """The convolution as it stands, with one input more and the norm's output."""
    node = pair.convolution
    (piece,) = read_message(data, node.begin, node.stop, {_NODE: REPEATED}, "a node")[_NODE]
    fields = read_message(data, piece.start, piece.stop, NODE, "a node")
    kept = b"".join(data[each.begin : each.stop] for key, pieces in fields.items() if key != _OUTPUT for each in pieces)
    bias = bytes_field(_INPUT, pair.norm.inputs[2].encode())
    return bytes_field(_NODE, kept + bias + bytes_field(_OUTPUT, pair.norm.outputs[0].encode()))
