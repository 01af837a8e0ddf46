"""How warm a machine is and what power it takes now, where it tells: thermal zones below /sys, and `sensors`.

A zone's *passive* trip point is where the kernel begins to slow the machine down
(https://docs.kernel.org/driver-api/thermal/sysfs-api.html). Nothing here fails where there is none.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from .files import matching, read_number, read_text
from .sensors import Sensor, find_sensors

# Reading a sensor may take a bus transfer; heat is slower than that anyway.
EVERY_S = 1.0
# Zones that are switched off read as -256 degrees or such, trip points that are not set as 0 or -274.
_CELSIUS = (-40.0, 150.0)
_LIMITS = (40.0, 130.0)


@dataclass(frozen=True)
class Zone:
    """A thermal zone by the kernel's name; `limit` is its lowest passive trip point in degrees Celsius, if any."""

    name: str
    file: Path
    limit: float | None

    def read(self) -> float | None:
        """Degrees Celsius now, or None where it does not say."""
        return _celsius(self.file, _CELSIUS)


@dataclass(frozen=True)
class Vitals:
    """One reading: the zone nearest to its limit (the warmest where none has one), degrees Celsius, and watts."""

    zone: str = ""
    celsius: float | None = None
    limit: float | None = None
    watts: float | None = None

    @property
    def headroom(self) -> float:
        """Degrees that are left before the kernel slows the machine down; infinite where that is not known."""
        return math.inf if self.celsius is None or self.limit is None else self.limit - self.celsius

    def __str__(self) -> str:
        parts = []
        if self.celsius is not None:
            parts.append(f"{self.zone} {self.celsius:.1f} °C")
        if self.watts is not None:
            parts.append(f"{self.watts:.1f} W")
        return ", ".join(parts)


UNKNOWN = Vitals()


def find_zones(root: Path = Path("/")) -> list[Zone]:
    """The thermal zones that can be read here."""
    found = []
    for folder in matching(root / "sys/class/thermal", "thermal_zone*"):
        zone = Zone(read_text(folder / "type") or folder.name, folder / "temp", _passive(folder))
        if zone.read() is not None:
            found.append(zone)
    return found


def _passive(folder: Path) -> float | None:
    kinds = matching(folder, "trip_point_*_type")
    files = (kind.with_name(kind.name.replace("_type", "_temp")) for kind in kinds if read_text(kind) == "passive")
    return min((limit for file in files if (limit := _celsius(file, _LIMITS)) is not None), default=None)


def _celsius(file: Path, sound: tuple[float, float]) -> float | None:
    number = read_number(file)
    return number / 1000 if number is not None and sound[0] <= number / 1000 <= sound[1] else None


class VitalsReader:
    """Reads a machine's vitals, at most once a second; what cannot be read is left out."""

    def __init__(self, root: Path = Path("/"), clock: Callable[[], float] = time.monotonic):
        self.zones = find_zones(root)
        self._sensor = _first_sensor(root)
        self._clock = clock
        self._next = -math.inf
        self._count: tuple[float, float] | None = None
        self._last = Vitals()

    def read(self) -> Vitals:
        """The vitals now, or those of less than a second ago."""
        now = self._clock()
        if now >= self._next:
            self._next = now + EVERY_S
            self._last = self._vitals(now)
        return self._last

    def _vitals(self, now: float) -> Vitals:
        found = [(zone, celsius) for zone in self.zones if (celsius := zone.read()) is not None]
        limited = [(zone, celsius) for zone, celsius in found if zone.limit is not None]
        if not found:
            return Vitals(watts=self._watts(now))
        zone, celsius = max(limited or found, key=lambda pair: pair[1] - (pair[0].limit or 0.0))
        return Vitals(zone.name, celsius, zone.limit, self._watts(now))

    def _watts(self, now: float) -> float | None:
        if self._sensor is None:
            return None
        try:
            reading = self._sensor.read()
        except OSError:
            return None
        if not self._sensor.counter:
            return reading / 1000
        # A counter's millijoules become power between two readings.
        before, self._count = self._count, (now, reading)
        return None if before is None or now <= before[0] else (reading - before[1]) / (now - before[0]) / 1000


def _first_sensor(root: Path) -> Sensor | None:
    try:
        return next(iter(find_sensors(root)), None)
    except OSError:
        return None
