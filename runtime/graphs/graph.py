"""A weightless ONNX graph: read within bounds, cut down to the wanted outputs, written again.

Only what a lowered network needs is let through (docs/suite-format.md lists it): one graph of known operators, in
topological order, without subgraphs, functions or training information, whose activations are bounded (`activations`);
tensors are small and inline, or external with the location `pliant`. What is kept is copied byte for byte.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from ...devices.errors import SuiteError
from . import MAX_GRAPH_BYTES
from .activations import count_activations
from .graph_tensors import Initializer, Value, read_tensor, read_value
from .node import Node, check_domain, read_nodes
from .onnx_fields import GRAPH, MODEL, OPSET, TENSOR
from .protobuf import Piece, bytes_field, read_message, varint_field

_MIN_OPSET, _MAX_OPSET = 13, 30


@dataclass(frozen=True)
class Graph:
    """A checked graph and the bytes that it was read from. `name` and `rest` are fields to be written as they are."""

    data: bytes
    opset: int
    nodes: tuple[Node, ...]
    initializers: dict[str, Initializer]
    input: Value
    outputs: dict[str, Value]
    name: bytes
    rest: bytes

    def external(self) -> tuple[Initializer, ...]:
        """The initializers that are to be supplied when a session is built."""
        return tuple(item for item in self.initializers.values() if item.value is None)

    def pruned(self, wanted: Collection[str]) -> Graph:
        """The same graph with the `wanted` outputs only, and the nodes and initializers that these need."""
        missing = [name for name in wanted if name not in self.outputs]
        if missing:
            raise SuiteError(f"a graph has no output {missing[0]!r}, which its manifest promises")
        needed = set(wanted)
        kept = []
        for node in reversed(self.nodes):
            if not needed.isdisjoint(node.outputs):
                kept.append(node)
                needed.update(node.inputs)
        return replace(
            self,
            nodes=tuple(reversed(kept)),
            initializers={name: item for name, item in self.initializers.items() if name in needed},
            outputs={name: value for name, value in self.outputs.items() if name in wanted},
        )

    def to_bytes(self, external: Mapping[str, tuple[str, int, int]] | None = None) -> bytes:
        """A serialized ModelProto. `external` replaces the location of initializers by (file, offset, length)."""
        places = external or {}
        content = [self.name]
        content += [self.data[node.begin : node.stop] for node in self.nodes]
        for item in self.initializers.values():
            if item.name in places:
                content.append(bytes_field(5, self._placed(item, *places[item.name])))
            else:
                content.append(self.data[item.begin : item.stop])
        content.append(self.data[self.input.begin : self.input.stop])
        content += [self.data[value.begin : value.stop] for value in self.outputs.values()]
        return self.rest + bytes_field(7, b"".join(content))

    def _placed(self, item: Initializer, location: str, offset: int, length: int) -> bytes:
        fields = read_message(self.data, item.start, item.stop, TENSOR, "an initializer")
        kept = b"".join(
            self.data[piece.begin : piece.stop]
            for number, pieces in fields.items()
            for piece in pieces
            if number not in (13, 14)
        )
        pairs = (("location", location), ("offset", str(offset)), ("length", str(length)))
        entries = (bytes_field(1, key.encode()) + bytes_field(2, value.encode()) for key, value in pairs)
        return kept + b"".join(bytes_field(13, entry) for entry in entries) + varint_field(14, 1)


def parse_graph(data: bytes) -> Graph:
    """Read and check a serialized ModelProto; SuiteError says what is not allowed or damaged."""
    if len(data) > MAX_GRAPH_BYTES:
        raise SuiteError(f"a graph has {len(data)} bytes, over {MAX_GRAPH_BYTES}")
    model = read_message(data, 0, len(data), MODEL, "a graph's model")
    if 7 not in model or 1 not in model:
        raise SuiteError("a graph's model holds no graph, or no version")
    opset = _opset(data, model.get(8, []))
    (body,) = model[7]
    fields = read_message(data, body.start, body.stop, GRAPH, "a graph")
    graph = Graph(
        data,
        opset,
        tuple(read_nodes(data, fields.get(1, []))),
        _by_name(
            (read_tensor(data, piece, "an initializer", external=True) for piece in fields.get(5, [])), "initializers"
        ),
        _single_input([read_value(data, piece) for piece in fields.get(11, [])]),
        _by_name((read_value(data, piece) for piece in fields.get(12, [])), "outputs"),
        b"".join(data[piece.begin : piece.stop] for piece in fields.get(2, [])),
        b"".join(data[piece.begin : piece.stop] for key in (1, 2, 3, 8) for piece in model.get(key, [])),
    )
    _check_order(graph)
    count_activations(graph.nodes, graph.initializers, graph.input, graph.outputs)
    return graph


def _opset(data: bytes, pieces: list[Piece]) -> int:
    versions = []
    for piece in pieces:
        fields = read_message(data, piece.start, piece.stop, OPSET, "an operator set")
        check_domain(data, fields.get(1, []))
        versions.append(fields[2][0].value if 2 in fields else 0)
    if len(versions) != 1 or not _MIN_OPSET <= versions[0] <= _MAX_OPSET:
        raise SuiteError(f"a graph needs one operator set, of version {_MIN_OPSET} to {_MAX_OPSET}")
    return versions[0]


def _single_input(values: list[Value]) -> Value:
    if len(values) != 1 or values[0].name != "images":
        raise SuiteError("a graph must have one input, called images")
    return values[0]


def _by_name(items: Iterator[Any], what: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for item in items:
        if not item.name or item.name in found:
            raise SuiteError(f"a graph has two {what} called {item.name[:100]!r}, or one without a name")
        found[item.name] = item
    return found


def _check_order(graph: Graph) -> None:
    """Every value is made once, and before it is used: so there is no cycle."""
    known = {graph.input.name, *graph.initializers}
    if len(known) != 1 + len(graph.initializers):
        raise SuiteError("a graph's input is an initializer as well")
    for node in graph.nodes:
        for name in node.inputs:
            if name and name not in known:
                raise SuiteError(f"a graph uses {name[:100]!r} before it is made: out of order, or cyclic")
        for name in node.outputs:
            if name in known:
                raise SuiteError(f"a graph makes {name[:100]!r} twice")
            if name:
                known.add(name)
    for name in graph.outputs:
        if name not in known:
            raise SuiteError(f"a graph never makes its output {name[:100]!r}")
