"""From a suite's subnet to its engine in memory: only what is built already is found, nothing is built here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ...devices.errors import EngineUnavailable
from ...devices.fingerprint import read_fingerprint
from .bindings import Bindings, load_bindings
from .cache import EngineCache, EngineInfo
from .cuda import load_cuda
from .engines import constants, engine_inputs, gpu_identity, key_of
from .execution import EngineSession
from .settings import BuildSettings

if TYPE_CHECKING:
    from ..manifest import SubnetInfo
    from ..suite import Suite


def engine_settings(suite: Suite, tasks: Sequence[str], engine: str, batch: int = 1) -> BuildSettings:
    """What an engine for this machine is built for, where `tasks` are to be answered."""
    return BuildSettings(engine, batch=batch, tasks=None if set(tasks) == set(suite.tasks) else tuple(tasks))


def built_engines(
    suite: Suite, subnets: Sequence[SubnetInfo], tasks: Sequence[str], engine: str, cache: EngineCache | None = None
) -> dict[str, EngineInfo]:
    """The engines of `subnets` that are built for this machine, by subnet id; EngineUnavailable where none can run.

    Weights are not read, plans are not opened.
    """
    bindings = _bindings(engine)
    load_cuda()
    known = (EngineCache() if cache is None else cache).by_content()
    settings = engine_settings(suite, tasks, engine)
    found = {each.id: known.get(_content(suite, each, settings, bindings)) for each in subnets}
    return {name: info for name, info in found.items() if info is not None}


def load_engine(
    suite: Suite, subnet: SubnetInfo, tasks: Sequence[str], engine: str, what: str, cache: EngineCache | None = None
) -> EngineSession:
    """The engine of a subnet, ready to run; EngineUnavailable, with the command to build it, where there is none."""
    bindings, cuda = _bindings(engine), load_cuda()
    known, settings = EngineCache() if cache is None else cache, engine_settings(suite, tasks, engine)
    info = known.by_content().get(_content(suite, subnet, settings, bindings))
    plan = None if info is None else known.read(info)
    if info is None or plan is None:
        state = "is not built" if info is None else "is damaged"
        raise EngineUnavailable(f"the engine of {what} {state}: {build_command(suite, subnet.id, settings)}")
    weights = constants(*engine_inputs(suite, subnet, settings.tasks)) if info.stripped else None
    return EngineSession(bindings, cuda, plan, what, weights=weights)


def build_command(suite: Suite, subnet: str, settings: BuildSettings) -> str:
    """What builds an engine."""
    tasks = "" if settings.tasks is None else f" --tasks {','.join(settings.tasks)}"
    return f"pliant build {suite.path} --engine {settings.engine} --subnet {subnet}{tasks}"


def _bindings(engine: str) -> Bindings:
    return load_bindings(engine, gpu_identity(read_fingerprint()))


def _content(suite: Suite, subnet: SubnetInfo, settings: BuildSettings, bindings: Bindings) -> str:
    return key_of(suite, subnet, settings, bindings).content if "tensorrt" in subnet.graphs else ""
