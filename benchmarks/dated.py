"""Result files: dated, named by the hardware, and with the command that makes them again."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from pliant.devices.fingerprint import read_fingerprint


def save_dated(name: str, folder: Path, command: str, entry: dict[str, Any]) -> Path:
    """Write `<name>-<hardware>-<date>.json` into `folder`; returns its path."""
    machine, date = read_fingerprint(), time.strftime("%Y-%m-%d")
    letters = "".join(c if c.isalnum() else "-" for c in machine.cpu.lower()).strip("-")
    path = folder / f"{name}-{letters}-{machine.cores}-cores-{date}.json"
    origin = {"_version": 1, "command": command, "hardware": machine.to_json(), "date": date}
    folder.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({**origin, **entry}, indent=1) + "\n")
    return path
