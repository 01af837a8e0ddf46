"""What is asked of a subnet: limits in units, weights and floors of tasks, read strictly into a `Budget`."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from numbers import Real
from typing import Any, TypeGuard

from ...devices.errors import BudgetError
from ...devices.measure import check_quantile
from ..engine import check_provider, check_threads
from ..format.tasks import Task, check_task, check_tasks

VERSION = 1

# Beyond these a sum over tasks hears one task only, and at last nobody: infinities are all alike.
LEAST_WEIGHT, MOST_WEIGHT = 1e-9, 1e9
_MOST_FLOOR = 1e30

_NUMBER = re.compile(r"\s*([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*(\S*)\s*")


@dataclass(frozen=True)
class Quantity:
    """One kind of limit: its name, how many base units each unit is, and the units that people are shown.

    `also` are units that are read and named in messages, but not written.
    """

    name: str
    units: Mapping[str, float]
    shown: tuple[str, ...]
    example: str
    also: tuple[str, ...] = ()

    def parse(self, given: object) -> float:
        """`"15 ms"` -> 15.0 base units; BudgetError says which unit to write, or what is wrong with the number."""
        if not isinstance(given, str):
            raise self._unreadable(given)
        found = _NUMBER.fullmatch(given)
        if not found:
            raise self._unreadable(given)
        number, unit = float(found.group(1)), found.group(2)
        if unit not in self.units:
            if not unit:
                raise BudgetError(f"{self.name} {given.strip()} has no unit: write, for example, {self.example}")
            known = ", ".join(unit for unit in (*self.shown, *self.also) if unit)
            raise BudgetError(f"{self.name} cannot be in {unit!r}: use one of {known}")
        value = number * self.units[unit]
        if not math.isfinite(value) or value <= 0.0:
            raise BudgetError(f"{self.name} must be more than 0 and finite, not {given.strip()}")
        return value

    def _unreadable(self, given: object) -> BudgetError:
        if _is_number(given):
            if not _is_finite(given) or given <= 0:
                return BudgetError(f"{self.name} must be more than 0 and finite, not {_shown(given)}")
            return BudgetError(f"{self.name} {given!r} has no unit: write, for example, {self.example!r}")
        return BudgetError(f"cannot read the {self.name} {given!r}: write a number and a unit, as in {self.example!r}")

    def format(self, value: float) -> str:
        """Four significant digits in the unit that suits them; `parse` reads it back."""
        scales = [(self.units[unit], unit) for unit in self.shown]
        scale, unit = next((pair for pair in reversed(scales) if value >= pair[0] * 0.99995), scales[0])
        return f"{_digits(value / scale)} {unit}".strip()


def _is_number(given: object) -> TypeGuard[float]:
    return isinstance(given, Real) and not isinstance(given, bool)


def _is_finite(given: float) -> bool:
    """Whether a number is one for floats too: a whole number of 400 digits is not."""
    try:
        return math.isfinite(given)
    except OverflowError:
        return False


def _shown(given: object) -> str:
    if type(given) is int and given.bit_length() > 128:
        return "an enormous number"
    return repr(given)[:60]


def _digits(number: float) -> str:
    text = f"{number:.4g}"
    return text if "e" not in text else f"{float(text):.0f}" if number >= 1 else text


LATENCY = Quantity(
    "latency",
    {"ns": 1e-6, "us": 1e-3, "µs": 1e-3, "μs": 1e-3, "ms": 1.0, "s": 1e3},
    ("us", "ms", "s"),
    "15 ms",
)
_SIZES = {"B": 1.0, "kB": 1e3, "KB": 1e3, "kb": 1e3, "MB": 1e6, "mb": 1e6, "GB": 1e9, "gb": 1e9}
_BINARY = {"KiB": 2.0**10, "MiB": 2.0**20, "GiB": 2.0**30}
_SIZES |= _BINARY | {unit.lower(): size for unit, size in _BINARY.items()}
MEMORY = Quantity("memory", _SIZES, ("B", "kB", "MB", "GB"), "50 MB", tuple(_BINARY))
BYTES = Quantity("bytes", _SIZES, ("B", "kB", "MB", "GB"), "20 MB", tuple(_BINARY))
_COUNTS = {"": 1.0, "k": 1e3, "K": 1e3, "M": 1e6, "G": 1e9, "g": 1e9, "T": 1e12}
_MACS = {f"{unit}{name}": scale for unit, scale in _COUNTS.items() for name in ("", "macs", "MACs", "MAC")}
MACS = Quantity("macs", _MACS, ("", "k", "M", "G", "T"), "2 G")
ENERGY = Quantity("energy", {"uJ": 1e-3, "µJ": 1e-3, "mJ": 1.0, "mj": 1.0, "J": 1e3}, ("uJ", "mJ", "J"), "30 mJ")


def format_bytes(value: float) -> str:
    """Bytes in decimal units: 8123456 -> `8.123 MB`."""
    return BYTES.format(value)


@dataclass(frozen=True)
class Budget:
    """A request. Limits are None where nothing is asked: milliseconds at `quantile`, bytes, multiply-adds, millijoules.

    `prefer` and `floors` are (task, weight) and (task, worst quality allowed: at least, or at most where lower is
    better); `tasks` None means all; `threads` None means as many as there are physical cores.
    """

    latency_ms: float | None = None
    memory_bytes: int | None = None
    macs: int | None = None
    bytes: int | None = None
    energy_mj: float | None = None
    quantile: float = 0.5
    prefer: tuple[tuple[str, float], ...] = ()
    floors: tuple[tuple[str, float], ...] = ()
    tasks: tuple[str, ...] | None = None
    provider: str = "cpu"
    threads: int | None = None

    def to_json(self) -> dict[str, Any]:
        """JSON object with every field."""
        return {
            "_version": VERSION,
            "latency_ms": self.latency_ms,
            "memory_bytes": self.memory_bytes,
            "macs": self.macs,
            "bytes": self.bytes,
            "energy_mj": self.energy_mj,
            "quantile": self.quantile,
            "prefer": dict(self.prefer),
            "floors": dict(self.floors),
            "tasks": None if self.tasks is None else list(self.tasks),
            "provider": self.provider,
            "threads": self.threads,
        }

    def __str__(self) -> str:
        limits = [
            self.latency_ms and f"latency {LATENCY.format(self.latency_ms)} at p{self.quantile * 100:g}",
            self.memory_bytes and f"memory {format_bytes(self.memory_bytes)}",
            self.macs and f"macs {MACS.format(self.macs)}",
            self.bytes and f"bytes {format_bytes(self.bytes)}",
            self.energy_mj and f"energy {ENERGY.format(self.energy_mj)}",
            *(f"floor {task} {value:g}" for task, value in self.floors),
            *(f"prefer {task} {weight:g}" for task, weight in self.prefer),
            self.tasks is not None and f"tasks {', '.join(self.tasks)}",
        ]
        return ", ".join(limit for limit in limits if limit) or "no limit"


def make_budget(
    tasks: Mapping[str, Task],
    *,
    latency: object = None,
    memory: object = None,
    macs: object = None,
    bytes: object = None,
    energy: object = None,
    prefer: Mapping[str, float] | None = None,
    floors: Mapping[str, float] | None = None,
    only: Iterable[str] | str | None = None,
    quantile: float = 0.5,
    provider: str = "cpu",
    threads: int | None = None,
) -> Budget:
    """Read a request against a suite's tasks; BudgetError names the first thing that cannot be understood.

    `only` is the subset of tasks to run, as names or one text with commas. `threads` 0 is the same as None.
    """
    names = check_tasks(only, tasks)
    return Budget(
        latency_ms=None if latency is None else LATENCY.parse(latency),
        memory_bytes=None if memory is None else max(1, math.floor(MEMORY.parse(memory))),
        macs=None if macs is None else _macs(macs),
        bytes=None if bytes is None else max(1, math.floor(BYTES.parse(bytes))),
        energy_mj=None if energy is None else ENERGY.parse(energy),
        quantile=check_quantile(quantile),
        prefer=_weights(prefer, tasks, names),
        floors=_numbers(floors, tasks, names, "floor", _MOST_FLOOR),
        tasks=None if len(names) == len(tasks) else names,
        provider=check_provider(provider),
        threads=check_threads(threads),
    )


def _macs(given: object) -> int:
    # A count has no unit, so a plain number is clear.
    if _is_number(given) and _is_finite(given):
        given = repr(float(given))
    return max(1, math.floor(MACS.parse(given)))


def _numbers(
    given: Mapping[str, float] | None, tasks: Mapping[str, Task], names: tuple[str, ...], what: str, most: float
) -> tuple[tuple[str, float], ...]:
    found = []
    if given is not None and not isinstance(given, Mapping):
        raise BudgetError(f"a {what} is a task and a number, as in {{{names[0]!r}: 2.0}}, not {_shown(given)}")
    for name, value in (given or {}).items():
        check_task(name, tasks)
        if name not in names:
            raise BudgetError(f"there is a {what} for {name!r}, which is not among the tasks asked for")
        if not _is_number(value) or not _is_finite(value) or abs(value) > most:
            raise BudgetError(f"the {what} of {name!r} must be a number of at most {most:g}, not {_shown(value)}")
        found.append((name, float(value)))
    return tuple(sorted(found))


def _weights(
    given: Mapping[str, float] | None, tasks: Mapping[str, Task], names: tuple[str, ...]
) -> tuple[tuple[str, float], ...]:
    found = _numbers(given, tasks, names, "preference", MOST_WEIGHT)
    for name, weight in found:
        if weight < 0.0:
            raise BudgetError(f"the preference of {name!r} must not be negative, it is {weight:g}")
        if 0.0 < weight < LEAST_WEIGHT:
            raise BudgetError(f"the preference of {name!r} is {weight:g}: use 0, or {LEAST_WEIGHT:g} and more")
    if {name for name, weight in found if weight == 0.0} == set(names):
        raise BudgetError("every task has the preference 0: nothing is left to choose by")
    return found
