"""Target descriptors out of JSON: unknown keys, wrong types and claims without a source are refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import fields
from importlib import resources
from typing import Any, TypeVar

from .checked import by_name, each, flag, nothing_or, text, whole
from .errors import ConfigError
from .target import Gpu, Int8, Match, Memory, PowerModes, Source, Target

VERSION = 2
T = TypeVar("T")


def read_target(entry: Any) -> Target:
    """A descriptor from the JSON of one file; ConfigError says what is wrong with it."""
    name = entry.get("name") if isinstance(entry, dict) else None
    try:
        target = _target(entry)
    except ValueError as error:
        raise ConfigError(f"target {name!r}: {error}") from error
    missing = target.unsourced()
    if missing:
        raise ConfigError(f"target {name!r} cites no source for {', '.join(missing)}")
    return target


def read_folder(name: str, read: Callable[[Any], T]) -> list[T]:
    """What the JSON files of one of this room's folders describe, by the files' names."""
    folder = resources.files(__package__).joinpath(name)
    files = sorted((file for file in folder.iterdir() if file.name.endswith(".json")), key=lambda file: file.name)
    return [read(json.loads(file.read_text(encoding="utf-8"))) for file in files]


def only(entry: Any, kind: type[T], *extra: str) -> dict[str, Any]:
    """The object, which has exactly the fields of a dataclass and some more; ValueError names the odd key."""
    if not isinstance(entry, dict):
        raise ValueError("not a JSON object")
    wanted = {field.name for field in fields(kind)} | set(extra)  # type: ignore[arg-type]
    odd = sorted(set(entry) ^ wanted)
    if odd:
        raise ValueError(f"unknown or missing key {odd[0]!r}")
    return entry


def _target(entry: Any) -> Target:
    only(entry, Target, "_version")
    if entry["_version"] != VERSION:
        raise ValueError(f"version {entry['_version']!r}; this pliant reads {VERSION}")
    return Target(
        name=text(entry["name"]),
        title=text(entry["title"]),
        match=_match(entry["match"]),
        memory=nothing_or(entry["memory"], _memory),
        gpu=nothing_or(entry["gpu"], _gpu),
        engines=each(entry["engines"], text),
        precisions=each(entry["precisions"], text),
        int8=nothing_or(entry["int8"], _int8),
        channel_multiple=nothing_or(entry["channel_multiple"], whole),
        jetpack=each(entry["jetpack"], text),
        power_modes=each(entry["power_modes"], _power_modes),
        tried=flag(entry["tried"]),
        our_choice=each(entry["our_choice"], text),
        notes=text(entry["notes"]),
        sources=each(entry["sources"], read_source),
    )


def _match(entry: Any) -> Match:
    only(entry, Match)
    names = {key: each(entry[key], text) for key in ("machine", "boards", "parts", "isa")}
    return Match(**names, gpu=flag(entry["gpu"]))


def _memory(entry: Any) -> Memory:
    only(entry, Memory)
    return Memory(each(entry["bytes"], whole), flag(entry["shared"]))


def _gpu(entry: Any) -> Gpu:
    only(entry, Gpu)
    return Gpu(text(entry["architecture"]), text(entry["compute_capability"]), whole(entry["dla"]))


def _int8(entry: Any) -> Int8:
    only(entry, Int8)
    return Int8(text(entry["activations"]), text(entry["weights"]), flag(entry["reduce_range"]))


def _power_modes(entry: Any) -> PowerModes:
    only(entry, PowerModes)
    return PowerModes(text(entry["of"]), {int(number): name for number, name in by_name(entry["names"], text).items()})


def read_source(entry: Any) -> Source:
    """Where a claim can be read."""
    only(entry, Source)
    return Source(each(entry["about"], text), text(entry["url"]), text(entry["says"]))
