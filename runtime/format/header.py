"""The safetensors header: which tensors a file or a blob holds and where, checked before anything is read.

Same promises as the format's own reader (bounded header, offsets that neither overlap nor leave holes and end
with the file), plus bounds on names, ranks and counts, and no duplicate keys.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from operator import itemgetter
from typing import Any, NamedTuple

import numpy as np

from ...devices.errors import SuiteError
from .bounded import MAX_COUNT, integer, mapping, parse_json, text

MAX_HEADER = 8 << 20
_MAX_TENSORS = 20_000
_MAX_RANK = 8
_FIELDS = frozenset({"dtype", "shape", "data_offsets"})
_DTYPES = {
    kind: np.dtype(code)
    for kind, code in {
        "F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "<i1",
        "U64": "<u8", "U32": "<u4", "U16": "<u2", "U8": "<u1", "BOOL": "?",
}.items()
}  # fmt: skip


_KINDS = {dtype: kind for kind, dtype in _DTYPES.items()}


class Entry(NamedTuple):
    """Where a tensor lies: bytes [start, stop) counted from the start of the file or blob."""

    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    start: int
    stop: int


_PLACE = itemgetter(Entry._fields.index("start"), Entry._fields.index("stop"))


@dataclass(frozen=True)
class Header:
    """A checked safetensors header."""

    entries: dict[str, Entry]
    metadata: dict[str, str]


def kind_of(dtype: np.dtype[Any]) -> str:
    """What safetensors calls an element type that it has."""
    return _KINDS[dtype]


def header_size(first_eight: bytes, total: int, what: str) -> int:
    """Length of the JSON header, from the first eight bytes of a file of `total` bytes."""
    if len(first_eight) < 8:
        raise SuiteError(f"{what} is not a suite: it has {total} bytes only")
    size = int.from_bytes(first_eight, "little")
    if size > MAX_HEADER or size < 2:
        raise SuiteError(f"{what} is not a suite: no safetensors header of 2 bytes to {MAX_HEADER >> 20} MiB")
    if 8 + size > total:
        raise SuiteError(f"{what} is truncated: its header needs {8 + size} bytes, it has {total}")
    return size


def parse_header(data: bytes, total: int, what: str) -> Header:
    """Check the JSON header `data` of a file or blob of `total` bytes."""
    if not data.startswith(b"{"):
        raise SuiteError(f"{what} is not a suite: its safetensors header does not start with an object")
    fields = mapping(parse_json(data, f"the header of {what}"), f"the header of {what}", _MAX_TENSORS)
    metadata = mapping(fields.pop("__metadata__", {}), f"the metadata of {what}", 1000)
    if not all(isinstance(value, str) for value in metadata.values()):
        raise SuiteError(f"the metadata of {what} holds something other than text")
    base = 8 + len(data)
    entries = {text(name, "a tensor's name", 512): _entry(name, field, base) for name, field in fields.items()}
    _check_layout(entries, base, total, what)
    return Header(entries, metadata)


def _entry(name: str, field: Any, base: int) -> Entry:
    if type(field) is not dict or field.keys() != _FIELDS:
        raise SuiteError(f"tensor {name!r} is not described by dtype, shape and data_offsets alone")
    kind = field["dtype"]
    if not isinstance(kind, str) or kind not in _DTYPES:
        raise SuiteError(f"tensor {name!r} has an unknown dtype")
    dtype = _DTYPES[kind]
    shape, offsets = field["shape"], field["data_offsets"]
    if type(shape) is not list or len(shape) > _MAX_RANK or type(offsets) is not list or len(offsets) != 2:
        raise SuiteError(f"tensor {name!r} needs a shape of at most {_MAX_RANK} dimensions, and two offsets")
    # Opening goes through hundreds of these: no message is made unless it is needed.
    for value in (*shape, *offsets):
        if type(value) is not int or not 0 <= value <= MAX_COUNT:
            integer(value, f"a dimension or an offset of tensor {name!r}")
    start, stop = offsets
    elements = math.prod(shape)
    # NumPy reckons with the other axes even where one of none makes the product zero.
    if elements > MAX_COUNT or (not elements and math.prod([size for size in shape if size]) > MAX_COUNT):
        raise SuiteError(f"tensor {name!r} has impossible dimensions")
    if stop - start != elements * dtype.itemsize:
        raise SuiteError(f"tensor {name!r} is lying: {stop - start} bytes for {kind} {shape}")
    return Entry(dtype, tuple(shape), base + start, base + stop)


def _check_layout(entries: dict[str, Entry], base: int, total: int, what: str) -> None:
    at = base
    for entry in sorted(entries.values(), key=_PLACE):
        if entry.start != at:
            name = next(name for name, other in entries.items() if other is entry)
            raise SuiteError(f"{what} is damaged: tensor {name!r} overlaps another or leaves a hole")
        at = entry.stop
    if at > total:
        raise SuiteError(f"{what} is truncated: its tensors need {at} bytes, it has {total}")
    if at < total:
        raise SuiteError(f"{what} is damaged: {total - at} bytes follow its last tensor")
