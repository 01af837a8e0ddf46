"""Headers that lie: what a safetensors file says of its tensors, and files that are none at all."""

from __future__ import annotations

import json
from typing import Any

from pliant.runtime.format.header import MAX_HEADER


def tensor(start: int, stop: int, shape: list[Any] | None = None, dtype: str = "U8") -> dict[str, Any]:
    return {"dtype": dtype, "shape": [stop - start] if shape is None else shape, "data_offsets": [start, stop]}


HEADERS: dict[str, tuple[Any, bytes, str]] = {
    "lying size": ({"a": tensor(0, 4, [5])}, b"1234", "lying"),
    "negative": ({"a": tensor(0, 4, [-4])}, b"1234", "outside"),
    "overlap": ({"a": tensor(0, 4), "b": tensor(2, 6)}, b"123456", "overlaps"),
    "hole": ({"a": tensor(0, 2), "b": tensor(4, 6)}, b"123456", "hole"),
    "beyond the end": ({"a": tensor(0, 400)}, b"1234", "truncated"),
    "trailing bytes": ({"a": tensor(0, 2)}, b"1234", "follow"),
    "unknown dtype": ({"a": tensor(0, 4, dtype="X9")}, b"1234", "dtype"),
    "unhashable dtype": ({"a": {**tensor(0, 4), "dtype": []}}, b"1234", "dtype"),
    "float dimension": ({"a": tensor(0, 4, [4.0])}, b"1234", "whole number"),
    "true as dimension": ({"a": tensor(0, 1, [True])}, b"1", "whole number"),
    "rank": ({"a": tensor(0, 1, [1] * 99)}, b"1", "at most"),
    "overflow": ({"a": tensor(0, 0, [2**62, 2**62, 0])}, b"", "outside"),
    "none of too many": ({"a": tensor(0, 0, [0, 2**53, 2**53])}, b"", "impossible dimensions"),
    "extra key": ({"a": {**tensor(0, 4), "code": "x"}}, b"1234", "alone"),
    "three offsets": ({"a": {**tensor(0, 4), "data_offsets": [0, 4, 4]}}, b"1234", "two offsets"),
    "list": (b"[]", b"", "object"),
    "not JSON": (b"{nope}", b"", "JSON"),
    "not text": (b'{"\xff": 1}', b"", "JSON"),
    "duplicate key": (b'{"a": 1, "a": 2}', b"", "twice"),
    "NaN": (b'{"a": NaN}', b"", "NaN"),
    "deep": (b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}", b"", "deep"),
    "number without end": (b'{"a":' + b"9" * 100_000 + b"}", b"", "JSON|described"),
    "metadata": ({"__metadata__": {"pliant": 5}}, b"", "text"),
    "no manifest": ({"a": tensor(0, 4)}, b"1234", "no pliant manifest"),
}
"""Name -> header (bytes, or what becomes JSON), the data after it, and what the error says."""

FILES: dict[str, tuple[bytes, str]] = {
    "empty file": (b"", "0 bytes"),
    "four bytes": (b"1234", "4 bytes"),
    "no length of a header": (b"\xff" * 64, "not a suite"),
    "too long a header": ((MAX_HEADER + 1).to_bytes(8, "little") + b"{}", "MiB"),
    "cut short": ((1000).to_bytes(8, "little") + b"{}", "truncated"),
    "picture": (b"\x89PNG\r\n\x1a\n" + b"\0" * 100, "not a suite"),
}


def with_header(header: Any, data: bytes = b"") -> bytes:
    """A file of a header and data."""
    raw = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(raw).to_bytes(8, "little") + raw + data
