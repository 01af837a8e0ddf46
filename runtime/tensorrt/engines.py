"""The engines of a suite's subnets: found in the cache, or built now."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ...devices.errors import BudgetError, EngineUnavailable, SuiteError
from ...devices.fingerprint import Fingerprint, read_fingerprint
from ...devices.measure import Progress
from ..digests import check_tensor, stated_digest
from ..graph import Graph
from ..interface import check_interface
from ..weights import read_arrays
from .bindings import Bindings, check_buildable, load_bindings
from .build import Arrays, Plan, build_plan
from .cache import EngineCache, EngineInfo, EngineKey, engine_key
from .cuda import Cuda, load_cuda
from .execution import EngineSession
from .inspect import check_inspected
from .refit import can_strip
from .settings import BuildSettings
from .timing import TimingCache

if TYPE_CHECKING:
    from ..manifest import GraphInfo, SubnetInfo
    from ..suite import Suite

_LOG = logging.getLogger("pliant.build")


@dataclass(frozen=True)
class EngineResult:
    """An engine that is there now. `fresh`: it was built just now, and took the place of `replaced` older ones."""

    subnet: str
    info: EngineInfo
    fresh: bool
    replaced: int = 0


def build_engines(
    suite: Suite,
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
    machine = read_fingerprint()
    bindings = load_bindings(settings.engine, gpu_identity(machine))
    check_buildable(bindings, settings, machine.gpus)
    if settings.batch > suite.input.batch[1]:
        raise BudgetError(f"{suite.path} takes at most {suite.input.batch[1]} images a call, not {settings.batch}")
    known = EngineCache() if cache is None else cache
    for subnet in chosen:
        yield _engine(suite, subnet, settings, bindings, known, report)


def _engine(
    suite: Suite,
    subnet: SubnetInfo,
    settings: BuildSettings,
    bindings: Bindings,
    cache: EngineCache,
    report: Progress | None,
) -> EngineResult:
    key = key_of(suite, subnet, settings, bindings)
    known = cache.find(key)
    if known is not None:
        return EngineResult(subnet.id, known, fresh=False)
    start = time.perf_counter()
    made = _Made(suite, subnet, settings, bindings, cache.folder, report)
    plan, stripped = made.plan()
    about: dict[str, Any] = {"suite": suite.name, "subnet": subnet.id, "settings": settings, "bindings": bindings}
    about |= {"place": str(suite.path.resolve()), "stripped": stripped, "precisions": plan.precisions}
    info, replaced = cache.keep(key, plan.data, seconds=time.perf_counter() - start, **about)
    return EngineResult(subnet.id, info, fresh=True, replaced=replaced)


class _Made:
    """One subnet's engine in the making: without weights where that is proven to work, else with them."""

    def __init__(
        self,
        suite: Suite,
        subnet: SubnetInfo,
        settings: BuildSettings,
        bindings: Bindings,
        folder: Path,
        report: Progress | None,
    ):
        _check_digests(suite, subnet)
        self.subnet, self.settings, self.bindings, self.report = subnet, settings, bindings, report
        self.graph, self.arrays = engine_inputs(suite, subnet, settings.tasks)
        self.timing = TimingCache(folder, bindings) if settings.engine == "tensorrt" else None

    def plan(self) -> tuple[Plan, bool]:
        """The plan, and whether it is without weights."""
        here = _gpu_here(self.settings)
        if here is not None and can_strip(self.bindings):
            try:
                return self._proven(self._build(stripped=True), here, constants(self.graph, self.arrays)), True
            except EngineUnavailable as error:
                # Not every version refits every network: what it costs is the size of the weights once more.
                _LOG.info("%s is built with its weights: %s", self.subnet.id, error)
        return self._proven(self._build(stripped=False), here, None), False

    def _build(self, stripped: bool) -> Plan:
        what = f"building {self.subnet.id}"
        how: dict[str, Any] = {"report": self.report, "stripped": stripped, "timing": self.timing}
        plan = build_plan(self.bindings, self.graph.to_bytes(), self.arrays, self.settings, what, **how)
        _check_precision(self.subnet, plan.precisions, _integer_weights(self.graph))
        return plan

    def _proven(self, plan: Plan, here: Cuda | None, weights: Arrays | None) -> Plan:
        """The same plan, once its GPU has loaded it and the engine itself says what it computes in."""
        if here is not None:
            what = f"the engine of {self.subnet.id}"
            session = EngineSession(self.bindings, here, plan.data, what, weights=weights)
            check_inspected(self.bindings.module, session.engine, plan.precisions, what)
        return plan


