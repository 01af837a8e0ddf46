"""The engines of a suite's subnets: found in the cache, or built now."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ...devices.errors import BudgetError
from ...devices.measure import Progress
from .cache import EngineCache, EngineInfo
from .here import Here, here_for
from .making import EngineMaker
from .settings import BuildSettings
from .sources import key_of

if TYPE_CHECKING:
    from ..format.manifest import SubnetInfo
    from ..format.suite_file import SuiteFile


@dataclass(frozen=True)
class EngineResult:
    """An engine that is there now. `fresh`: it was built just now, and took the place of `replaced` older ones."""

    subnet: str
    info: EngineInfo
    fresh: bool
    replaced: int = 0


def build_engines(
    suite: SuiteFile,
    subnets: Iterable[SubnetInfo | str],
    settings: BuildSettings,
    *,
    cache: EngineCache | None = None,
    report: Progress | None = None,
) -> Iterator[EngineResult]:
    """Build what is not built yet, one subnet after the other.

    Raises EngineUnavailable (no bindings, no GPU, nothing came of it), SuiteError (no graph for TensorRT, or one that
    its parser refuses or would not run as the suite says), BudgetError (unknown subnets, an unknown GPU). Engines that
    were built stay when it is stopped.
    """
    chosen = [suite.subnet(subnet) if isinstance(subnet, str) else subnet for subnet in subnets]
    here = here_for(settings)
    if settings.batch > suite.input.batch[1]:
        raise BudgetError(f"{suite.path} takes at most {suite.input.batch[1]} images a call, not {settings.batch}")
    known = EngineCache() if cache is None else cache
    for subnet in chosen:
        yield _engine(suite, subnet, settings, here, known, report)


def _engine(
    suite: SuiteFile,
    subnet: SubnetInfo,
    settings: BuildSettings,
    here: Here,
    cache: EngineCache,
    report: Progress | None,
) -> EngineResult:
    key = key_of(suite, subnet, settings, here.bindings)
    known = cache.find(key)
    if known is not None:
        return EngineResult(subnet.id, known, fresh=False)
    start = time.perf_counter()
    plan, stripped = EngineMaker(suite, subnet, settings, here, cache.folder, report).make()
    about: dict[str, Any] = {"suite": suite.name, "subnet": subnet.id, "settings": settings, "bindings": here.bindings}
    about |= {"place": str(suite.path.resolve()), "stripped": stripped, "precisions": plan.precisions}
    info, replaced = cache.keep(key, plan.data, seconds=time.perf_counter() - start, **about)
    return EngineResult(subnet.id, info, fresh=True, replaced=replaced)
