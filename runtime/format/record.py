"""The record of one subnet: its own arrays, its views into the wide weights, and its witness."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...devices.errors import SuiteError
from .bounded import inflate, integer, mapping, parse_json, sequence, text
from .header import Entry, header_size, parse_header

MAX_RECORD = 64 << 20
_MAX_VIEWS = 4 << 20
_MAX_PIECES = 10_000
"""Of a view: its ranges on one axis times those on the next. A layer that reads five branches has five."""


@dataclass(frozen=True)
class View:
    """A part of a stored tensor: per axis [start, stop) ranges in ascending order, whole trailing axes omitted."""

    tensor: str
    ranges: tuple[tuple[tuple[int, int], ...], ...]

    def shape(self, full: tuple[int, ...]) -> tuple[int, ...]:
        """Shape of what the view selects from a tensor of shape `full`."""
        cut = tuple(sum(stop - start for start, stop in axis) for axis in self.ranges)
        return cut + full[len(cut) :]


@dataclass(frozen=True)
class Record:
    """`own` arrays by initializer, `views` by initializer, `witness` arrays by the name after `witness/`.

    `size` is the bytes that it was read from, its views inflated.
    """

    own: dict[str, np.ndarray[Any, Any]]
    views: dict[str, View]
    witness: dict[str, np.ndarray[Any, Any]]
    size: int


def parse_record(blob: bytes, stored: dict[str, Entry], what: str) -> Record:
    """Read the record `blob`, a nested safetensors file; `stored` are the tensors that views may point into."""
    size = header_size(blob[:8], len(blob), what)
    entries = parse_header(blob[8 : 8 + size], len(blob), what).entries
    arrays = {name: _array(blob, entry) for name, entry in entries.items()}
    if "views" not in arrays:
        raise SuiteError(f"{what} is damaged: it has no views")
    listed = inflate(arrays.pop("views").tobytes(), _MAX_VIEWS, f"the views of {what}")
    views = _views(listed, stored, what)
    own = {name[4:]: array for name, array in arrays.items() if name.startswith("own/")}
    both = own.keys() & views.keys()
    if both:
        raise SuiteError(f"{what} is damaged: {min(both)!r} is a view and an array of its own")
    witness = {name[8:]: array for name, array in arrays.items() if name.startswith("witness/")}
    return Record(own, views, witness, len(blob) + len(listed))


def _array(blob: bytes, entry: Entry) -> np.ndarray[Any, Any]:
    # A copy: engines want aligned memory, and the blob should not live as long as its smallest array.
    array = np.frombuffer(blob, entry.dtype, math.prod(entry.shape), entry.start).reshape(entry.shape).copy()
    array.flags.writeable = False  # a record is kept for the next session
    return array


def _views(data: bytes, stored: dict[str, Entry], what: str) -> dict[str, View]:
    found = mapping(parse_json(data, f"the views of {what}"), f"the views of {what}", 20_000)
    return {text(name, "an initializer's name", 512): _view(name, field, stored) for name, field in found.items()}


def _view(name: str, field: Any, stored: dict[str, Entry]) -> View:
    if type(field) is not dict or field.keys() != {"tensor", "ranges"}:
        raise SuiteError(f"view {name!r} is not a tensor and ranges")
    tensor = text(field["tensor"], f"the tensor of view {name!r}", 512)
    if not tensor.startswith(("weights/", "int8/")) or tensor not in stored:
        raise SuiteError(f"view {name!r} points to {tensor!r}, which is no stored weight")
    shape = stored[tensor].shape
    axes = sequence(field["ranges"], f"the ranges of view {name!r}", len(shape))
    view = View(tensor, tuple(_axis(name, axis, full) for axis, full in zip(axes, shape, strict=False)))
    if math.prod(len(axis) for axis in view.ranges) > _MAX_PIECES:
        raise SuiteError(f"view {name!r} is of more than {_MAX_PIECES} pieces")
    return view


def _axis(name: str, axis: Any, full: int) -> tuple[tuple[int, int], ...]:
    pieces: list[tuple[int, int]] = []
    at = 0
    for piece in sequence(axis, f"the ranges of view {name!r}", 10_000):
        start, stop = _bounds(name, piece)
        if not at <= start < stop <= full:
            raise SuiteError(f"view {name!r} has the range [{start}, {stop}): outside [0, {full}), or overlapping")
        pieces.append((start, stop))
        at = stop
    if not pieces:
        raise SuiteError(f"view {name!r} selects nothing")
    return tuple(pieces)


def _bounds(name: str, piece: Any) -> Sequence[int]:
    if type(piece) is not list or len(piece) != 2:
        raise SuiteError(f"view {name!r} has a range that is not a pair")
    return [integer(value, f"a range of view {name!r}") for value in piece]
