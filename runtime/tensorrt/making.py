"""One engine in the making: built without weights where that works, else with them, and proven before it is kept."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...devices.errors import EngineUnavailable, SuiteError
from ...devices.measure import Progress
from ..witnessing import check_witness
from .build import EnginePlan, build_plan, exiting
from .execution import EngineSession
from .here import Here
from .precision import check_inspected
from .refit import can_strip
from .settings import BuildSettings
from .sources import check_digests, engine_inputs, engine_tasks, integer_weights
from .timing import TimingCache

if TYPE_CHECKING:
    from ..format.manifest import SubnetInfo
    from ..format.suite_file import SuiteFile

_LOG = logging.getLogger("pliant.build")


class EngineMaker:
    """Makes one subnet's engine. SuiteError where the suite is not what it says."""

    def __init__(
        self,
        suite: SuiteFile,
        subnet: SubnetInfo,
        settings: BuildSettings,
        here: Here,
        folder: Path,
        report: Progress | None,
    ):
        check_digests(suite, subnet)
        self.suite, self.subnet, self.settings, self.here, self.report = suite, subnet, settings, here, report
        self.graph, self.arrays = engine_inputs(suite, subnet, settings)
        # TensorRT for RTX chooses kernels where it runs.
        self.timing = TimingCache(folder, here.bindings) if settings.engine == "tensorrt" else None

    def make(self) -> tuple[EnginePlan, bool]:
        """The plan, and whether it is without weights."""
        if self.here.cuda is not None and can_strip(self.here.bindings):
            try:
                return self._proven(self._build(stripped=True), stripped=True), True
            except EngineUnavailable as error:
                if exiting():
                    raise
                # Not every version refits every network: what it costs is the size of the weights once more.
                _LOG.info("%s is built with its weights: %s", self.subnet.id, error)
        return self._proven(self._build(stripped=False), stripped=False), False

    def _build(self, *, stripped: bool) -> EnginePlan:
        what = f"building {self.subnet.id}"
        how: dict[str, Any] = {"report": self.report, "stripped": stripped, "timing": self.timing}
        plan = build_plan(self.here.bindings, self.graph.to_bytes(), self.arrays, self.settings, what, **how)
        _check_precision(self.subnet, plan.precisions, integer_weights(self.graph))
        return plan

    def _proven(self, plan: EnginePlan, *, stripped: bool) -> EnginePlan:
        """The same plan, once its GPU ran it: it computes in what the graph says, and answers the witness.

        What is for a GPU of another machine stays unproven, and is not run here either.
        """
        if self.here.cuda is None:
            return plan
        what = f"the engine of {self.subnet.id}"
        weights = (self.graph.to_bytes(), self.arrays) if stripped else None
        how: dict[str, Any] = {"weights": weights, "dla": self.settings.dla}
        session = EngineSession(self.here.bindings, self.here.cuda, plan.data, what, **how)
        check_inspected(self.here.bindings.module, session, plan.precisions, what)
        try:
            check_witness(self.suite, self.subnet, session, engine_tasks(self.suite, self.settings), what)
        except SuiteError as error:
            raise EngineUnavailable(f"{what} does not answer its witness: {error}; not kept") from error
        return plan


def _check_precision(subnet: SubnetInfo, precisions: dict[str, int], integers: int) -> None:
    """Never silently fp32: as many layers on integers as the graph has weights in them, and some where it says so."""
    kind = subnet.precision if subnet.precision in ("fp32", "fp16") else "int8"
    right = precisions.get("int8", 0) == integers and kind in precisions
    if not right or (kind == "fp32" and len(precisions) > 1):
        counted = ", ".join(f"{count} {name}" for name, count in sorted(precisions.items())) or "no layers"
        raise EngineUnavailable(f"{subnet.id} is {subnet.precision}, but its engine has {counted}: not kept")
