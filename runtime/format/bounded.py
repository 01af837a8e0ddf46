"""Numbers, JSON and deflated bytes from strangers, read within bounds; whatever is out of them is a SuiteError."""

from __future__ import annotations

import json
import math
import zlib
from collections import Counter
from typing import Any, NoReturn

from ...devices.errors import SuiteError

MAX_COUNT = 1 << 53
_MAX_VALUES = 200_000
"""Of one JSON text: an empty list of two bytes becomes an object of sixty. A hundred subnets have a tenth of it."""


def parse_json(data: bytes | str, what: str) -> Any:
    """Strict JSON: no duplicate keys, no NaN or infinity, no nesting that exhausts the stack."""
    try:
        text = data if isinstance(data, str) else data.decode("utf-8")
        # Each value but the first follows one of these; in texts they are counted too, and a short text has too few.
        if len(text) > _MAX_VALUES and sum(text.count(sign) for sign in ",[{") > _MAX_VALUES:
            raise SuiteError(f"its JSON holds more than {_MAX_VALUES} values")
        return json.loads(text, object_pairs_hook=_unique, parse_constant=_refuse_constant)
    except SuiteError as error:
        raise SuiteError(f"{what} is damaged: {error}") from None
    except RecursionError:
        raise SuiteError(f"{what} is damaged: its JSON is nested too deep") from None
    except ValueError as error:
        raise SuiteError(f"{what} is damaged: not valid JSON ({_first_line(error)})") from None


def inflate(data: bytes, limit: int, what: str) -> bytes:
    """Inflate one whole zlib stream of at most `limit` bytes."""
    stream = zlib.decompressobj()
    try:
        out = stream.decompress(data, limit + 1)
    except zlib.error as error:
        raise SuiteError(f"{what} is damaged: {error}") from None
    if len(out) > limit:
        raise SuiteError(f"{what} inflates to more than the {limit} bytes that it may have")
    if not stream.eof or stream.unused_data:
        raise SuiteError(f"{what} is damaged: not exactly one zlib stream")
    return out


def integer(value: Any, what: str, low: int = 0, high: int = MAX_COUNT) -> int:
    """A whole number within [low, high]; booleans and floats are none."""
    if type(value) is not int:
        raise SuiteError(f"{what} must be a whole number, not {_short(value)}")
    if not low <= value <= high:
        raise SuiteError(f"{what} is {_short(value)}, outside [{low}, {high}]")
    return value


def number(value: Any, what: str, low: float = -1e30, high: float = 1e30) -> float:
    """A finite number within [low, high]."""
    # Whole numbers are compared as they are: one of 400 digits has no float. JSON's 1e999 is infinity.
    if type(value) is not int and (type(value) is not float or not math.isfinite(value)):
        raise SuiteError(f"{what} must be a finite number, not {_short(value)}")
    if not low <= value <= high:
        raise SuiteError(f"{what} is {_short(value)}, outside [{low:g}, {high:g}]")
    return float(value)


def text(value: Any, what: str, limit: int = 256) -> str:
    """A printable string of 1 to `limit` characters (control characters could rewrite a terminal)."""
    if type(value) is not str or not 0 < len(value) <= limit or not value.isprintable():
        raise SuiteError(f"{what} must be a printable text of 1 to {limit} characters, not {_short(value)}")
    return value


def mapping(value: Any, what: str, limit: int = 100_000) -> dict[str, Any]:
    """A JSON object with at most `limit` keys."""
    if type(value) is not dict or len(value) > limit:
        raise SuiteError(f"{what} must be an object of at most {limit} entries, not {_short(value)}")
    return value


def sequence(value: Any, what: str, limit: int) -> list[Any]:
    """A JSON array with at most `limit` items."""
    if type(value) is not list or len(value) > limit:
        raise SuiteError(f"{what} must be a list of at most {limit} items, not {_short(value)}")
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    out = dict(pairs)
    if len(out) != len(pairs):
        twice, _ = Counter(key for key, _ in pairs).most_common(1)[0]
        raise SuiteError(f"its JSON has the key {_short(twice)} twice")
    return out


def _refuse_constant(name: str) -> NoReturn:
    raise SuiteError(f"its JSON holds {name}")


def _short(value: Any) -> str:
    if isinstance(value, (dict, list)):
        return f"a {type(value).__name__} of {len(value)}"
    if type(value) is int and value.bit_length() > 128:
        return "an enormous number"
    # Cut first: what is printed of eight megabytes of control characters is four times as long.
    shown = repr(value[:61] if isinstance(value, str) else value)
    return shown if len(shown) <= 60 else shown[:57] + "..."


def _first_line(error: Exception) -> str:
    return str(error).split("\n", 1)[0][:120]
