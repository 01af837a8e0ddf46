"""Engines on this machine's disk, each under a key of all that decides it, written whole or not at all.

The key is the sha256 of graph, weights, settings, and the versions of engine and driver: an engine that no longer is
what would be built has another key, and is not found. Beside each plan stands what it is and the plan's own digest; a
plan that does not match it is built anew. Folders that others can write to are refused: a plan is a program.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ...devices.cache import cache_folder, private_folder
from ...devices.errors import EngineUnavailable
from ...devices.writing import beside, onto_disk, write_atomically
from .bindings import Bindings
from .settings import BuildSettings

_VERSION = 1
_KEY = re.compile("[0-9a-f]{64}")


@dataclass(frozen=True)
class EngineInfo:
    """What an engine is: of which subnet, for what, by which version; `seconds` it took, `sha256` of its plan.

    `place` is the file that the suite was: one that is exported again there replaces it.
    """

    key: str
    suite: str
    place: str
    subnet: str
    settings: dict[str, Any]
    version: str
    driver: str
    precisions: dict[str, int]
    seconds: float
    built: str
    sha256: str
    bytes: int


def engine_key(
    graph: bytes, arrays: Mapping[str, np.ndarray[Any, Any]], settings: BuildSettings, bindings: Bindings
) -> str:
    """64 hex digits, of all that decides an engine."""
    digest = hashlib.sha256()
    decides = {
        "format": _VERSION,
        "graph": hashlib.sha256(graph).hexdigest(),
        "settings": settings.to_json(),
        "version": bindings.version,
        "driver": bindings.driver,
    }
    digest.update(json.dumps(decides, sort_keys=True).encode())
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        digest.update(f"\0{name}\0{array.dtype.str}\0{array.shape}\0".encode())
        digest.update(array.data.cast("B") if array.nbytes else b"")
    return digest.hexdigest()


class EngineCache:
    """The engines in a folder; by default `engines` in the user's cache folder."""

    def __init__(self, folder: Path | None = None):
        self.folder = cache_folder() / "engines" if folder is None else folder

    def find(self, key: str) -> EngineInfo | None:
        """The engine of a key, if it is there and whole."""
        info = self._info(private_folder(self.folder) / f"{key}.json")
        if info is None:
            return None
        digest = hashlib.sha256()
        try:
            with self.plan_path(key).open("rb") as file:
                while chunk := file.read(1 << 20):
                    digest.update(chunk)
        except OSError:
            return None
        return info if digest.hexdigest() == info.sha256 else None

    def plan_path(self, key: str) -> Path:
        """Where a plan is, or would be."""
        return self.folder / f"{key}.plan"

    def keep(
        self,
        key: str,
        plan: bytes,
        *,
        suite: str,
        place: str,
        subnet: str,
        settings: BuildSettings,
        bindings: Bindings,
        precisions: dict[str, int],
        seconds: float,
    ) -> tuple[EngineInfo, int]:
        """Write an engine, and take away those of the same subnet and settings that it replaces: how many they were."""
        digest, built = hashlib.sha256(plan).hexdigest(), time.strftime("%Y-%m-%dT%H:%M:%S%z")
        what = (settings.to_json(), bindings.version, bindings.driver)
        info = EngineInfo(key, suite, place, subnet, *what, precisions, round(seconds, 3), built, digest, len(plan))
        private_folder(self.folder)
        try:
            with beside(self.plan_path(key)) as file:
                file.write(plan)
                onto_disk(file)
                os.replace(file.name, self.plan_path(key))
            entry = {"_version": _VERSION, **asdict(info)}
            write_atomically(self.folder / f"{key}.json", json.dumps(entry, indent=1) + "\n")
        except OSError as error:
            raise EngineUnavailable(f"{self.folder} cannot be written: {error.strerror}; set PLIANT_CACHE") from error
        stale = self.stale(info)
        for other in stale:
            self.drop(other.key)
        return info, len(stale)

    def stale(self, info: EngineInfo) -> list[EngineInfo]:
        """Engines of the same subnet and settings under other keys: of other weights, versions or drivers."""
        return [each for each in self.all() if each.key != info.key and _purpose(each) == _purpose(info)]

    def all(self) -> list[EngineInfo]:
        """Every engine that is described here, newest last."""
        paths = [path for path in self.folder.glob("*.json") if _KEY.fullmatch(path.stem)]
        found = [self._info(path) for path in paths]
        return sorted((each for each in found if each is not None), key=lambda each: (each.built, each.key))

    def drop(self, key: str) -> None:
        """Take an engine away; its description goes first, so that no half of it is ever found."""
        for path in (self.folder / f"{key}.json", self.plan_path(key)):
            path.unlink(missing_ok=True)

    def _info(self, path: Path) -> EngineInfo | None:
        try:
            entry = json.loads(path.read_text())
            if entry.pop("_version") != _VERSION:
                return None
            info = EngineInfo(**entry)
            # What it says of itself is not where it lies.
            return info if info.key == path.stem and isinstance(info.built, str) else None
        except (OSError, ValueError, TypeError, AttributeError, KeyError, RecursionError):
            return None


def _purpose(info: EngineInfo) -> tuple[str, str, str]:
    return info.place, info.subnet, json.dumps(info.settings, sort_keys=True)
