"""Reading a search's log: what its lines say, or one line on what is wrong with which of them.

A kill can tear the last line only, so a tail without its end is cut off; any other line that cannot be read is damage,
and is named: nothing that was measured is thrown away unasked.
"""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..devices.checked import each, real, text
from ..devices.errors import CheckpointError, PliantError
from ..models.space import SubnetConfig
from ..quantize.assignment import FP32
from ..quantize.policy import Policy
from ..training.evaluation.evaluator import Entry
from .pace import Timed

_OTHER = {"supernet": "another supernet", "images": "other images", "_version": "another version of pliant"}


@dataclass
class Contents:
    """What a log holds: evaluations by precision, latencies by clock and subnet, policies by how they were found."""

    entries: dict[str, list[Entry]] = field(default_factory=dict)
    latencies: dict[tuple[str, SubnetConfig], Timed] = field(default_factory=dict)
    policies: dict[str, tuple[Policy, ...]] = field(default_factory=dict)


def line_of(entry: dict[str, Any]) -> bytes:
    """A line of a log."""
    return (json.dumps(entry) + "\n").encode()


def holds_something(path: Path) -> bool:
    """Whether there is more in a file than a log's first line, which a search that measured nothing leaves."""
    data = path.read_bytes()
    return bool(data) and not (data.count(b"\n") == 1 and data.endswith(b"\n") and b'"pliant search log"' in data)


def read_log(path: Path, header: dict[str, Any]) -> tuple[Contents, int]:
    """What a log says, and how many of its bytes are whole lines.

    Raises CheckpointError for the log of something else, for any other file, and for a line that is damaged.
    """
    data = path.read_bytes()
    whole = data.rfind(b"\n") + 1
    if not whole:
        # A search that was killed at once leaves a part of its own first line; anything else is somebody's file.
        if not line_of(header).startswith(data):
            raise _no_log(path)
        return Contents(), 0
    head, *lines = data[: whole - 1].split(b"\n")
    _check_header(path, head, header)
    found = Contents()
    for number, line in enumerate(lines, 2):
        try:
            _take(found, json.loads(line))
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError, PliantError) as error:
            cut = f"sed -i.bak {number}d {shlex.quote(str(path))}"
            raise CheckpointError(
                f"line {number} of {path} is damaged: `{cut}` takes that line out, and keeps the file as it is in .bak"
            ) from error
    return found, whole


def _take(found: Contents, line: Any) -> None:
    if not isinstance(line, dict):
        raise TypeError("no object")
    if "timed" in line:
        key = (text(line["clock"]), SubnetConfig.from_json(line["config"]))
        found.latencies[key] = Timed(real(line["timed"]["milliseconds"]), real(line["timed"]["pace"]))
    elif "policies" in line:
        found.policies[text(line["how"])] = each(line["policies"], Policy.from_json)
    elif "latency" not in line:  # of before there was a pace: measured anew
        found.entries.setdefault(text(line.get("precision", FP32)), []).append(_entry(line))


def _entry(line: dict[str, Any]) -> Entry:
    table = {str(task): {real(width): real(value) for width, value in rows} for task, rows in line["quality"].items()}
    return each(line["encoder"], real), table


def _check_header(path: Path, line: bytes, header: dict[str, Any]) -> None:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict) or found.get("kind") != header["kind"]:
        raise _no_log(path)
    for key, value in header.items():
        if found.get(key) != value:
            raise CheckpointError(
                f"{path} is the log of {_OTHER.get(key, 'another search')}: remove it, or choose another --out"
            )


def _no_log(path: Path) -> CheckpointError:
    return CheckpointError(f"{path} is not the log of a search: choose another --out")
