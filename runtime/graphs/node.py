"""The nodes of a graph: operators with the names of what they take and make, and their attributes, within bounds."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from ...devices.errors import SuiteError
from .graph_tensors import Initializer, one_text, read_tensor
from .onnx_fields import ATTRIBUTE, NODE
from .protobuf import Piece, read_ints, read_message, signed, text_of

_MAX_INTS = 1000
_MAX_PARTS = 100_000
"""Inputs, outputs and attributes of all nodes; a hundred decoders have a tenth of it."""
# AttributeProto.type -> the field that holds the value: engines believe the type, whatever else is there.
_FLOAT, _INT, _STRING, _TENSOR, _INTS = 1, 2, 3, 4, 7
_HELD_BY = {_FLOAT: 2, _INT: 3, _STRING: 4, _TENSOR: 5, 6: 7, _INTS: 8, 8: 9}

Attribute = int | float | tuple[int, ...] | bytes | Initializer | None
"""Numbers, whole numbers, a text or a tensor; None for lists of other kinds, on which nothing depends."""


@dataclass(frozen=True)
class Node:
    """An operator with the names of its inputs ("" where one is left out) and outputs; [begin, stop) in the data."""

    op: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Attribute]
    begin: int
    stop: int


def read_nodes(data: bytes, pieces: list[Piece]) -> Iterator[Node]:
    """The nodes in order; SuiteError for other domains than the standard one and for doubtful attributes."""
    # Layers are written alike: most attributes were seen before.
    seen: dict[bytes, tuple[str, Attribute]] = {}
    parts = 0
    for piece in pieces:
        fields = read_message(data, piece.start, piece.stop, NODE, "a node")
        parts += sum(map(len, fields.values()))
        if parts > _MAX_PARTS:
            raise SuiteError(f"a graph's nodes have more than {_MAX_PARTS} inputs, outputs and attributes")
        check_domain(data, fields.get(7, []))
        yield Node(
            one_text(data, fields, 4, "a node's operator"),
            tuple([text_of(data, name, "an input's name") for name in fields.get(1, [])]),
            tuple([text_of(data, name, "an output's name") for name in fields.get(2, [])]),
            _attributes(data, fields.get(5, []), seen),
            piece.begin,
            piece.stop,
        )


def check_domain(data: bytes, pieces: list[Piece]) -> None:
    """Refuse any domain of operators but the standard one."""
    for piece in pieces:
        domain = text_of(data, piece, "an operator's domain")
        if domain not in ("", "ai.onnx"):
            raise SuiteError(
                f"a graph uses operators of the domain {domain[:60]!r}; only the standard ones may be used"
            )


def _attributes(data: bytes, pieces: list[Piece], seen: dict[bytes, tuple[str, Attribute]]) -> dict[str, Attribute]:
    found: dict[str, Attribute] = {}
    for piece in pieces:
        raw = data[piece.start : piece.stop]
        if raw not in seen:
            seen[raw] = _attribute(data, piece)
        name, value = seen[raw]
        if name in found:
            raise SuiteError(f"a node has the attribute {name[:60]!r} twice")
        found[name] = value
    return found


def _attribute(data: bytes, piece: Piece) -> tuple[str, Attribute]:
    fields = read_message(data, piece.start, piece.stop, ATTRIBUTE, "an attribute")
    name = one_text(data, fields, 1, "an attribute's name")
    kind = fields[20][0].value if 20 in fields else 0
    if kind not in _HELD_BY or fields.keys() & set(_HELD_BY.values()) - {_HELD_BY[kind]}:
        raise SuiteError(f"the attribute {name[:60]!r} of a node is not of the type that it says")
    pieces = fields.get(_HELD_BY[kind], [])
    if kind == _INTS:
        return name, tuple(read_ints(data, pieces, _MAX_INTS, "an attribute"))
    if kind == _FLOAT:
        return name, struct.unpack_from("<f", data, pieces[0].start)[0] if pieces else 0.0
    if kind == _INT:
        return name, signed(pieces[0].value) if pieces else 0
    if kind == _STRING:
        return name, data[pieces[0].start : pieces[0].stop] if pieces else b""
    if kind == _TENSOR and pieces:
        return name, read_tensor(data, pieces[0], "an attribute's tensor", external=False)
    return name, None
