"""Measured latencies in a file that several machines share: each finds its own there, and leaves the others' alone."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol

from pliant import InputError, PliantError
from pliant.devices.checked import each, nothing_or, real
from pliant.devices.writing import write_atomically
from pliant.models.space import SubnetConfig
from pliant.search.pace import Timed, at_one_pace, pace_of

VERSION = 2
Entry = dict[str, Any]


class Measure(Protocol):
    """Times subnets; `keep` is given each as soon as it is measured (`pliant.search.latency.timing.Timer`)."""

    def __call__(self, configs: Sequence[SubnetConfig], *, keep: Callable[[SubnetConfig, Timed], None]) -> object:
        """Measure all of them."""
        ...


class StoredTimes:
    """Measured latencies in a file, all at the pace of those that were measured first.

    `measure` times what the file lacks. Its entries are told apart by their `head` (machine, supernet, what was timed
    and how): one whose head says something else counts for nothing, and stays. InputError for a damaged file.
    """

    def __init__(self, path: Path, head: Mapping[str, Any], measure: Measure):
        self._path, self._head, self._measure = path, dict(head), measure
        entries = _entries(path)
        self._others = [entry for entry in entries if not self._mine(entry)]
        mine: Entry = next(filter(self._mine, entries), {"pace": None, "rows": {}})
        self._pace: float | None = mine["pace"]
        self._known: dict[SubnetConfig, Timed] = mine["rows"]

    def __call__(self, configs: Sequence[SubnetConfig]) -> dict[SubnetConfig, float]:
        """Milliseconds of each; what is measured now is in the file as soon as it is."""
        missing = [config for config in dict.fromkeys(configs) if config not in self._known]
        if missing:
            self._measure(missing, keep=self._keep)
            if self._pace is None:
                self._pace = pace_of(self._known.values())
                self._write()
        milliseconds = at_one_pace(self._known, self._pace)
        return {config: milliseconds[config] for config in configs}

    def _mine(self, entry: Entry) -> bool:
        return all(entry.get(key) == value for key, value in self._head.items())

    def _keep(self, config: SubnetConfig, timed: Timed) -> None:
        self._known[config] = timed
        self._write()

    def _write(self) -> None:
        mine = {**self._head, "pace": self._pace, "rows": self._known}
        entries = [{**entry, "rows": _rows(entry["rows"])} for entry in [*self._others, mine]]
        try:
            write_atomically(self._path, json.dumps({"_version": VERSION, "machines": entries}) + "\n")
        except OSError as error:
            raise PliantError(f"cannot write {self._path}: {error.strerror}") from error


def _rows(known: Mapping[SubnetConfig, Timed]) -> list[Entry]:
    return [{"config": config.to_json(), **asdict(timed)} for config, timed in known.items()]


def _entries(path: Path) -> list[Entry]:
    """What each machine measured, `rows` as times by subnet; a file of before there were several is one of them."""
    if not path.exists():
        return []
    try:
        whole = json.loads(path.read_text())
        found = whole.get("machines", [whole])
        return [{**entry, "pace": nothing_or(entry["pace"], real), "rows": _known(entry["rows"])} for entry in found]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, PliantError) as error:
        raise InputError(
            f"{path} is damaged: get it back (git checkout), or move it away to measure its latencies anew"
        ) from error


def _known(rows: Any) -> dict[SubnetConfig, Timed]:
    pairs = each(rows, lambda row: (SubnetConfig.from_json(row["config"]), row))
    return {config: Timed(real(row["milliseconds"]), real(row["pace"])) for config, row in pairs}
