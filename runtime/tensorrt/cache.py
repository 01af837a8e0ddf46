"""Engines on this machine's disk, each under a key of all that decides it, written whole or not at all.

The key is the sha256 of all that decides an engine: digests of the graph and of whatever feeds it (as the suite states
them; whoever builds has checked them), settings, and the versions of engine and driver. What would not be
built today is not found under it. Beside each plan stands what it is and the plan's own digest; a plan that does not
match is built anew. Folders that others can write to are refused: a plan is a program.
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

from ...devices.cache import cache_folder, private_folder
from ...devices.errors import EngineUnavailable
from ...devices.writing import beside, onto_disk, write_atomically
from .bindings import Bindings
from .settings import BuildSettings

_VERSION = 2
_KEY = re.compile("[0-9a-f]{64}")


@dataclass(frozen=True)
class EngineInfo:
    """What an engine is: of which subnet, for what, by which version; `seconds` it took, `sha256` of its plan.

    `place` is the file that the suite was: one that is exported again there replaces it. `content` is the key but for
    batch and DLA: engines of the same answer. A `stripped` plan takes its weights from the suite.
    """

    key: str
    content: str
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
    stripped: bool = False


@dataclass(frozen=True)
class EngineKey:
    """64 hex digits of all that decides an engine; `content` is of all but batch and DLA."""

    text: str
    content: str


def engine_key(parts: Mapping[str, str], settings: BuildSettings, bindings: Bindings) -> EngineKey:
    """The key of an engine; `parts` are the digests of what is in it, by name."""
    asked = settings.to_json()
    versions = {"format": _VERSION, "version": bindings.version, "driver": bindings.driver}
    same = {**versions, "parts": dict(parts), "engine": asked["engine"], "capability": asked["capability"]}
    return EngineKey(_digest({**same, "settings": asked}), _digest(same))


def _digest(decides: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(decides, sort_keys=True).encode()).hexdigest()


class EngineCache:
    """The engines in a folder; by default `engines` in the user's cache folder."""

    def __init__(self, folder: Path | None = None):
        self.folder = cache_folder() / "engines" if folder is None else folder

    def find(self, key: EngineKey) -> EngineInfo | None:
        """The engine of a key, if it is there and whole."""
        info = self._info(private_folder(self.folder) / f"{key.text}.json")
        return None if info is None or self.read(info) is None else info

    def read(self, info: EngineInfo) -> bytes | None:
        """The plan of an engine; None where it is gone or damaged."""
        private_folder(self.folder)
        try:
            plan = self.plan_path(info.key).read_bytes()
        except OSError:
            return None
        return plan if hashlib.sha256(plan).hexdigest() == info.sha256 else None

    def by_content(self) -> dict[str, list[EngineInfo]]:
        """What is built, by `content`. Plans are not looked at."""
        found: dict[str, list[EngineInfo]] = {}
        for info in self.all():
            found.setdefault(info.content, []).append(info)
        return found

    def plan_path(self, key: str) -> Path:
        """Where a plan is, or would be."""
        return self.folder / f"{key}.plan"

    def keep(
        self,
        key: EngineKey,
        plan: bytes,
        *,
        suite: str,
        place: str,
        subnet: str,
        settings: BuildSettings,
        bindings: Bindings,
        precisions: dict[str, int],
        seconds: float,
        stripped: bool = False,
    ) -> tuple[EngineInfo, int]:
        """Write an engine, and take away those of the same subnet and purpose that it replaces: how many they were."""
        digest, built = hashlib.sha256(plan).hexdigest(), time.strftime("%Y-%m-%dT%H:%M:%S%z")
        info = EngineInfo(
            *(key.text, key.content, suite, place, subnet, settings.to_json(), bindings.version, bindings.driver),
            *(precisions, round(seconds, 3), built, digest, len(plan), stripped),
        )
        private_folder(self.folder)
        try:
            with beside(self.plan_path(info.key)) as file:
                file.write(plan)
                onto_disk(file)
                os.replace(file.name, self.plan_path(info.key))
            entry = {"_version": _VERSION, **asdict(info)}
            write_atomically(self.folder / f"{info.key}.json", json.dumps(entry, indent=1) + "\n")
        except OSError as error:
            raise EngineUnavailable(f"{self.folder} cannot be written: {error.strerror}; set PLIANT_CACHE") from error
        stale = self.stale(info)
        for other in stale:
            self.drop(other.key)
        return info, len(stale)

    def stale(self, info: EngineInfo) -> list[EngineInfo]:
        """Engines of the same subnet, settings and GPU under other keys: of other weights, versions or drivers."""
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
            texts = isinstance(info.built, str) and isinstance(info.driver, str)
            right = info.key == path.stem and texts and {"batch", "dla", "capability"} <= info.settings.keys()
            return info if right else None
        except (OSError, ValueError, TypeError, AttributeError, KeyError, RecursionError):
            return None


def _purpose(info: EngineInfo) -> tuple[str, str, str, str]:
    return info.place, info.subnet, _gpu(info), json.dumps(info.settings, sort_keys=True)


def _gpu(info: EngineInfo) -> str:
    """The very GPU that an engine is for, where its settings do not say which kind: what stands last (`here`)."""
    return "" if info.settings["capability"] else info.driver.rpartition("; ")[2]
