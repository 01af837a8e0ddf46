"""Suites that attack their reader, each with what the reader has to say. `python -m pliant.tests.attacks` writes them.

headers     safetensors headers that lie, and other files
manifests   values that a manifest may not have
records     views, records, streams and witnesses that lie, with right digests
graphs      what a lowered network does not need: loops, files, foreign operators
floods      too much of what is allowed
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from ..runtime.making import Made, make
from . import floods, graphs, headers, manifests, records


@dataclass(frozen=True)
class Attack:
    """One suite. `write` puts it somewhere; `says` is a regular expression for the error."""

    name: str
    write: Callable[[Path], object]
    says: str

    def __str__(self) -> str:
        return self.name


def attacks() -> Iterator[Attack]:
    """All of them."""
    for name, (header, data, says) in headers.HEADERS.items():
        yield _file(f"header: {name}", headers.with_header(header, data), says)
    for name, (content, says) in headers.FILES.items():
        yield _file(f"file: {name}", content, says)
    for name, (raw, says) in floods.HEADERS.items():
        yield _file(f"flood: {name}", headers.with_header(raw), says)
    for name, (change, says) in manifests.MANIFESTS.items():
        yield Attack(f"manifest: {name}", _changed(partial(_wrong, change)), says)
    for name, (apply, says) in records.RECORDS.items():
        yield Attack(f"record: {name}", _changed(apply), says)
    for meddle, says in graphs.GRAPHS:
        yield Attack(f"graph: {_words(meddle)}", _changed(partial(_meddled, meddle)), says)
    for apply, says in floods.SUITES:
        yield Attack(f"flood: {_words(apply)}", _changed(apply), says)


def _file(name: str, content: bytes, says: str) -> Attack:
    return Attack(name, lambda path: path.write_bytes(content), says)


def _changed(change: Callable[[Made], object]) -> Callable[[Path], object]:
    def write(path: Path) -> Path:
        made = make()
        change(made)
        return made.write(path)

    return write


def _wrong(change: manifests.Change, made: Made) -> None:
    change(made.manifest)


def _meddled(meddle: graphs.Meddle, made: Made) -> None:
    model = made.graph("s01-fp32")
    meddle(model)
    made.replace_graph("s01-fp32", model.SerializeToString())


def _words(function: Callable[..., object]) -> str:
    return function.__name__.replace("_", " ")
