"""The engines of a suite's subnets: found in the cache, or built now."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ...devices.errors import BudgetError, EngineUnavailable, SuiteError
from ...devices.fingerprint import Fingerprint, read_fingerprint
from ...devices.measure import Progress
from ..session import check_interface
from ..weights import read_arrays
from .bindings import Bindings, check_buildable, load_bindings
from .build import build_plan
from .cache import EngineCache, EngineInfo, engine_key
from .settings import BuildSettings

if TYPE_CHECKING:
    from ..manifest import SubnetInfo
    from ..suite import Suite


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
    """Build what is not built yet, one subnet after the other, all tasks in each.

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
    graph, arrays = _inputs(suite, subnet)
    key = engine_key(graph, arrays, settings, bindings)
    known = cache.find(key)
    if known is not None:
        return EngineResult(subnet.id, known, fresh=False)
    start = time.perf_counter()
    plan = build_plan(bindings, graph, arrays, settings, f"building {subnet.id}", report=report)
    _check_precision(subnet, plan.precisions, _integer_weights(suite, subnet))
    about: dict[str, Any] = {"suite": suite.name, "subnet": subnet.id, "settings": settings, "bindings": bindings}
    about["place"] = str(suite.path.resolve())
    seconds = time.perf_counter() - start
    info, replaced = cache.keep(key, plan.data, precisions=plan.precisions, seconds=seconds, **about)
    return EngineResult(subnet.id, info, fresh=True, replaced=replaced)


def _inputs(suite: Suite, subnet: SubnetInfo) -> tuple[bytes, dict[str, np.ndarray[Any, Any]]]:
    """The checked graph for TensorRT with decoded outputs only, and what feeds it."""
    if "tensorrt" not in subnet.graphs:
        raise SuiteError(f"{suite.path} has no graph of {subnet.id} for TensorRT: export it again with this pliant")
    graph, record = suite.graph(subnet, "tensorrt"), suite.record(subnet)
    check_interface(suite, graph)
    cut = graph.pruned(list(suite.tasks))
    return cut.to_bytes(), read_arrays(suite.container, record, cut, f"subnet {subnet.id} of {suite.path}")


def gpu_identity(machine: Fingerprint) -> str:
    """What of the GPUs here decides an engine: models and driver, no limit of clocks or power; a board, its release."""
    told = dict(machine.settings)
    if told.get("l4t"):
        return f"{machine.board}, L4T {told['l4t']}"
    return "; ".join(", ".join(gpu.split(", ")[:2]) for gpu in machine.gpus)


def _integer_weights(suite: Suite, subnet: SubnetInfo) -> int:
    """Layers whose weights the graph has in integers."""
    graph = suite.graph(subnet, "tensorrt").pruned(list(suite.tasks))
    stored = {item.name for item in graph.external() if item.dtype == np.int8}
    return sum(node.op == "DequantizeLinear" and node.inputs[0] in stored for node in graph.nodes)


def _check_precision(subnet: SubnetInfo, precisions: dict[str, int], integers: int) -> None:
    """Never silently fp32: as many layers on integers as the graph has weights in them, and some where it says so."""
    kind = subnet.precision if subnet.precision in ("fp32", "fp16") else "int8"
    right = precisions.get("int8", 0) == integers and kind in precisions
    if not right or (kind == "fp32" and len(precisions) > 1):
        counted = ", ".join(f"{count} {name}" for name, count in sorted(precisions.items())) or "no layers"
        raise EngineUnavailable(f"{subnet.id} is {subnet.precision}, but its engine has {counted}: not kept")
