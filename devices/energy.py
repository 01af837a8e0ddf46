"""Energy of one call, by the machine's own sensors: what the whole board, processor or card took, per run.

It includes what the machine takes when idle, for that is what a battery pays. Where nothing can be read, `need_sensor`
refuses and says what would help.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from types import TracebackType
from typing import Any

from .checked import real, text, whole
from .errors import BudgetError, PliantError
from .sensors import Domain, Sensor, find_sensors, unreadable_rapl

# NVML renews its counter every 20 to 100 ms: shorter measurements would count steps of it.
LEAST_SECONDS = 2.0
_EVERY = 0.005


@dataclass(frozen=True)
class EnergyUse:
    """Millijoules of one run, averaged over `runs` in `seconds`; `sensor` is its name, `covers` what it measures."""

    millijoules: float
    runs: int
    seconds: float
    sensor: str
    covers: str

    def to_json(self) -> dict[str, Any]:
        """JSON object; `from_json` gives back an equal value."""
        return asdict(self)

    @classmethod
    def from_json(cls, entry: Any) -> EnergyUse:
        """Read what `to_json` wrote; PliantError when it is something else."""
        names = {each.name for each in fields(cls)}
        if not isinstance(entry, dict) or set(entry) != names:
            raise PliantError("not an energy measurement: its keys are not those of this version")
        try:
            use = cls(
                real(entry["millijoules"]),
                whole(entry["runs"]),
                real(entry["seconds"]),
                text(entry["sensor"]),
                text(entry["covers"]),
            )
        except ValueError as error:
            raise PliantError(f"not an energy measurement: {error}") from error
        if use.millijoules < 0 or use.runs < 1 or use.seconds <= 0:
            raise PliantError("not an energy measurement: its numbers are those of none")
        return use


def need_sensor(domain: Domain | None = None, root: Path = Path("/")) -> Sensor:
    """The sensor for a domain, or for any; BudgetError says why there is none.

    A board's sensor serves every domain; of several cards the first one is taken, in NVML's order.
    """
    for sensor in find_sensors(root):
        if domain is None or sensor.domain in (domain, "board"):
            return sensor
    raise BudgetError(refusal(domain, root))


def refusal(domain: Domain | None = None, root: Path = Path("/")) -> str:
    """Why no energy can be measured here and what to do, in one line."""
    if domain != "gpu" and unreadable_rapl(root):
        return (
            "this machine has an energy counter that only root may read: "
            "sudo chmod a+r /sys/class/powercap/intel-rapl:*/energy_uj (until the next start)"
        )
    where = f" of the {domain}" if domain else ""
    return f"this machine has no energy sensor{where} that pliant can read: leave energy out"


def energy_of(
    call: Callable[[], object],
    sensor: Sensor,
    *,
    seconds: float = LEAST_SECONDS,
    clock: Callable[[], float] = time.perf_counter,
) -> EnergyUse:
    """Run a call for a while and share what the sensor saw among the runs; OSError where the sensor fails.

    The call is run once before, to warm up.
    """
    call()
    runs, start = 0, clock()
    with Meter(sensor, clock=clock) as meter:
        while clock() - start < seconds:
            call()
            runs += 1
        took = clock() - start
    return EnergyUse(meter.millijoules / max(runs, 1), runs, took, sensor.name, sensor.covers)


@dataclass
class Meter:
    """Millijoules between entering and leaving: a counter's difference, or power summed up over time by a thread."""

    sensor: Sensor
    clock: Callable[[], float] = time.perf_counter
    millijoules: float = field(default=0.0, init=False)
    _stop: threading.Event = field(default_factory=threading.Event, init=False, repr=False)
    _thread: threading.Thread | None = field(default=None, init=False, repr=False)
    _last: tuple[float, float] = field(default=(0.0, 0.0), init=False, repr=False)
    _failure: OSError | None = field(default=None, init=False, repr=False)

    def __enter__(self) -> Meter:
        self._last = (self.clock(), self.sensor.read())
        if not self.sensor.counter:
            self._thread = threading.Thread(target=self._watch, name="pliant energy", daemon=True)
            self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
        if kind is not None:
            return
        if self._failure is not None:
            raise self._failure
        self._step()

    def _watch(self) -> None:
        while not self._stop.wait(_EVERY):
            try:
                self._step()
            except OSError as failure:
                self._failure = failure
                return

    def _step(self) -> None:
        now, reading = self.clock(), self.sensor.read()
        before, last = self._last
        # Milliwatts times seconds are millijoules; between two readings power is taken to change evenly.
        self.millijoules += reading - last if self.sensor.counter else (reading + last) / 2 * (now - before)
        self._last = (now, reading)
