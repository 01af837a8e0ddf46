"""JetPack releases by a board's L4T version (`jetpack.json`): what they bring, and what pliant can do there.

Boards before JetPack 6 have Python 3.8 or older, which pliant does not run on: for them a suite is extracted to plain
ONNX on another machine.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from typing import Any

from .checked import by_name, each, flag, nothing_or, text
from .errors import ConfigError
from .target import OLDEST_JETPACK
from .target_reading import only

VERSION = 1


@dataclass(frozen=True)
class Cited:
    """Where it can be read, and what it says."""

    url: str
    says: str


@dataclass(frozen=True)
class Release:
    """One JetPack: its L4T versions (or how they begin), and versions of what comes with it, None where unknown.

    `runs` says whether pliant runs there; `cpu` and `gpu` are the commands that install onnxruntime for the
    processor or the GPU.
    """

    jetpack: str
    l4t: tuple[str, ...]
    ubuntu: str
    python: str
    cuda: str | None
    tensorrt: str | None
    runs: bool
    cpu: str | None
    gpu: str | None
    notes: str
    sources: tuple[Cited, ...]


@lru_cache(maxsize=1)
def all_releases() -> tuple[Release, ...]:
    """Every release that pliant knows, oldest first."""
    return _read()[1]


def release_of(l4t: str) -> Release | None:
    """The release of an L4T version such as `36.4.3`; None for one that pliant does not know."""
    fitting = [
        (len(start), release)
        for release in all_releases()
        for start in release.l4t
        if l4t == start or l4t.startswith(start + ".")
    ]
    return max(fitting, key=lambda found: found[0])[1] if fitting else None


def jetpack_of(l4t: str) -> str:
    """JetPack's version for an L4T version: `6.2`, `6` where only the family is known, or an empty string."""
    release = release_of(l4t)
    return release.jetpack if release else _read()[0].get(l4t.partition(".")[0], "")


def runs_on(l4t: str) -> bool:
    """Whether pliant runs on the JetPack of an L4T version: on 6 and later."""
    family = jetpack_of(l4t).partition(".")[0]
    return not family.isdigit() or int(family) >= OLDEST_JETPACK


def read_releases(entry: Any) -> tuple[dict[str, str], tuple[Release, ...]]:
    """JetPack's family by L4T's major version, and the releases; ConfigError says what is wrong with the JSON."""
    try:
        if not isinstance(entry, dict) or set(entry) != {"_version", "families", "releases"}:
            raise ValueError("its keys are not those of this version")
        if entry["_version"] != VERSION:
            raise ValueError(f"version {entry['_version']!r}; this pliant reads {VERSION}")
        return by_name(entry["families"], text), each(entry["releases"], _release)
    except ValueError as error:
        raise ConfigError(f"not a list of JetPack releases: {error}") from error


@lru_cache(maxsize=1)
def _read() -> tuple[dict[str, str], tuple[Release, ...]]:
    file = resources.files(__package__).joinpath("jetpack.json")
    return read_releases(json.loads(file.read_text(encoding="utf-8")))


def _release(entry: Any) -> Release:
    only(entry, Release)
    sources = each(entry["sources"], _cited)
    if not sources:
        raise ValueError(f"JetPack {entry['jetpack']!r} cites no source")
    return Release(
        jetpack=text(entry["jetpack"]),
        l4t=each(entry["l4t"], text),
        ubuntu=text(entry["ubuntu"]),
        python=text(entry["python"]),
        cuda=nothing_or(entry["cuda"], text),
        tensorrt=nothing_or(entry["tensorrt"], text),
        runs=flag(entry["runs"]),
        cpu=nothing_or(entry["cpu"], text),
        gpu=nothing_or(entry["gpu"], text),
        notes=text(entry["notes"]),
        sources=sources,
    )


def _cited(entry: Any) -> Cited:
    only(entry, Cited)
    return Cited(text(entry["url"]), text(entry["says"]))
