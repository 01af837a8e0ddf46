"""Which subnets a plan for TensorRT may choose: those whose engines are built, for building takes minutes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from ...devices.errors import EngineUnavailable
from ..tensorrt.load import build_command, engine_settings
from .choice import NO_FACTOR, Candidate, Miss

if TYPE_CHECKING:
    from .book import Book


def with_engines(ranked: Sequence[Candidate], book: Book) -> list[Candidate]:
    """The same candidates; those whose engine is not built break a limit that says so.

    Raises EngineUnavailable where none of the suite's is built.
    """
    if not book.engines:
        settings = engine_settings(book.suite, book.tasks, book.provider)
        first = next((each.subnet for each in ranked if "tensorrt" in each.subnet.graphs), ranked[0].subnet)
        command = build_command(book.suite, first.id, settings)
        raise EngineUnavailable(
            f"no engine of {book.suite.path} is built for {book.provider} on this machine: {command}"
        )
    miss = Miss("engine", NO_FACTOR, "no engine is built: pliant build")
    return [each if each.subnet.id in book.engines else replace(each, misses=(*each.misses, miss)) for each in ranked]
