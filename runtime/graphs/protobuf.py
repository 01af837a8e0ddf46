"""A small bounded reader and writer of protobuf's wire format (https://protobuf.dev/programming-guides/encoding).

Stricter than protobuf itself where two readers could disagree: a field that is unknown, of another wire type, or
given twice where one is meant, is a SuiteError; so is text that is not UTF-8 and a number longer than 64 bits.
"""

from __future__ import annotations

from typing import NamedTuple

from ...devices.errors import SuiteError

_VARINT, _BYTES, _FIXED32 = 0, 2, 5
MAX_REPEATS = 20_000
"""Of one field in one message: two bytes of it become an object of two hundred."""


class Rule(NamedTuple):
    """How a field of a message is written: its wire type, whether it may repeat, and then be packed."""

    wire: int
    repeats: bool = False
    packs: bool = False


INT = Rule(_VARINT)
INTS = Rule(_VARINT, True, True)
FLOAT = Rule(_FIXED32)
FLOATS = Rule(_FIXED32, True, True)
BYTES = Rule(_BYTES)
"""Text, bytes or a message."""
REPEATED = Rule(_BYTES, True)

Schema = dict[int, Rule]
"""Field number -> rule; fields that are not listed are refused."""


class Piece(NamedTuple):
    """One field as it stands in the data: [begin, stop) with its tag, [start, stop) its content; `value` of INT.

    A tuple rather than a dataclass: a graph has thousands.
    """

    begin: int
    start: int
    stop: int
    value: int = 0


Message = dict[int, list[Piece]]


def read_message(data: bytes, start: int, stop: int, schema: Schema, what: str) -> Message:
    """The fields of the message at [start, stop) of `data`, by number, in order."""
    found: Message = {}
    make = tuple.__new__  # as Piece does, without its checks
    at = start
    while at < stop:
        begin = at
        # Nearly every number is one byte: looking here saves two calls a field, which is half of the time.
        if (key := data[at]) < 0x80:
            at += 1
        else:
            key, at = read_varint(data, at, stop)
        number, wire = key >> 3, key & 7
        rule = schema.get(number)
        if rule is None:
            raise SuiteError(f"{what} has the field {number}, which is not allowed in a suite")
        expected, repeats, packs = rule
        if wire != expected and not (packs and wire == _BYTES):
            raise SuiteError(f"{what} is damaged: its field {number} has wire type {wire}")
        if not repeats and number in found:
            raise SuiteError(f"{what} has its field {number} twice")
        value = 0
        content = at
        if wire == _BYTES:
            if at < stop and (size := data[at]) < 0x80:
                content = at + 1
            else:
                size, content = read_varint(data, at, stop)
            at = content + size
        elif wire == _VARINT:
            value, at = read_varint(data, at, stop)
        else:
            at += 4
        if at > stop:
            raise SuiteError(f"{what} is truncated")
        piece = make(Piece, (begin, content, at, value))
        if number in found:
            found[number].append(piece)
            if len(found[number]) > MAX_REPEATS:
                raise SuiteError(f"{what} has its field {number} more than {MAX_REPEATS} times")
        else:
            found[number] = [piece]
    return found


def read_varint(data: bytes, at: int, stop: int) -> tuple[int, int]:
    """An unsigned number of at most 64 bits at `at`, and where it ends."""
    if at < stop and data[at] < 0x80:
        return data[at], at + 1
    value = shift = 0
    while at < stop and shift < 70:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            if value >> 64:
                break
            return value, at
        shift += 7
    raise SuiteError("a graph is damaged: a number is cut short or longer than 64 bits")


def read_ints(data: bytes, pieces: list[Piece], limit: int, what: str) -> list[int]:
    """Signed 64-bit numbers of an INTS field, packed or not."""
    out: list[int] = []
    for piece in pieces:
        if data[piece.begin] & 7 == _VARINT:
            out.append(signed(piece.value))
        else:
            at = piece.start
            while at < piece.stop and len(out) <= limit:
                value, at = read_varint(data, at, piece.stop)
                out.append(signed(value))
        if len(out) > limit:
            raise SuiteError(f"{what} has more than {limit} numbers")
    return out


def signed(value: int) -> int:
    """Two's complement of an unsigned 64-bit number."""
    return value - (1 << 64) if value >> 63 else value


def text_of(data: bytes, piece: Piece, what: str) -> str:
    """The field's content as text."""
    try:
        return data[piece.start : piece.stop].decode("utf-8")
    except UnicodeDecodeError:
        raise SuiteError(f"{what} holds text that is not UTF-8") from None


def varint_field(number: int, value: int) -> bytes:
    """A field with an unsigned number."""
    return _varint(number << 3 | _VARINT) + _varint(value)


def bytes_field(number: int, content: bytes) -> bytes:
    """A field with text, bytes or a message."""
    return _varint(number << 3 | _BYTES) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
