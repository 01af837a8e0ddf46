"""The front: subnets worth having, with what was measured of them and by whom, as JSON, and whether its parts fit."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...devices.checked import by_name, each, real
from ...devices.errors import InputError, PliantError
from ...devices.writing import write_atomically
from ...models.space import SearchSpace, SubnetConfig
from ...quantize.policy import Policy
from ...runtime.format.tasks import Task
from ..entries import FrontEntry, Latency, checked_fields, fields_of
from ..preference import Preference
from .provenance import Provenance

VERSION = 2


@dataclass(frozen=True)
class Front:
    """Subnets from the narrowest to the widest, by macs; both ends are always there.

    `preferences` are the searched ones, weights by task under the name that entries use. `policies` are those of the
    precisions below fp32 that entries name (none in fronts of version 1).
    """

    entries: tuple[FrontEntry, ...]
    tasks: tuple[Task, ...]
    space: SearchSpace
    preferences: Mapping[str, Mapping[str, float]]
    provenance: Provenance = field(repr=False)
    policies: Mapping[str, Policy] = field(default_factory=dict)

    @property
    def widest(self) -> FrontEntry:
        """The supernet itself."""
        return next(entry for entry in self.entries if entry.config == self.space.widest)

    @property
    def narrowest(self) -> FrontEntry:
        """The smallest subnet."""
        return next(entry for entry in self.entries if entry.config == self.space.narrowest)

    def measured(self, measure: Callable[[SubnetConfig], Latency | None]) -> Front:
        """A copy with the latency of every entry as `measure` gives it (None: not measured)."""
        entries = tuple(dataclasses.replace(entry, latency=measure(entry.config)) for entry in self.entries)
        return dataclasses.replace(self, entries=entries)

    def to_json(self) -> dict[str, Any]:
        """JSON object; `from_json` gives back an equal front."""
        provenance = dataclasses.asdict(self.provenance)
        references = {name: list(pair) for name, pair in self.provenance.references.items()}
        return {
            "_version": VERSION,
            "tasks": {task.name: task.to_json() for task in self.tasks},
            "space": self.space.to_json(),
            "preferences": {name: dict(weights) for name, weights in self.preferences.items()},
            "entries": [entry.to_json() for entry in self.entries],
            "provenance": {**provenance, "references": references},
            "policies": {name: policy.to_json() for name, policy in self.policies.items()},
        }

    @classmethod
    def from_json(cls, entry: Any) -> Front:
        """Read what `to_json` wrote; unknown keys and versions are refused with InputError."""
        if not isinstance(entry, dict) or entry.get("_version") not in (1, VERSION):
            raise InputError(f"not a front of version {VERSION}: make one with `pliant search`")
        given = {"policies": {}, **entry} if entry["_version"] == 1 else entry
        try:
            return _front(fields_of(cls, {key: value for key, value in given.items() if key != "_version"}))
        except InputError:
            raise
        except (KeyError, TypeError, ValueError, PliantError) as error:
            raise InputError(f"not a front: {error}") from error

    def save(self, path: str | Path) -> None:
        """Write the JSON file, whole or not at all."""
        path = Path(path)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(path, json.dumps(self.to_json(), indent=1) + "\n")
        except OSError as error:
            raise InputError(f"cannot write {path}: {error.strerror}") from error

    @classmethod
    def load(cls, path: str | Path) -> Front:
        """Read a front's file; InputError says what is wrong with it."""
        try:
            entry = json.loads(Path(path).read_text(encoding="utf-8"))
        except OSError as error:
            raise InputError(f"cannot read the front {path}: {error.strerror}") from error
        except (ValueError, RecursionError) as error:
            raise InputError(f"{path} is not a front: not JSON") from error
        try:
            return cls.from_json(entry)
        except InputError as error:
            raise InputError(f"{path}: {error}") from error


def _front(values: dict[str, Any]) -> Front:
    given = values["provenance"]
    origin = checked_fields(Provenance, {"cost": None, **given} if isinstance(given, dict) else given)
    origin["references"] = by_name(origin["references"], _pair)
    front = Front(
        each(values["entries"], FrontEntry.from_json),
        tuple(Task.from_json(name, task) for name, task in by_name(values["tasks"], lambda task: task).items()),
        SearchSpace.from_json(values["space"]),
        by_name(values["preferences"], lambda weights: by_name(weights, real)),
        Provenance(**origin),
        by_name(values["policies"], Policy.from_json),
    )
    _check(front)
    return front


def _pair(value: Any) -> tuple[float, float]:
    macs, loss = each(value, real)
    return macs, loss


def _check(front: Front) -> None:
    """Raise InputError for the first thing that does not fit."""
    tasks = [task.name for task in front.tasks]
    _same(front.space.tasks, tasks, "a front's space")
    for name, weights in front.preferences.items():
        _same(weights, tasks, f"a front's preference {name!r}")
        Preference.of(tasks, weights)
    for number, entry in enumerate(front.entries, 1):
        for wrong in _wrong(front, entry, tasks):
            raise InputError(f"subnet {number} of a front {wrong}")
    configs = [entry.config for entry in front.entries]
    for number, config in enumerate(configs, 1):
        if (first := configs.index(config) + 1) != number:
            raise InputError(f"subnets {first} and {number} of a front are the same")
    if not {front.space.widest, front.space.narrowest} <= set(configs):
        raise InputError("a front lacks its widest or its narrowest subnet")
    _check_policies(front)


def _wrong(front: Front, entry: FrontEntry, tasks: list[str]) -> Iterator[str]:
    """What is wrong with a subnet by itself."""
    if entry.config not in front.space:
        yield "is one that its space has not"
    for task in sorted(set(tasks) ^ set(entry.quality)):
        yield f"has no quality of {task!r}" if task in tasks else f"has a quality of {task!r}, which is no task"
    for name in sorted(set(entry.preferences) - set(front.preferences)):
        yield f"is the best for {name!r}, which is no preference of it"
    for name, value in (("multiply-adds", entry.macs), ("bytes", entry.bytes)):
        if value <= 0:
            yield f"has {value} {name}"
    if entry.beats is not None and entry.beats < 0:
        yield f"beats {entry.beats} others"
    for other in entry.beaten:
        if set(other.quality) != set(tasks) or other.cost <= 0.0:
            yield "beats one whose qualities are not those of its tasks, or that costs nothing"
    if (latency := entry.latency) is not None:
        if latency.value <= 0.0:
            yield f"takes {latency.value:g} ms"
        if not 0.0 <= latency.quantile <= 1.0:
            yield f"has a latency at the quantile {latency.quantile:g}"


def _check_policies(front: Front) -> None:
    for name, policy in front.policies.items():
        if policy.name != name:
            raise InputError(f"a front's policy {name!r} is called {policy.name!r}")
    named = {entry.config.precision for entry in front.entries} - {"fp32"}
    if front.policies and named != set(front.policies):
        raise InputError(f"a front has policies for {sorted(front.policies)}, and its subnets name {sorted(named)}")


def _same(found: Iterable[str], tasks: list[str], what: str) -> None:
    if set(found) != set(tasks):
        raise InputError(f"{what} is about {', '.join(sorted(found))}, and its tasks are {', '.join(sorted(tasks))}")