def key_of(suite: Suite, subnet: SubnetInfo, settings: BuildSettings, bindings: Bindings) -> EngineKey:
    """The key of a subnet's engine, of digests alone: no weights are read."""
    record = suite.record(subnet)
    stored = {subnet.record, *(view.tensor for view in record.views.values())}
    parts = {name: stated_digest(suite, name) for name in sorted(stored)}
    return engine_key({**parts, "graph": _graph_info(suite, subnet).sha256}, settings, bindings)


def engine_inputs(suite: Suite, subnet: SubnetInfo, tasks: Sequence[str] | None) -> tuple[Graph, Arrays]:
    """The checked graph for TensorRT with decoded outputs of `tasks` only, and what feeds it."""
    _graph_info(suite, subnet)
    graph, record = suite.graph(subnet, "tensorrt"), suite.record(subnet)
    check_interface(suite, graph)
    cut = graph.pruned(list(suite.tasks if tasks is None else tasks))
    return cut, read_arrays(suite.container, record, cut, f"subnet {subnet.id} of {suite.path}")


def constants(graph: Graph, arrays: Arrays) -> dict[str, np.ndarray[Any, Any]]:
    """All that a plan without weights may lack: what feeds the graph, and what stands in it."""
    inline = {name: item.value for name, item in graph.initializers.items() if item.value is not None}
    return {**inline, **arrays}


def _graph_info(suite: Suite, subnet: SubnetInfo) -> GraphInfo:
    found = subnet.graphs.get("tensorrt")
    if found is None:
        raise SuiteError(f"{suite.path} has no graph of {subnet.id} for TensorRT: export it again with this pliant")
    return found


def _check_digests(suite: Suite, subnet: SubnetInfo) -> None:
    """An engine is kept under digests: a suite that lies about them must not leave its engine for another to find."""
    for name in {view.tensor for view in suite.record(subnet).views.values()}:
        check_tensor(suite, name)


def _gpu_here(settings: BuildSettings) -> Cuda | None:
    """The GPU that an engine is built for, where it can be tried: not one of another machine."""
    if settings.capability is not None:
        return None
    try:
        return load_cuda()
    except EngineUnavailable:
        return None


def gpu_identity(machine: Fingerprint) -> str:
    """What of the GPUs here decides an engine: models and driver, no limit of clocks or power; a board, its release."""
    told = dict(machine.settings)
    if told.get("l4t"):
        return f"{machine.board}, L4T {told['l4t']}"
    return "; ".join(", ".join(gpu.split(", ")[:2]) for gpu in machine.gpus)


def _integer_weights(graph: Graph) -> int:
    """Layers whose weights the graph has in integers."""
    stored = {item.name for item in graph.external() if item.dtype == np.int8}
    return sum(node.op == "DequantizeLinear" and node.inputs[0] in stored for node in graph.nodes)


def _check_precision(subnet: SubnetInfo, precisions: dict[str, int], integers: int) -> None:
    """Never silently fp32: as many layers on integers as the graph has weights in them, and some where it says so."""
    kind = subnet.precision if subnet.precision in ("fp32", "fp16") else "int8"
    right = precisions.get("int8", 0) == integers and kind in precisions
    if not right or (kind == "fp32" and len(precisions) > 1):
        counted = ", ".join(f"{count} {name}" for name, count in sorted(precisions.items())) or "no layers"
        raise EngineUnavailable(f"{subnet.id} is {subnet.precision}, but its engine has {counted}: not kept")
