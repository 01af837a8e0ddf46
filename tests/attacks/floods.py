"""Too much of what is allowed: few bytes that would become many objects, or much work."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable

import numpy as np
from onnx import helper, numpy_helper

from pliant.runtime.format.header import MAX_HEADER
from pliant.runtime.graphs import MAX_GRAPH_BYTES
from pliant.runtime.graphs.protobuf import bytes_field, varint_field

from ..runtime.making import Made
from .headers import tensor

MANY = 4 << 20


def flood(item: str) -> bytes:
    """A header of lists within its size."""
    return b'{"a":[' + f"{item},".encode() * (MANY // (len(item) + 1)) + f"{item}]}}".encode()


def distinct(count: int) -> bytes:
    return b",".join(b'"%x":1' % index for index in range(count))


HEADERS: dict[str, tuple[bytes, str]] = {
    "lists": (flood("[]"), "values"),
    "objects": (flood("{}"), "values"),
    "texts": (flood('""'), "values"),
    "numbers": (flood("999"), "values"),
    "fractions": (flood("1e-9"), "values"),
    "keys": (b"{" + distinct(400_000) + b"}", "values"),
    "more tensors than suites have": (b"{" + distinct(100_000) + b"}", "at most 20000"),
    # Looking for the one of n keys that is there twice must not take n squared.
    "the last of many keys twice": (b"{" + distinct(199_000) + b',"307c0":1,"307c0":2}', "twice"),
    "one long text": (b'{"a":"' + b"x" * (MAX_HEADER - 8) + b'"}', "alone"),
    # Of characters that are printed as four, beside one that is stored as four bytes.
    "one long name": ('{"\U0001f600'.encode() + b"\x7f" * (MAX_HEADER - 20) + b'":1}', "printable text"),
    "one long number": (b'{"a":1.' + b"1" * (MAX_HEADER - 8) + b"}", "alone"),
    "tensors of nothing": (
        json.dumps({f"t{index}": tensor(0, 0) for index in range(20_000)}).encode(),
        "no pliant manifest",
    ),
}
"""Name -> header, and what the error says."""


def many_views(made: Made) -> None:
    made.records["s01-fp32"]["views"] = _deflated(b'{"a":[' + b"[]," * 1_300_000 + b"[]]}")


def many_ranges(made: Made) -> None:
    views = made.views("s01-fp32")
    views["mix.weight"]["ranges"] = [[[0, 1]] * 15_000]
    made.set_views("s01-fp32", views)


def many_digests(made: Made) -> None:
    made.digests = b"{" + distinct(300_000) + b"}"


def many_nodes(made: Made) -> None:
    _graph(made, bytes_field(1, b"") * (MAX_GRAPH_BYTES // 2 - 100))


def many_inputs(made: Made) -> None:
    """Of each of many nodes."""
    node = bytes_field(1, bytes_field(1, b"") * 19_000 + bytes_field(4, b"Max"))
    _graph(made, node * (MAX_GRAPH_BYTES // len(node) - 1))


def many_dimensions(made: Made) -> None:
    """Of an initializer, packed."""
    sizes = bytes_field(1, b"\1" * 1_900_000)
    _graph(made, bytes_field(5, sizes + varint_field(2, 1) + bytes_field(8, b"x")))


def many_dimensions_of_one(made: Made) -> None:
    """A Gather of itself by itself doubles the axes and leaves one element."""
    model = made.graph("s01-fp32")
    model.graph.initializer.append(numpy_helper.from_array(np.zeros((1, 1), np.int64), "zero"))
    last = "zero"
    for index in range(40):
        model.graph.node.insert(index, helper.make_node("Gather", [last, last], [f"more{index}"]))
        last = f"more{index}"
    made.replace_graph("s01-fp32", model.SerializeToString())


def many_pieces(made: Made) -> None:
    """Ranges of one on both axes: their number is squared."""
    made.tensors["weights/square"] = np.zeros((600, 600), np.float32)
    views = made.views("s01-fp32")
    single = [[index, index + 1] for index in range(0, 600, 2)]
    views["mix.weight"] = {"tensor": "weights/square", "ranges": [single, single]}
    made.set_views("s01-fp32", views)


def nested_graphs(made: Made) -> None:
    """Attributes with graphs with nodes with attributes."""
    inner = b""
    for _ in range(2_000):
        inner = bytes_field(1, bytes_field(5, bytes_field(6, inner)))
    _graph(made, inner)


def _graph(made: Made, body: bytes) -> None:
    opset = bytes_field(8, varint_field(2, 17))
    made.replace_graph("s01-fp32", varint_field(1, 8) + opset + bytes_field(7, body))


def _deflated(data: bytes) -> np.ndarray[tuple[int], np.dtype[np.uint8]]:
    return np.frombuffer(zlib.compress(data), np.uint8).copy()


SUITES: tuple[tuple[Callable[[Made], None], str], ...] = (
    (many_views, "values"),
    (many_ranges, "at most 10000"),
    (many_digests, "values"),
    (many_nodes, "more than 20000 times"),
    (many_inputs, "more than 100000 inputs"),
    (many_dimensions, "more than 8 numbers"),
    (many_dimensions_of_one, "more than 8 dimensions"),
    (many_pieces, "more than 10000 pieces"),
    (nested_graphs, "field 6|missing"),
)
"""What is done to a suite with right digests, and what the error says."""
