"""Changes of JSON: anything anywhere, keys twice, numbers that no float holds, texts that rewrite a terminal."""

from __future__ import annotations

import copy
import json
from typing import Any

from .choices import Choices

_RAW = "\ue000raw\ue000"
_JUNK: tuple[Any, ...] = (
    *(None, True, False, "", [], {}, [[]], 0, -1, 1, 2, 255, 2**31, 2**32, 2**53, 2**53 + 1, 2**63, 2**64, 10**400),
    *(0.0, -0.5, 1.5, 1e-320, 1e308, "x" * 600, "\x1b[2J", "\u202e", "\0", "../../etc/passwd", "weights/", "N"),
    [0, 0],
    [[0, 2**53]],
    {"tensor": "witness/input", "ranges": []},
    *(f"{_RAW}{text}{_RAW}" for text in ("NaN", "-Infinity", "1e999", "-0", "1" * 5000, "[" * 3000 + "]" * 3000)),
)
Path = tuple[Any, ...]


def changed(data: bytes, choices: Choices) -> bytes:
    """The JSON text with one to three changes."""
    tree = json.loads(data)
    twice: list[tuple[str, str]] = []
    for _ in range(1 + choices.below(3)):
        tree = _change(tree, choices, twice)
    text = json.dumps(tree, ensure_ascii=False)
    for key, again in twice:
        text = text.replace(json.dumps(again, ensure_ascii=False), json.dumps(key, ensure_ascii=False))
    parts = text.split(f'"{_RAW}')
    text = parts[0] + "".join(part.replace(f'{_RAW}"', "", 1) for part in parts[1:])
    return text.encode("utf-8", "surrogatepass")


def paths(tree: Any, so_far: Path = ()) -> list[Path]:
    """Where every value of a tree is."""
    found = [so_far]
    items = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for key, value in items:
        found.extend(paths(value, (*so_far, key)))
    return found


def _change(tree: Any, choices: Choices, twice: list[tuple[str, str]]) -> Any:
    places = paths(tree)
    where = choices.of(places)
    if not where:
        return _junk(choices) if choices.below(8) == 7 else tree
    holder = tree
    for key in where[:-1]:
        holder = holder[key]
    last, kind = where[-1], choices.below(7)
    value = holder[last]
    if kind == 0 and isinstance(value, int):
        holder[last] = value + choices.of((-1, 1, 8, -8, 2**32))
    elif kind == 1:
        del holder[last]
    elif kind == 2 and isinstance(holder, dict):
        holder[f"{last}\ue001"] = _junk(choices)
        twice.append((last, f"{last}\ue001"))
    elif kind == 3 and isinstance(holder, list):
        holder.insert(last, value)
    elif kind == 4:
        holder[last] = [value]
    elif kind == 5:
        holder[last] = _at(tree, choices.of(places))
        # A value within itself would be no JSON.
        tree = json.loads(json.dumps(tree)) if _is_tree(tree) else _junk(choices)
    else:
        holder[last] = _junk(choices)
    return tree


def _junk(choices: Choices) -> Any:
    """A copy: it may be changed itself."""
    return copy.deepcopy(choices.of(_JUNK))


def _at(tree: Any, where: Path) -> Any:
    for key in where:
        tree = tree[key]
    return tree


def _is_tree(tree: Any) -> bool:
    try:
        json.dumps(tree)
    except ValueError:
        return False
    return True
