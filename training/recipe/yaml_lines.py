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
_MOST, _LONG = 100_000, 100
P = TypeVar("P", bound=Part)


class _Refused(Exception):
    """A document that is YAML, but not one to follow; what is said of it follows its name."""

    def __init__(self, event: Any, what: str):
        super().__init__(f"line {event.start_mark.line + 1}: {what}")


class _Bounded(yaml.SafeLoader):
    """A loader that counts what a document says with its aliases written out, for all that follows walks through it.

    A few lines of aliases of aliases stand for millions of values.
    """

    def __init__(self, text: str):
        super().__init__(text)
        self._count, self._sizes = 0, dict[str, int]()

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        event: Any = self.peek_event()  # type: ignore[no-untyped-call]
        before = self._count
        node = super().compose_node(parent, index)
        if not isinstance(event, yaml.AliasEvent):
            # A long text counts for several values: it is written out with every alias, too.
            self._count += 1 + (len(event.value) // _LONG if isinstance(event, yaml.ScalarEvent) else 0)
            if event.anchor is not None:
                self._sizes[event.anchor] = self._count - before
        elif event.anchor in self._sizes:
            self._count += self._sizes[event.anchor]
        else:
            raise _Refused(event, f"*{event.anchor} stands inside what it stands for: write it out")
        if self._count > _MOST:
            raise _Refused(event, f"more than {_MOST:,} values, aliases written out: leave some out")
        return node


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
        loader = _Bounded(text)
        root = loader.get_single_node()
        lines = dict(_key_lines(root, "", place, fault)) if root is not None else {}
        return (loader.construct_document(root) if root is not None else None), lines
    except _Refused as error:
        raise fault(f"{place} {error}") from None
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
