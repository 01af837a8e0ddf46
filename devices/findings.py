"""What the doctor says, one thing at a time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

# What helps where pliant itself cannot run, as on boards before JetPack 6.
EXTRACT = "on another machine: pliant extract MODEL.pliant SUBNET --out SUBNET.onnx"

Level = Literal["ok", "note", "missing", "problem"]


@dataclass(frozen=True)
class Finding:
    """One thing about this machine. `mend` is the command that mends it, empty when nothing is wrong.

    Levels: `ok` works; `note` works, and could be better; `missing` is not installed; `problem` will go wrong.
    """

    level: Level
    what: str
    mend: str = ""
