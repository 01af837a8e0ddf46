"""Result files: dated, named by the hardware, and with the command that makes them again."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from pliant.devices.fingerprint import read_fingerprint


def hardware_name(*, gpu: bool = False) -> str:
    """This machine, as it stands in the names of files; its graphics processor where that did the work."""
    machine = read_fingerprint()
    if gpu and machine.gpus:
        return _letters(machine.gpus[0].split(",")[0])
    # One name of a processor may be several machines: on those with AVX-512 a network ends elsewhere.
    vectors = next((f"-{each}" for each in ("avx512", "avx2") if each in machine.isa), "")
    return f"{_letters(machine.cpu)}-{machine.cores}-cores{vectors}"


def _letters(name: str) -> str:
    return "".join(c if c.isalnum() else "-" for c in name.lower()).strip("-")


def save_dated(name: str, folder: Path, command: str, entry: dict[str, Any], *, gpu: bool = False) -> Path:
    """Write `<name>-<hardware>-<date>.json` into `folder`; returns its path. `gpu` where one did the work."""
    date = time.strftime("%Y-%m-%d")
    path = folder / f"{name}-{hardware_name(gpu=gpu)}-{date}.json"
    origin = {"_version": 1, "command": command, "hardware": read_fingerprint().to_json(), "date": date}
    folder.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({**origin, **entry}, indent=1) + "\n")
    return path
