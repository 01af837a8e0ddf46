"""Values out of JSON files that people and other programs write: of the right type, or a ValueError that says so.

Python's own conversions are too kind: they read "3" as a number and a text as a list of letters, and 1e999, which JSON
readers take for infinity, ends some of them with OverflowError.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")

_MOST = 1 << 63


def whole(value: Any) -> int:
    """A whole number of at most 64 bits."""
    if type(value) is not int or not -_MOST <= value < _MOST:
        raise ValueError(f"{_shown(value)} is no whole number")
    return value


def real(value: Any) -> float:
    """A finite number."""
    if type(value) is int and -_MOST <= value < _MOST:
        return float(value)
    if type(value) is not float or not math.isfinite(value):
        raise ValueError(f"{_shown(value)} is no finite number")
    return value


def text(value: Any) -> str:
    """A text."""
    if type(value) is not str:
        raise ValueError(f"{_shown(value)} is no text")
    return value


def flag(value: Any) -> bool:
    """True or false."""
    if type(value) is not bool:
        raise ValueError(f"{_shown(value)} is neither true nor false")
    return value


def nothing_or(value: Any, check: Callable[[Any], T]) -> T | None:
    """None for null, else the value, checked."""
    return None if value is None else check(value)


def each(value: Any, check: Callable[[Any], T]) -> tuple[T, ...]:
    """A list, every item of it checked."""
    if type(value) not in (list, tuple):
        raise ValueError(f"{_shown(value)} is no list")
    return tuple(check(item) for item in value)


def by_name(value: Any, check: Callable[[Any], T]) -> dict[str, T]:
    """An object, every value of it checked."""
    if type(value) is not dict:
        raise ValueError(f"{_shown(value)} is no object")
    return {text(name): check(item) for name, item in value.items()}


def _shown(value: Any) -> str:
    if type(value) is int and value.bit_length() > 128:
        return "an enormous number"
    shown = repr(value)
    return shown if len(shown) <= 60 else shown[:57] + "..."
