"""Result files: dated, named by the hardware, and with the command that makes them again."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from pliant.devices.fingerprint import read_fingerprint


def hardware_name() -> str:
    """This machine, as it stands in the names of files."""
    machine = read_fingerprint()
    letters = "".join(c if c.isalnum() else "-" for c in machine.cpu.lower()).strip("-")
    return f"{letters}-{machine.cores}-cores"


def save_dated(name: str, folder: Path, command: str, entry: dict[str, Any]) -> Path:
    """Write `<name>-<hardware>-<date>.json` into `folder`; returns its path."""
    date = time.strftime("%Y-%m-%d")
    path = folder / f"{name}-{hardware_name()}-{date}.json"
    origin = {"_version": 1, "command": command, "hardware": read_fingerprint().to_json(), "date": date}
    folder.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({**origin, **entry}, indent=1) + "\n")
    return path
