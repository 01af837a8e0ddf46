"""The front: subnets worth having, with what was measured of them and by whom, as JSON."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from ..devices.checked import by_name, each, nothing_or, real, text, whole
from ..devices.errors import InputError, PliantError
from ..devices.writing import write_atomically
from ..models.space import SearchSpace, SubnetConfig
from ..quantize.policy import Policy
from ..runtime.format.tasks import Task
from .front_checks import check_front
from .provenance import Provenance

VERSION = 2
Kind = Literal["measured", "estimated"]


@dataclass(frozen=True)
class Latency:
    """Milliseconds of one image at a `quantile`; `kind` says whether they were measured, `profile` where."""

    value: float
    kind: Kind
    profile: str
    quantile: float = 0.5

    def __post_init__(self) -> None:
        if self.kind not in ("measured", "estimated"):
            raise InputError(f"a latency is measured or estimated, not {self.kind!r}")


@dataclass(frozen=True)
class Beaten:
    """A subnet that was measured and is not worth having: its metrics, and its cost as a share of the widest's."""

    config: SubnetConfig
    quality: Mapping[str, float]
    cost: float

    def to_json(self) -> dict[str, Any]:
        """JSON object."""
        return {"config": self.config.to_json(), "quality": dict(self.quality), "cost": self.cost}

    @classmethod
    def from_json(cls, entry: Any) -> Beaten:
        """Read what `to_json` wrote."""
        values = _fields(cls, entry)
        return cls(SubnetConfig.from_json(values["config"]), by_name(values["quality"], real), real(values["cost"]))


@dataclass(frozen=True)
class FrontEntry:
    """One subnet: the metric by task, multiply-adds of one image, bytes, latency where there is one.

    `bytes` are those of its weights in its precision, as a suite holds them (in fronts whose provenance says no cost,
    of earlier versions, of fp32 weights whatever the precision).
    `preferences` names those whose own front, of score over cost, it lies on; `beats` is how many of the subnets that
    the search measured cost no less and are nowhere better, and `beaten` those of them that are nearest (None and none
    in fronts of earlier versions).
    """

    config: SubnetConfig
    quality: Mapping[str, float]
    macs: int
    bytes: int
    latency: Latency | None = None
    preferences: tuple[str, ...] = ()
    beats: int | None = None
    beaten: tuple[Beaten, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """JSON object."""
        latency = None if self.latency is None else dataclasses.asdict(self.latency)
        return {
            "config": self.config.to_json(),
            "quality": dict(self.quality),
            "macs": self.macs,
            "bytes": self.bytes,
            "latency": latency,
            "preferences": list(self.preferences),
            "beats": self.beats,
            "beaten": [each.to_json() for each in self.beaten],
        }

    @classmethod
    def from_json(cls, entry: Any) -> FrontEntry:
        """Read what `to_json` wrote."""
        values = _fields(cls, {"beats": None, "beaten": [], **entry} if isinstance(entry, dict) else entry)
        if values["latency"] is not None:
            values["latency"] = Latency(**_checked(Latency, values["latency"]))
        values["config"] = SubnetConfig.from_json(values["config"])
        values["quality"] = by_name(values["quality"], real)
        values["preferences"] = each(values["preferences"], text)
        values["beats"] = nothing_or(values["beats"], whole)
        values["beaten"] = each(values["beaten"], Beaten.from_json)
        return cls(**{**values, "macs": whole(values["macs"]), "bytes": whole(values["bytes"])})


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
            return _front(_fields(cls, {key: value for key, value in given.items() if key != "_version"}))
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
    origin = _checked(Provenance, {"cost": None, **given} if isinstance(given, dict) else given)
    origin["references"] = by_name(origin["references"], _pair)
    front = Front(
        each(values["entries"], FrontEntry.from_json),
        tuple(Task.from_json(name, task) for name, task in by_name(values["tasks"], lambda task: task).items()),
        SearchSpace.from_json(values["space"]),
        by_name(values["preferences"], lambda weights: by_name(weights, real)),
        Provenance(**origin),
        by_name(values["policies"], Policy.from_json),
    )
    check_front(front)
    return front


def _pair(value: Any) -> tuple[float, float]:
    macs, loss = each(value, real)
    return macs, loss


def _checked(cls: type[Any], entry: Any) -> dict[str, Any]:
    """The values of a dataclass's fields, the simple ones of the type that the field has."""
    kinds: dict[Any, Callable[[Any], Any]] = {"int": whole, "float": real, "str": text}
    values = _fields(cls, entry)
    return {f.name: kinds.get(f.type, lambda value: value)(values[f.name]) for f in dataclasses.fields(cls)}


def _fields(cls: type[Any], entry: Any) -> dict[str, Any]:
    """The values of a dataclass's fields; InputError for a key too many or too few."""
    what = cls.__name__
    if not isinstance(entry, dict):
        raise InputError(f"{what} is not a JSON object")
    names = {field.name for field in dataclasses.fields(cls)}
    if set(entry) - names:
        raise InputError(f"unknown key {sorted(set(entry) - names)[0]!r} in {what}")
    if names - set(entry):
        raise InputError(f"{what} has no {sorted(names - set(entry))[0]!r}")
    return dict(entry)
