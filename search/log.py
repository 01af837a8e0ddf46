"""The log of what a search found, quality, latency and precisions: JSON lines, each written whole.

A search that was killed goes on from it.

The first line says which supernet, images and kind of table the rest belongs to; a log of anything else is refused.
A kill can tear the last line only; a torn line is cut off when the log is opened again.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ..devices.errors import CheckpointError, PliantError
from ..models.space import SubnetConfig
from ..quantize.policy import Policy
from ..training.evaluator import Encoder, Entry, Table
from .pace import Timed

VERSION = 1
FP32 = "fp32"
_OTHER = {"supernet": "another supernet", "images": "other images", "_version": "another version of pliant"}


class EvaluationLog:
    """An open log; `entries` are those it held when it was opened, `by_precision` those of other precisions than fp32.

    `latencies` are those of subnets, by the clock that measured them (a name that says all that matters to it), and
    `policies` the precisions worth searching among, by how they were found.

    Raises CheckpointError when `resume` finds the log of another supernet, other images, or no log at all in the file,
    and without `resume` when there is anything in it: evaluations are the costly part of a search.
    """

    def __init__(self, path: Path, identity: dict[str, str], *, resume: bool = False):
        self.path = path
        header = {"_version": VERSION, "kind": "pliant search log", **identity}
        self.entries: list[Entry] = []
        self.by_precision: dict[str, list[Entry]] = {}
        self.latencies: dict[tuple[str, SubnetConfig], Timed] = {}
        self.policies: dict[str, tuple[Policy, ...]] = {}
        whole = 0
        if resume and path.exists():
            lines, whole = _read(path, header)
            self._take(lines)
        elif path.exists() and _holds_something(path):
            raise CheckpointError(f"{path} holds a search already: go on with --resume, or choose another --out")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("r+b" if whole else "wb")
            self._file.truncate(whole)
            self._file.seek(whole)
        except OSError as error:
            raise PliantError(f"cannot write {path}: {error.strerror}") from error
        if not whole:
            self._write(header)

    def append(self, encoder: Encoder, table: Table, precision: str = FP32) -> None:
        """Add an evaluation; on the disk when this returns."""
        rows = {task: [[width, value] for width, value in row.items()] for task, row in table.items()}
        said = {} if precision == FP32 else {"precision": precision}
        self._write({"encoder": list(encoder), **said, "quality": rows})

    def append_latency(self, clock: str, config: SubnetConfig, timed: Timed) -> None:
        """Add a measured latency; on the disk when this returns."""
        self.latencies[clock, config] = timed
        self._write({"clock": clock, "config": config.to_json(), "timed": asdict(timed)})

    def append_policies(self, how: str, policies: Sequence[Policy]) -> None:
        """Add the policies that were found in some way; on the disk when this returns."""
        self.policies[how] = tuple(policies)
        self._write({"how": how, "policies": [policy.to_json() for policy in policies]})

    def _take(self, lines: list[dict[str, Any]]) -> None:
        """Keep what the lines of a log say."""
        try:
            for line in lines:
                if "timed" in line:
                    key = (str(line["clock"]), SubnetConfig.from_json(line["config"]))
                    self.latencies[key] = Timed(float(line["timed"]["milliseconds"]), float(line["timed"]["pace"]))
                elif "policies" in line:
                    self.policies[str(line["how"])] = tuple(Policy.from_json(each) for each in line["policies"])
                elif "latency" in line:  # of before there was a pace: measured anew
                    continue
                else:
                    self.by_precision.setdefault(str(line.get("precision", FP32)), []).append(_entry(line))
        except (ValueError, KeyError, TypeError, AttributeError, PliantError) as error:
            raise CheckpointError(f"{self.path} is damaged: remove it and search again") from error
        self.entries = self.by_precision.pop(FP32, [])

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _write(self, entry: dict[str, Any]) -> None:
        try:
            self._file.write((json.dumps(entry) + "\n").encode())
            self._file.flush()
            os.fsync(self._file.fileno())
        except OSError as error:
            raise PliantError(f"cannot write {self.path}: {error.strerror}") from error


def _holds_something(path: Path) -> bool:
    """Whether there is more in a file than a log's first line, which a search that measured nothing leaves."""
    data = path.read_bytes()
    return bool(data) and not (data.count(b"\n") == 1 and data.endswith(b"\n") and b'"pliant search log"' in data)


def _read(path: Path, header: dict[str, Any]) -> tuple[list[dict[str, Any]], int]:
    """The lines of a log after its header, and how many of its bytes are whole ones."""
    data = path.read_bytes()
    whole = data.rfind(b"\n") + 1
    if not whole:
        return [], 0
    lines = data[:whole].splitlines()
    _check_header(path, lines[0], header)
    try:
        return [json.loads(line) for line in lines[1:]], whole
    except ValueError as error:
        raise CheckpointError(f"{path} is damaged: remove it and search again") from error


def _check_header(path: Path, line: bytes, header: dict[str, Any]) -> None:
    try:
        found = json.loads(line)
    except ValueError:
        found = None
    if not isinstance(found, dict) or found.get("kind") != header["kind"]:
        raise CheckpointError(f"{path} is not the log of a search: choose another --out")
    for key, value in header.items():
        if found.get(key) != value:
            raise CheckpointError(
                f"{path} is the log of {_OTHER.get(key, 'another search')}: remove it, or choose another --out"
            )


def _entry(line: dict[str, Any]) -> Entry:
    table = {str(task): {float(width): float(value) for width, value in rows} for task, rows in line["quality"].items()}
    return tuple(float(width) for width in line["encoder"]), table
