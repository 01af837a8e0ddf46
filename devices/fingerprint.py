"""What this machine is, as far as it changes how fast a network runs: `Fingerprint`.

A measurement holds for one fingerprint. Its `digest` covers the processor, the graphics processors, clocks, power
mode and engine versions; memory and operating system are recorded but not part of it. Nothing here fails
where a file or a tool is absent: what cannot be read is left out.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
from dataclasses import dataclass, fields
from functools import lru_cache
from pathlib import Path
from typing import Any

from . import hardware
from .checked import by_name, each, text, whole
from .errors import PliantError

VERSION = 1
ENGINES = ("onnxruntime", "onnxruntime-gpu", "tensorrt", "tensorrt-rtx", "tensorrt-rtx-cu13-libs")
_UNHASHED = ("memory", "system")

Pairs = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Fingerprint:
    """One machine in one state.

    `cores` are those that this process may use; `isa` the instruction sets that matter to networks;
    `memory` is bytes; `settings` holds governor, clock limits (kHz, GPU Hz), turbo, processor quota, power mode, the
    classes of cores and which GPUs CUDA may see, where readable; `gpus` one line each (name, driver, limits);
    `engines` the versions.
    """

    cpu: str
    machine: str
    cores: int
    isa: tuple[str, ...]
    memory: int
    system: str
    board: str = ""
    settings: Pairs = ()
    gpus: tuple[str, ...] = ()
    engines: Pairs = ()

    @property
    def digest(self) -> str:
        """64 hex digits; equal for two machines in the same state, different when what is measured may differ."""
        entry = {key: value for key, value in self.to_json().items() if key not in _UNHASHED}
        written = json.dumps(entry, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(written.encode()).hexdigest()

    @property
    def power_mode(self) -> str:
        """The board's power mode (Jetson's nvpmodel), or an empty string."""
        return dict(self.settings).get("power_mode", "")

    def differences(self, other: Fingerprint) -> list[str]:
        """What changed from `other` to this one, in words; only what makes measurements stale."""
        mine, theirs = self._flat(), other._flat()
        return [
            f"{key} was {theirs.get(key) or 'absent'}, is {mine.get(key) or 'absent'}"
            for key in sorted(mine.keys() | theirs.keys())
            if mine.get(key) != theirs.get(key)
        ]

    def _flat(self) -> dict[str, str]:
        flat = {"cpu": self.cpu, "machine": self.machine, "cores": str(self.cores), "board": self.board}
        flat |= {"isa": " ".join(self.isa), "gpus": "; ".join(self.gpus)}
        return flat | dict(self.settings) | dict(self.engines)

    def __str__(self) -> str:
        parts = [self.board or self.cpu or self.machine, f"{self.cores} cores", *self.gpus]
        parts += [f"{key} {value}" for key, value in (*self.settings, *self.engines)]
        return ", ".join(parts)

    def to_json(self) -> dict[str, Any]:
        """JSON object; `from_json` gives back an equal fingerprint."""
        entry: dict[str, Any] = {"_version": VERSION}
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name in ("settings", "engines"):
                value = dict(value)
            entry[field.name] = list(value) if isinstance(value, tuple) else value
        return entry

    @classmethod
    def from_json(cls, entry: Any) -> Fingerprint:
        """Read what `to_json` wrote; PliantError when it is something else."""
        names = {field.name for field in fields(cls)}
        if not isinstance(entry, dict) or entry.get("_version") != VERSION:
            raise PliantError("not a machine's fingerprint that this pliant reads")
        if entry.keys() - {"_version"} != names:
            odd = sorted((entry.keys() - {"_version"}) ^ names)
            raise PliantError(f"unknown or missing key {odd[0]!r} in a machine's fingerprint")
        try:
            return cls(
                cpu=text(entry["cpu"]),
                machine=text(entry["machine"]),
                cores=whole(entry["cores"]),
                isa=each(entry["isa"], text),
                memory=whole(entry["memory"]),
                system=text(entry["system"]),
                board=text(entry["board"]),
                settings=_pairs(by_name(entry["settings"], text)),
                gpus=each(entry["gpus"], text),
                engines=_pairs(by_name(entry["engines"], text)),
            )
        except ValueError as error:
            raise PliantError(f"not a machine's fingerprint: {error}") from error


def read_fingerprint(root: Path = Path("/"), *, machine: str = "") -> Fingerprint:
    """The fingerprint of this machine now; `root` is where /proc, /sys and /etc are looked for.

    `machine` is the processor's architecture where it is not that of this Python, as for a made-up root.
    """
    cpu, isa = hardware.processor(root)
    cores, gpus = _usable(), hardware.gpus(root)
    # Which of them CUDA may see matters where they differ; else a job that is given another one of its kind would
    # measure anew.
    settings = hardware.settings(root, cores) | (hardware.visible_gpus() if len(set(gpus)) > 1 else {})
    return Fingerprint(
        cpu=cpu or platform.processor(),
        machine=machine or platform.machine(),
        cores=len(cores),
        isa=isa,
        memory=hardware.memory(root),
        system=f"{platform.system()} {platform.release()}",
        board=hardware.board(root),
        settings=_pairs(settings),
        gpus=gpus,
        engines=_engines(),
    )


def usable_cores() -> int:
    """Cores that this process may run on."""
    return len(_usable())


def _usable() -> set[int]:
    if hasattr(os, "sched_getaffinity"):
        return os.sched_getaffinity(0)
    return set(range(os.cpu_count() or 1))


def _pairs(entry: dict[str, Any]) -> Pairs:
    return tuple(sorted((str(key), str(value)) for key, value in entry.items()))


@lru_cache(maxsize=1)
def _engines() -> Pairs:
    # What is installed does not change under a running process that matters: looked up once.
    from importlib import metadata

    found = []
    for name in ENGINES:
        try:
            found.append((name, metadata.version(name)))
        except metadata.PackageNotFoundError:
            continue
    return tuple(found)
