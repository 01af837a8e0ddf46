"""A subnet called without a pause for minutes, and what was seen of it slice by slice."""

from __future__ import annotations

import math
import statistics
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..devices.measure import Measurement, summarize
from ..devices.vitals import Vitals, VitalsReader
from .tables import milliseconds

if TYPE_CHECKING:
    from ..runtime.model import Model
    from .progress import Report

MINUTE = 60.0
_SHOW_EVERY = 0.25
_SHOWN = 200
"""Calls whose median is shown while it runs."""


@dataclass(frozen=True)
class Slice:
    """A minute, or a tenth of a run that is shorter than ten: seconds from the start, calls, subnets in the order in
    which they answered, the warmest reading (degrees Celsius) and the mean power (watts), None where not told.
    """

    start: float
    seconds: float
    times: Measurement
    subnets: tuple[str, ...]
    celsius: float | None
    watts: float | None

    def to_json(self) -> dict[str, Any]:
        """JSON object."""
        return {
            "start_s": self.start,
            "seconds": self.seconds,
            "latency_ms": self.times.to_json(),
            "subnets": list(self.subnets),
            "celsius": self.celsius,
            "watts": self.watts,
        }


@dataclass
class Run:
    """A run of `seconds` in slices of `every`; what was seen so far is in `slices`, also when it was interrupted."""

    seconds: float
    every: float
    slices: list[Slice] = field(default_factory=list)
    took: float = 0.0
    _times: list[float] = field(default_factory=list)
    _subnets: list[str] = field(default_factory=list)
    _vitals: list[Vitals] = field(default_factory=list)
    _began: float = 0.0

    def run(self, model: Model, image: Any, report: Report) -> None:
        """Call the model until the time is over, or Ctrl-C."""
        reader, clock = VitalsReader(), time.perf_counter
        for _ in range(3):
            model(image)
        start = clock()
        try:
            shown = start
            while self.took < self.seconds:
                began = clock()
                model(image)
                ended = clock()
                self._note((ended - began) * 1e3, model.subnet.id)
                self.took = ended - start
                if ended - shown >= _SHOW_EVERY:
                    shown = ended
                    self._vitals.append(reader.read())
                    report(self._live(), int(self.took), int(self.seconds))
                if self.took - self._began >= self.every:
                    self._cut()
        finally:
            self._cut()

    def _note(self, took: float, subnet: str) -> None:
        self._times.append(took)
        if not self._subnets or self._subnets[-1] != subnet:
            self._subnets.append(subnet)

    def _live(self) -> str:
        vitals = f", {self._vitals[-1]}" if str(self._vitals[-1]) else ""
        took = milliseconds(statistics.median(self._times[-_SHOWN:]))
        of = f"minute {int(self.took / MINUTE) + 1} of {math.ceil(self.seconds / MINUTE)}"
        return f"{of}: {self._subnets[-1]} {took} ms{vitals}"

    def _cut(self) -> None:
        if not self._times:
            return
        celsius = [one.celsius for one in self._vitals if one.celsius is not None]
        watts = [one.watts for one in self._vitals if one.watts is not None]
        self.slices.append(
            Slice(
                self._began,
                self.took - self._began,
                summarize(self._times),
                tuple(self._subnets),
                max(celsius, default=None),
                statistics.fmean(watts) if watts else None,
            )
        )
        self._began, self._times, self._subnets, self._vitals = self.took, [], self._subnets[-1:], []

    @property
    def ends(self) -> tuple[Slice, Slice] | None:
        """The first slice and the last that is not a mere rest; None where they are the same."""
        whole = [one for one in self.slices if one.seconds >= self.every / 2]
        return (whole[0], whole[-1]) if len(whole) > 1 else None
