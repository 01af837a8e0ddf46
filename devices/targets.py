"""What a target is: descriptors of machines to build suites for, as data with sources (`targets.json`)."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from typing import Any

from .errors import ConfigError
from .fingerprint import Fingerprint

VERSION = 1
_KEYS = {
    "title",
    "machine",
    "board",
    "needs_isa",
    "engines",
    "precisions",
    "int8",
    "channel_multiple",
    "memory",
    "notes",
    "sources",
}


@dataclass(frozen=True)
class Int8:
    """How int8 is laid out for a target: types of activations and weights, and whether weights have 7 bits."""

    activations: str
    weights: str
    reduce_range: bool


@dataclass(frozen=True)
class Target:
    """A class of machines: the engines and precisions it has and the channel multiple it rewards.

    `needs_isa` are instruction sets it must have, `a|b` meaning either; `memory` is bytes, None where it varies;
    `board` is a part of the device tree's name, empty for any.
    """

    name: str
    title: str
    machine: str
    board: str
    needs_isa: tuple[str, ...]
    engines: tuple[str, ...]
    precisions: tuple[str, ...]
    int8: Int8
    channel_multiple: int
    memory: int | None
    notes: str
    sources: tuple[str, ...]

    def matches(self, fingerprint: Fingerprint) -> bool:
        """Whether a machine is of this class."""
        isa = set(fingerprint.isa)
        return (
            self.machine == fingerprint.machine
            and self.board in fingerprint.board
            and all(isa & set(need.split("|")) for need in self.needs_isa)
        )


@lru_cache(maxsize=1)
def all_targets() -> dict[str, Target]:
    """Every descriptor, by name; the more special ones first."""
    text = resources.files(__package__).joinpath("targets.json").read_text(encoding="utf-8")
    return read_targets(json.loads(text))


def read_targets(entry: Any) -> dict[str, Target]:
    """Descriptors from JSON; ConfigError where a key is unknown or missing, or a source is."""
    if not isinstance(entry, dict) or entry.get("_version") != VERSION or set(entry) != {"_version", "targets"}:
        raise ConfigError("not a list of target descriptors that this pliant reads")
    return {name: _target(name, fields) for name, fields in entry["targets"].items()}


def _target(name: str, entry: dict[str, Any]) -> Target:
    odd = set(entry) ^ _KEYS
    if odd:
        raise ConfigError(f"target {name!r}: unknown or missing key {sorted(odd)[0]!r}")
    if not entry["sources"]:
        raise ConfigError(f"target {name!r} cites no source for what it claims")
    sequences = ("needs_isa", "engines", "precisions", "sources")
    values: dict[str, Any] = {key: tuple(value) if key in sequences else value for key, value in entry.items()}
    return Target(name=name, **{**values, "int8": Int8(**entry["int8"])})


def get_target(name: str) -> Target:
    """The descriptor of a name; ConfigError lists those that exist."""
    targets = all_targets()
    if name not in targets:
        raise ConfigError(f"no target is called {name!r}: there are {', '.join(targets)}")
    return targets[name]


def match_target(fingerprint: Fingerprint) -> Target | None:
    """The most special descriptor that this machine is of, or None."""
    matching = [target for target in all_targets().values() if target.matches(fingerprint)]
    return max(matching, key=lambda target: (bool(target.board), len(target.needs_isa)), default=None)
