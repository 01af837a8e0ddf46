"""Tensors, inputs and outputs of a graph: their dtypes, dimensions and small inline data, within bounds."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...devices.errors import SuiteError
from .onnx_fields import DIMENSION, DTYPES, ENTRY, SHAPE, TENSOR, TYPE, TYPES, VALUE
from .protobuf import Message, Piece, bytes_field, read_ints, read_message, signed, text_of

LOCATION = "pliant"
"""Where external initializers say that their data is: no file; the arrays are supplied when a session is built."""
MAX_ELEMENTS = 1 << 31
MAX_INLINE = 64
MAX_RANK = 8
_FED = bytes_field(1, b"location") + bytes_field(2, LOCATION.encode())


@dataclass(frozen=True)
class Initializer:
    """A constant: inline with its `value`, or external with None. [start, stop) is its message in the data."""

    name: str
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    value: np.ndarray[Any, Any] | None
    begin: int
    start: int
    stop: int

    @property
    def nbytes(self) -> int:
        """Bytes of its data."""
        return math.prod(self.shape) * self.dtype.itemsize


@dataclass(frozen=True)
class Value:
    """A graph input or output: dtype and dims, a number or a symbol such as `N` each."""

    name: str
    dtype: np.dtype[Any]
    dims: tuple[int | str, ...]
    begin: int
    stop: int


def read_tensor(data: bytes, piece: Piece, what: str, external: bool) -> Initializer:
    """A constant; `external` says whether its data may come from outside the graph."""
    fields = read_message(data, piece.start, piece.stop, TENSOR, what)
    name = text_of(data, fields[8][0], what) if 8 in fields else ""
    what = f"{what} {name[:100]!r}"
    dtype = _dtype(fields.get(2), what)
    shape = tuple(read_ints(data, fields.get(1, []), MAX_RANK, what))
    # Factor by factor: the product of lying dimensions is not even computed.
    elements = 1
    for size in shape:
        if not 0 <= size <= MAX_ELEMENTS or elements * size > MAX_ELEMENTS:
            raise SuiteError(f"{what} has impossible dimensions")
        elements *= size
    value = None
    if 14 in fields and fields[14][0].value == 1:
        _check_external(data, fields, what, external)
    elif elements > MAX_INLINE:
        raise SuiteError(f"{what} is inline with {elements} elements; over {MAX_INLINE} they must be external")
    else:
        value = _inline(data, fields, dtype, shape, what)
    return Initializer(name, dtype, shape, value, piece.begin, piece.start, piece.stop)


def _check_external(data: bytes, fields: Message, what: str, allowed: bool) -> None:
    if not allowed or not _is_fed(data, fields.get(13, []), what):
        raise SuiteError(f"{what} takes data from outside the suite")
    if fields.keys() & {4, 5, 7, 9, 10, 11}:
        raise SuiteError(f"{what} has data inside and outside the graph")


def _is_fed(data: bytes, places: list[Piece], what: str) -> bool:
    """Whether the data comes from the suite, which is the one location that there may be."""
    if len(places) != 1:
        return False
    (place,) = places
    # A graph has hundreds of these, all written alike.
    if data[place.start : place.stop] == _FED:
        return True
    entry = read_message(data, place.start, place.stop, ENTRY, what)
    return one_text(data, entry, 1, what) == "location" and one_text(data, entry, 2, what) == LOCATION


def _inline(
    data: bytes, fields: Message, dtype: np.dtype[Any], shape: tuple[int, ...], what: str
) -> np.ndarray[Any, Any]:
    if 13 in fields or fields.get(14, [Piece(0, 0, 0)])[0].value != 0:
        raise SuiteError(f"{what} takes data from outside the suite")
    kinds = fields.keys() & {4, 5, 7, 9, 10, 11}
    if len(kinds) > 1:
        raise SuiteError(f"{what} has its data twice")
    try:
        if 9 in fields:
            value = np.frombuffer(data[fields[9][0].start : fields[9][0].stop], dtype)
        elif 4 in fields:
            value = np.frombuffer(b"".join(data[p.start : p.stop] for p in fields[4]), "<f4").astype(dtype)
        elif kinds & {10, 11} or (5 in fields and dtype == np.float16):
            raise SuiteError(f"{what} has its data in a form that suites do not use")
        else:
            numbers = [number for key in (5, 7) for number in read_ints(data, fields.get(key, []), MAX_INLINE, what)]
            value = np.array(numbers, np.int64).astype(dtype)
        return value.reshape(shape)
    except ValueError:
        raise SuiteError(f"{what} has not the data that its shape asks for") from None


def read_value(data: bytes, piece: Piece) -> Value:
    """An input or output of a graph."""
    fields = read_message(data, piece.start, piece.stop, VALUE, "a graph's input or output")
    name = one_text(data, fields, 1, "a graph's input or output")
    if 2 not in fields:
        raise SuiteError(f"{name[:100]!r} has no type")
    outer = read_message(data, fields[2][0].start, fields[2][0].stop, TYPES, "a type")
    if 1 not in outer:
        raise SuiteError(f"{name[:100]!r} is no tensor")
    tensor = read_message(data, outer[1][0].start, outer[1][0].stop, TYPE, "a type")
    if 2 not in tensor:
        raise SuiteError(f"{name[:100]!r} has no shape")
    shape = read_message(data, tensor[2][0].start, tensor[2][0].stop, SHAPE, "a shape")
    dims = tuple(_dimension(data, dim) for dim in shape.get(1, []))
    if len(dims) > MAX_RANK or math.prod(dim for dim in dims if isinstance(dim, int)) > MAX_ELEMENTS:
        raise SuiteError(f"{name[:100]!r} has impossible dimensions")
    return Value(name, _dtype(tensor.get(1), name[:100]), dims, piece.begin, piece.stop)


def _dimension(data: bytes, piece: Piece) -> int | str:
    fields = read_message(data, piece.start, piece.stop, DIMENSION, "a dimension")
    if 1 in fields:
        size = signed(fields[1][0].value)
        if not 0 <= size <= MAX_ELEMENTS:
            raise SuiteError("a graph has impossible dimensions")
        return size
    return one_text(data, fields, 2, "a dimension") if 2 in fields else ""


def _dtype(pieces: list[Piece] | None, what: str) -> np.dtype[Any]:
    kind = pieces[0].value if pieces else 0
    if kind not in DTYPES:
        raise SuiteError(f"{what} has an element type that suites do not use")
    return DTYPES[kind]


def one_text(data: bytes, fields: Message, number: int, what: str) -> str:
    """The text of a field that must be there."""
    if number not in fields:
        raise SuiteError(f"{what} is missing")
    found = text_of(data, fields[number][0], what)
    if not 0 < len(found) <= 512:
        raise SuiteError(f"{what} is empty or too long")
    return found
