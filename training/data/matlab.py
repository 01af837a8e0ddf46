"""A small reader of Matlab's `.mat` files (version 5 to 7), for labels: numbers, text, cells and structs.

Our own, for the usual one ends the process with a segmentation fault on some damaged files (scipy 1.17.1, `loadmat`).
Nothing is believed: every length is checked against what is left, depth and size are bounded, no code is run. The
format is MathWorks' "MAT-File Format" (R2019b).
"""

from __future__ import annotations

import math
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

_LARGEST = 1 << 28
_DEEPEST = 8
_MATRIX, _COMPRESSED = 14, 15
_TYPES = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
_TEXTS = {16: "utf-8", 17: "utf-16", 18: "utf-32", 4: "utf-16"}
_CELL, _STRUCT, _CHAR = 1, 2, 4
_NUMBERS = range(6, 16)
_LOGICAL, _COMPLEX = 0x200, 0x800


class Unsupported(ValueError):
    """A file that is whole, perhaps, but of a version or with a content that is not read; says what to do."""


def read_mat(path: Path) -> dict[str, Any]:
    """Every variable: numbers as arrays in their shape, text as str, a cell array as the list of its cells, and a
    struct array as a list of dicts, both column by column; None for what is none of these.

    Raises OSError, Unsupported, and ValueError, struct.error or zlib.error for a damaged file.
    """
    if path.stat().st_size > _LARGEST:
        raise Unsupported("is larger than 256 MB: that is not the label of one picture")
    content = path.read_bytes()
    if content.startswith((b"MATLAB 7.3", b"\x89HDF")):
        raise Unsupported("is a Matlab file of version 7.3, which is not read: save it with -v7")
    order = {b"IM": "<", b"MI": ">"}.get(content[126:128])
    if order is None:
        raise ValueError("no Matlab file of version 5 to 7")
    return _variables(memoryview(content)[128:], order)


def _variables(content: memoryview, order: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    left = _LARGEST
    parts = _Parts(content, order)
    while not parts.done:
        kind, data = parts.next(padded=False)
        if kind == _COMPRESSED:
            data = memoryview(_inflated(data, left))
            left -= len(data)
            kind, data = _Parts(data, order).next()
        if kind == _MATRIX:
            name, value = _matrix(data, order, 0)
            found[name] = value
    return found


def _inflated(data: memoryview, most: int) -> bytes:
    engine = zlib.decompressobj()
    # zlib takes a limit of 0 for none.
    found = engine.decompress(data, most) if most else b""
    if not engine.eof:
        raise ValueError("compressed data that is cut or larger than 256 MB")
    return found


@dataclass
class _Parts:
    """The elements of a stretch of bytes, one after the other, each a number for its type and its data."""

    content: memoryview
    order: str
    place: int = 0

    @property
    def done(self) -> bool:
        return self.place >= len(self.content)

    def next(self, padded: bool = True) -> tuple[int, memoryview]:
        (word,) = struct.unpack_from(self.order + "I", self.content, self.place)
        if word >> 16:
            # Up to four bytes of data stand within the tag itself.
            kind, length, start, after = word & 0xFFFF, word >> 16, self.place + 4, self.place + 8
            if length > 4:
                raise ValueError("a small element of more than four bytes")
        else:
            (length,) = struct.unpack_from(self.order + "I", self.content, self.place + 4)
            kind, start = word, self.place + 8
            after = start + length + (-length % 8 if padded or kind != _COMPRESSED else 0)
        if start + length > len(self.content):
            raise ValueError("an element that is longer than the file")
        self.place = after
        return kind, self.content[start : start + length]

    def numbers(self) -> Array:
        kind, data = self.next()
        if kind not in _TYPES:
            raise ValueError(f"numbers of the unknown type {kind}")
        return np.frombuffer(data, np.dtype(_TYPES[kind]).newbyteorder(self.order))  # type: ignore[arg-type]


def _matrix(data: memoryview, order: str, depth: int) -> tuple[str, Any]:
    """(name, value) of a matrix, which is what Matlab calls every variable."""
    if depth > _DEEPEST:
        raise ValueError("structs within structs, too deep")
    if not len(data):
        return "", np.zeros((0, 0))
    parts = _Parts(data, order)
    flags, shape = int(parts.numbers()[0]), tuple(int(length) for length in parts.numbers())
    if not 1 < len(shape) <= 4 or min(shape) < 0:
        raise ValueError("a matrix of no possible shape")
    name = bytes(parts.next()[1]).decode("ascii")
    kind, count = flags & 0xFF, math.prod(shape)
    if kind == _CELL:
        return name, _many(parts, count, order, depth)
    if kind == _STRUCT:
        return name, _records(parts, count, order, depth)
    if kind == _CHAR:
        return name, _text(*parts.next(), order)
    if kind not in _NUMBERS or flags & _COMPLEX:
        return name, None
    values = parts.numbers()
    if values.size != count:
        raise ValueError(f"{values.size} numbers in a matrix of {count}")
    values = values.reshape(shape, order="F")
    return name, values.astype(bool) if flags & _LOGICAL else values.astype(values.dtype.newbyteorder("="))


def _many(parts: _Parts, count: int, order: str, depth: int) -> list[Any]:
    # An element takes eight bytes at least, so that a lying count cannot ask for more than the file has.
    if count * 8 > len(parts.content) - parts.place:
        raise ValueError(f"{count} cells in a shorter file")
    found = []
    for _ in range(count):
        kind, data = parts.next()
        if kind != _MATRIX:
            raise ValueError(f"a cell of the type {kind}")
        found.append(_matrix(data, order, depth + 1)[1])
    return found


def _records(parts: _Parts, count: int, order: str, depth: int) -> list[dict[str, Any]]:
    length = int(parts.numbers()[0])
    names = bytes(parts.next()[1])
    if not 0 < length <= 256:
        raise ValueError("struct fields of no possible name")
    fields = [names[at : at + length].split(b"\0")[0].decode("ascii") for at in range(0, len(names), length)]
    values = _many(parts, count * len(fields), order, depth)
    starts = range(0, len(values), max(len(fields), 1))
    return [dict(zip(fields, values[start:], strict=False)) for start in starts]


def _text(kind: int, data: memoryview, order: str) -> str:
    encoding = _TEXTS.get(kind, "latin-1")
    if encoding in ("utf-16", "utf-32"):
        encoding += "-le" if order == "<" else "-be"
    return bytes(data).decode(encoding)
