"""Which subnets a plan for TensorRT may choose: those whose engines are built, for building takes minutes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from ...devices.errors import EngineUnavailable
from ..choice import Candidate, Miss
from .cache import EngineCache
from .load import build_command, built_engines, engine_settings

if TYPE_CHECKING:
    from ..suite import Suite

_NO_FACTOR = 1e9
"""No budget is near for a subnet that cannot run."""


def with_engines(
    suite: Suite, ranked: Sequence[Candidate], tasks: Sequence[str], engine: str, cache: EngineCache | None = None
) -> list[Candidate]:
    """The same candidates; those whose engine is not built break a limit that says so.

    Raises EngineUnavailable where no engine can be run here, or none of the suite's is built.
    """
    subnets = [candidate.subnet for candidate in ranked]
    built = built_engines(suite, subnets, tasks, engine, cache)
    if not built:
        command = build_command(suite, ranked[0].subnet.id, engine_settings(suite, tasks, engine))
        raise EngineUnavailable(f"no engine of {suite.path} is built for {engine} on this machine: {command}")
    miss = Miss("engine", _NO_FACTOR, "no engine is built: pliant build")
    return [each if each.subnet.id in built else replace(each, misses=(*each.misses, miss)) for each in ranked]
