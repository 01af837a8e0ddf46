"""From a suite's subnet to its engine in memory: only what is built already is found, nothing is built here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ...devices.errors import EngineUnavailable
from .bindings import Bindings
from .cache import EngineCache, EngineInfo
from .execution import EngineSession
from .here import here_for
from .settings import BuildSettings
from .sources import engine_inputs, engine_tasks, graph_info, key_of

if TYPE_CHECKING:
    from ..format.manifest import SubnetInfo
    from ..format.suite_file import SuiteFile


def engine_settings(suite: SuiteFile, tasks: Sequence[str], engine: str, batch: int = 1) -> BuildSettings:
    """What an engine for this machine is built for, where `tasks` are to be answered."""
    return BuildSettings(engine, batch=batch, tasks=None if set(tasks) == set(suite.tasks) else tuple(tasks))


def built_engines(
    suite: SuiteFile, subnets: Sequence[SubnetInfo], tasks: Sequence[str], engine: str, cache: EngineCache | None = None
) -> dict[str, EngineInfo]:
    """The engines of `subnets` that are built for this machine, by subnet id; EngineUnavailable where none can run.

    Weights are not read, plans are not opened. They are those that `load_engine` loads.
    """
    settings = engine_settings(suite, tasks, engine)
    bindings = here_for(settings).bindings
    known = (EngineCache() if cache is None else cache).by_content()
    found = {each.id: _best(known, suite, each, settings, bindings) for each in subnets}
    return {name: info for name, info in found.items() if info is not None}


def load_engine(
    suite: SuiteFile,
    subnet: SubnetInfo,
    tasks: Sequence[str],
    engine: str,
    what: str,
    *,
    batch: int = 1,
    cache: EngineCache | None = None,
) -> EngineSession:
    """The engine of a subnet, for `batch` images and more, ready to run.

    EngineUnavailable, with the command to build it, where there is none.
    """
    settings, known = engine_settings(suite, tasks, engine, batch), EngineCache() if cache is None else cache
    graph_info(suite, subnet)
    here = here_for(settings)
    info = _best(known.by_content(), suite, subnet, settings, here.bindings)
    plan = None if info is None else known.read(info)
    if info is None or plan is None or here.cuda is None:
        state = "is not built" if info is None else "is damaged"
        raise EngineUnavailable(f"the engine of {what} {state}: {build_command(suite, subnet.id, settings)}")
    graph, arrays = engine_inputs(suite, subnet, settings) if info.stripped else (None, {})
    weights = None if graph is None else (graph.to_bytes(), arrays)
    session = EngineSession(here.bindings, here.cuda, plan, what, weights=weights, dla=info.settings["dla"])
    if session.outputs != set(engine_tasks(suite, settings)):
        raise EngineUnavailable(f"the engine of {what} answers {', '.join(sorted(session.outputs))}: build it again")
    return session


def build_command(suite: SuiteFile, subnet: str, settings: BuildSettings) -> str:
    """What builds an engine."""
    tasks = "" if settings.tasks is None else f" --tasks {','.join(settings.tasks)}"
    batch = "" if settings.batch == 1 else f" --batch {settings.batch}"
    return f"pliant build {suite.path} --engine {settings.engine} --subnet {subnet}{tasks}{batch}"


def _best(
    known: dict[str, list[EngineInfo]],
    suite: SuiteFile,
    subnet: SubnetInfo,
    settings: BuildSettings,
    bindings: Bindings,
) -> EngineInfo | None:
    """Of several engines of the same answers: on the GPU before a DLA, and that for the most images."""
    if "tensorrt" not in subnet.graphs:
        return None
    found = known.get(key_of(suite, subnet, settings, bindings).content, [])
    fitting = [info for info in found if info.settings["batch"] >= settings.batch]
    return max(fitting, key=lambda info: (info.settings["dla"] is None, info.settings["batch"], info.key), default=None)
