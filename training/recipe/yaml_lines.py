"""Reading YAML with the line of every key, and checking it: one plain line for the one real mistake."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import ValidationError

from ...devices.errors import PliantError
from .errors import one_line
from .part import Part

_LARGEST = 1 << 20
P = TypeVar("P", bound=Part)


def checked_as(kind: type[P], entry: Any, place: str, lines: Mapping[str, int], fault: type[PliantError]) -> P:
    """`entry` as a `kind`; `fault` names the one mistake, its line in `place` and the nearest right key."""
    try:
        return kind.model_validate(entry)
    except ValidationError as error:
        raise fault(one_line(error, place, lines, kind)) from None


def text_of(path: Path, what: str, fault: type[PliantError]) -> str:
    """The text of a file that should be `what`."""
    try:
        if os.path.getsize(path) > _LARGEST:
            raise fault(f"{path} is larger than 1 MB: that is no {what}")
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise fault(f"{path} is not text: a {what} is a YAML file") from None
    except OSError as error:
        raise fault(f"cannot read {path}: {error.strerror}") from error


def parsed(text: str, place: str, fault: type[PliantError]) -> tuple[Any, dict[str, int]]:
    """Plain data, and the line of every dotted key."""
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        lines = dict(_key_lines(root, "", place, fault)) if root is not None else {}
        return yaml.safe_load(text), lines
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"{place} line {mark.line + 1}" if mark else place
        raise fault(f"{where}: not YAML: {error.problem or error.context}") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise fault(f"{place}: not YAML: {' '.join(str(error).split())}") from None


def _key_lines(node: yaml.Node, prefix: str, place: str, fault: type[PliantError]) -> Iterator[tuple[str, int]]:
    """(dotted key, line) of every mapping entry; a key written twice is refused, as YAML would keep one silently."""
    if isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            yield f"{prefix}{index}", item.start_mark.line + 1
            yield from _key_lines(item, f"{prefix}{index}.", place, fault)
    if not isinstance(node, yaml.MappingNode):
        return
    seen: dict[str, int] = {}
    for key, value in node.value:
        line = key.start_mark.line + 1
        if not isinstance(key, yaml.ScalarNode) or key.tag.endswith(":merge"):
            continue
        if key.value in seen:
            raise fault(f"{place} line {line}: {prefix}{key.value} stands already in line {seen[key.value]}")
        seen[key.value] = line
        yield prefix + key.value, line
        yield from _key_lines(value, f"{prefix}{key.value}.", place, fault)
