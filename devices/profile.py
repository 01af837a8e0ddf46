"""`DeviceProfile`: what was measured on one machine in one state, as JSON."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from .checked import by_name, each, real, text, whole
from .energy import EnergyUse
from .errors import PliantError
from .fingerprint import Fingerprint
from .measure import Measurement
from .repeats import Repeat, latest

VERSION = 1
_PARTS = ("conditions", "latency", "memory", "graphs", "energy")


@dataclass(frozen=True)
class Key:
    """What a measurement belongs to: a graph (sha256 of its bytes), an input shape, and how it was run.

    `threads` is 0 for the engine's default; `tasks` are those that were asked for, sorted.
    """

    graph: str
    shape: tuple[int, ...]
    provider: str
    threads: int
    tasks: tuple[str, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "tasks", tuple(sorted(self.tasks)))

    @property
    def text(self) -> str:
        """The key as it stands in JSON."""
        shape = "x".join(str(side) for side in self.shape)
        return f"{self.graph}/{shape}/{self.provider}/{self.threads}/{','.join(self.tasks)}"


@dataclass(frozen=True)
class MemoryUse:
    """Growth of a fresh process's resident memory, in bytes, by loading a subnet and running it.

    `peak` is the most it grew, `resident` what it kept; both include `engine`, what importing the engine took.
    `taken` is seconds since 1970.
    """

    peak: int
    resident: int
    engine: int
    taken: float = 0.0

    def to_json(self) -> dict[str, Any]:
        """JSON object; `from_json` gives back an equal value."""
        return {"peak": self.peak, "resident": self.resident, "engine": self.engine, "taken": self.taken}

    @classmethod
    def from_json(cls, entry: Any) -> MemoryUse:
        """Read what `to_json` wrote; PliantError when it is something else."""
        if not isinstance(entry, dict) or set(entry) != {"peak", "resident", "engine", "taken"}:
            raise PliantError("not a memory measurement: its keys are not those of this version")
        try:
            use = cls(whole(entry["peak"]), whole(entry["resident"]), whole(entry["engine"]), real(entry["taken"]))
        except ValueError as error:
            raise PliantError(f"not a memory measurement: {error}") from error
        if min(use.peak, use.resident, use.engine) < 0:
            raise PliantError("not a memory measurement: negative numbers")
        return use


@dataclass(frozen=True)
class DeviceProfile:
    """Measurements by `Key.text` for one fingerprint; `conditions` is free text for people (who, when, how loaded).

    `graphs` says what graphs are, by digest, so that a search can learn from them: `{"encoder": widths by stage,
    "decoders": width by task, "precision": name}`; profiles that are only kept for plans have none. `repeats` say
    how far what was measured again came out from what was kept.
    """

    fingerprint: Fingerprint
    conditions: Mapping[str, str] = field(default_factory=dict)
    latency: Mapping[str, Measurement] = field(default_factory=dict)
    memory: Mapping[str, MemoryUse] = field(default_factory=dict)
    graphs: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    energy: Mapping[str, EnergyUse] = field(default_factory=dict)
    repeats: tuple[Repeat, ...] = ()

    def stale(self, now: Fingerprint) -> bool:
        """Whether the machine is no longer in the state that was measured."""
        return self.fingerprint.digest != now.digest

    def merged(self, other: DeviceProfile) -> DeviceProfile:
        """Both profiles' entries; where both have one, that of `other`, unless it had far fewer runs."""
        latency = dict(self.latency)
        for key, new in other.latency.items():
            if key not in latency or _replaces(new, latency[key]):
                latency[key] = new
        memory, graphs = {**self.memory, **other.memory}, {**self.graphs, **other.graphs}
        conditions, energy = {**self.conditions, **other.conditions}, {**self.energy, **other.energy}
        repeats = latest((*self.repeats, *other.repeats))
        return DeviceProfile(self.fingerprint, conditions, latency, memory, graphs, energy, repeats)

    def without(self, latency: Collection[str], repeats: Collection[Repeat] = ()) -> DeviceProfile:
        """The profile without the latency of these keys, and without these repeats."""
        kept = {key: value for key, value in self.latency.items() if key not in latency}
        return replace(self, latency=kept, repeats=tuple(each for each in self.repeats if each not in repeats))

    def to_json(self) -> dict[str, Any]:
        """JSON object; `from_json` gives back an equal profile."""
        return {
            "_version": VERSION,
            "fingerprint": self.fingerprint.to_json(),
            "conditions": dict(self.conditions),
            "latency": {key: value.to_json() for key, value in sorted(self.latency.items())},
            "memory": {key: value.to_json() for key, value in sorted(self.memory.items())},
            "graphs": {digest: dict(graph) for digest, graph in sorted(self.graphs.items())},
            "energy": {key: value.to_json() for key, value in sorted(self.energy.items())},
            "repeats": [repeat.to_json() for repeat in self.repeats],
        }

    @classmethod
    def from_json(cls, entry: Any) -> DeviceProfile:
        """Read what `to_json` wrote; unknown keys and versions are refused with PliantError."""
        if not isinstance(entry, dict):
            raise PliantError("not a device profile: not a JSON object")
        if entry.get("_version") != VERSION:
            raise PliantError(f"device profile of version {entry.get('_version')!r}; this pliant reads {VERSION}")
        entry = {"graphs": {}, "energy": {}, "repeats": [], **entry}  # earlier profiles have none
        odd = set(entry) ^ {"_version", "fingerprint", "repeats", *_PARTS}
        if odd:
            raise PliantError(f"unknown or missing key {sorted(odd)[0]!r} in a device profile")
        if not all(isinstance(entry[key], dict) for key in _PARTS) or not isinstance(entry["repeats"], list):
            raise PliantError("not a device profile: its parts are not JSON objects")
        return cls(
            Fingerprint.from_json(entry["fingerprint"]),
            {str(key): str(value) for key, value in entry["conditions"].items()},
            {str(key): Measurement.from_json(value) for key, value in entry["latency"].items()},
            {str(key): MemoryUse.from_json(value) for key, value in entry["memory"].items()},
            {str(key): _graph(value) for key, value in entry["graphs"].items()},
            {str(key): EnergyUse.from_json(value) for key, value in entry["energy"].items()},
            latest(map(Repeat.from_json, entry["repeats"])),
        )


def _graph(entry: Any) -> dict[str, Any]:
    try:
        return {
            "encoder": list(each(entry["encoder"], real)),
            "decoders": by_name(entry["decoders"], real),
            "precision": text(entry["precision"]),
        }
    except (KeyError, TypeError, ValueError) as error:
        raise PliantError(f"not the description of a graph: {error!r}") from error


def _replaces(new: Measurement, old: Measurement) -> bool:
    # A glance must not push out a thorough measurement, which may hold quantiles that the glance cannot.
    # Clocks are not asked which is later: boards without one of their own start in the past.
    return new.runs >= min(old.runs, 60) / 2


def read_profile(path: str | Path) -> DeviceProfile:
    """Read a profile from a file; PliantError says what is wrong with it."""
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise PliantError(f"cannot read the device profile {path}: {error.strerror}") from error
    return parse_profile(data, path)


def parse_profile(data: bytes, path: str | Path) -> DeviceProfile:
    """The profile in the bytes of the file `path`."""
    try:
        return DeviceProfile.from_json(json.loads(data.decode("utf-8")))
    except (ValueError, RecursionError) as error:
        raise PliantError(f"{path} is not a device profile: {error}") from error
