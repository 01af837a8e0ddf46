"""Where a machine tells power or energy: INA monitors on Jetson boards, RAPL on x86, NVML on NVIDIA cards.

INA rails and RAPL's counters are files below /sys (hwmon and powercap; see docs/jetson.md for their sources); NVML is
the driver's library. Nothing here fails where there is none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from .files import matching, read_number, read_text
from .nvml import energy_counters

Domain = Literal["board", "processor", "gpu"]

# Rails that feed everything else on their board: where one is named, the others are parts of it.
_INPUTS = ("VDD_IN", "POM_5V_IN", "VIN")


@dataclass(frozen=True)
class Sensor:
    """One source of readings. `domain` is what it measures, `covers` the same in words.

    A `counter` reads millijoules since some moment; any other sensor reads milliwatts now. `read` raises OSError
    where a reading fails.
    """

    name: str
    domain: Domain
    covers: str
    counter: bool
    read: Callable[[], float] = field(compare=False)


def find_sensors(root: Path = Path("/")) -> list[Sensor]:
    """All sensors that can be read here, those that cover most first."""
    return [*_ina(root), *_rapl(root), *_nvml(root)]


def unreadable_rapl(root: Path = Path("/")) -> list[Path]:
    """RAPL's counters that are there and that this user may not read (since CVE-2020-8694 only root may)."""
    return [path for path in _rapl_files(root) if read_number(path) is None]


def _ina(root: Path) -> Iterator[Sensor]:
    """The board's input rail, or the sum of its rails where none is named so."""
    rails = dict(_rails(root))
    chosen = [name for name in _INPUTS if name in rails][:1] or sorted(rails)
    if chosen:
        what = f"the board's input rail {chosen[0]}" if chosen[0] in _INPUTS else f"the sum of {', '.join(chosen)}"
        yield Sensor("INA", "board", what, False, lambda: sum(rails[name]() for name in chosen))


def _rails(root: Path) -> Iterator[tuple[str, Callable[[], float]]]:
    """Rail -> its milliwatts, of every INA monitor that the kernel shows."""
    for folder in matching(root / "sys/class/hwmon", "hwmon*"):
        chip = read_text(folder / "name")
        if chip == "ina238":
            # It watches what comes into the carrier board: https://forums.developer.nvidia.com/t/366461
            yield "VIN", lambda folder=folder: _need(folder / "power1_input") / 1000  # type: ignore[misc]
        for number in (1, 2, 3) if chip == "ina3221" else ():
            label = read_text(folder / f"in{number}_label")
            if label and label != "NC":
                yield label, lambda folder=folder, number=number: _milliwatts(folder, number)  # type: ignore[misc]


def _milliwatts(folder: Path, number: int) -> float:
    return _need(folder / f"in{number}_input") * _need(folder / f"curr{number}_input") / 1000  # mV x mA


def _rapl(root: Path) -> Iterator[Sensor]:
    """The processor packages, as one counter; none unless all of them can be read."""
    files = _rapl_files(root)
    if files and not unreadable_rapl(root):
        counters = [Unwrapped(path, read_number(path.with_name("max_energy_range_uj")) or 0) for path in files]
        packages = "the processor package" if len(files) == 1 else f"{len(files)} processor packages"
        what = f"{packages}, without memory and the rest of the machine"
        yield Sensor("RAPL", "processor", what, True, lambda: sum(counter() for counter in counters) / 1000)


def _rapl_files(root: Path) -> list[Path]:
    zones = matching(root / "sys/class/powercap", "intel-rapl:*")
    packages = [zone for zone in zones if read_text(zone / "name").startswith("package")]
    return [zone / "energy_uj" for zone in packages if (zone / "energy_uj").exists()]


class Unwrapped:
    """What a counter file has counted since this was made, although it begins again at zero after `limit`."""

    def __init__(self, path: Path, limit: int):
        self.path, self.limit = path, limit
        self.total, self.last = 0, _need(path)

    def __call__(self) -> int:
        """The file's units since the beginning; it must be called at least once a round of the counter."""
        now = _need(self.path)
        self.total += now - self.last + (self.limit if now < self.last else 0)
        self.last = now
        return self.total


def _nvml(root: Path) -> Iterator[Sensor]:
    if root != Path("/"):
        return
    yield from _cards(energy_counters())


def _cards(counters: Iterable[tuple[str, Callable[[], float]]]) -> Iterator[Sensor]:
    for index, (name, read) in enumerate(counters):
        yield Sensor(f"NVML {index}", "gpu", f"{name}, the card alone", True, read)


def _need(path: Path) -> int:
    number = read_number(path)
    if number is None:
        raise OSError(f"no reading in {path}")
    return number
