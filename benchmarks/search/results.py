"""The result file, `search-HARDWARE-DATE.json`: one for a machine and a day, which runs on single data sets share.

python -m pliant.benchmarks.search.results FILE ... --results FOLDER        # brings files of one day together
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from pliant import InputError, PliantError
from pliant.devices.writing import write_atomically

from .report import plot

VERSION = 1
Entry = dict[str, Any]
_SAME = ("_version", "hardware", "date", "evaluations")
"""What runs have in common that stand in one file."""


def new_entry(command: str, hardware: str, date: str, evaluations: int) -> Entry:
    """A run before its first row."""
    return {
        "_version": VERSION,
        "command": command,
        "hardware": hardware,
        "date": date,
        "evaluations": evaluations,
        "rows": [],
        "latency": {},
        "quality": {},
    }


def result_path(entry: Entry, folder: Path) -> Path:
    """Where the results of a run's machine and day are."""
    return folder / f"search-{entry['hardware']}-{entry['date']}.json"


def merged(kept: Entry, fresh: Entry) -> Entry:
    """Both runs: a row (data, method, seed) of the fresh one replaces the kept one's, and what it says of its data too.

    The command is all that were run. InputError for runs that cannot be compared.
    """
    for key in _SAME:
        if kept.get(key) != fresh[key]:
            raise InputError(
                f"there are results of {key} {kept.get(key)!r} already, and these are of {fresh[key]!r}: "
                "move them away, or choose another --results"
            )
    rows = {(row["data"], row["method"], row["seed"]): row for row in [*kept["rows"], *fresh["rows"]]}
    names = list(dict.fromkeys(data for data, _, _ in rows))
    commands = dict.fromkeys([*kept["command"].split(" && "), *fresh["command"].split(" && ")])
    return {
        **fresh,
        "command": " && ".join(commands),
        "rows": sorted(rows.values(), key=lambda row: names.index(row["data"])),
        "latency": {**kept["latency"], **fresh["latency"]},
        "quality": {**kept.get("quality", {}), **fresh["quality"]},
    }


def read_results(path: Path) -> Entry:
    """A result file; InputError where it is none."""
    try:
        found = json.loads(path.read_text())
        merged(found, {**found, "quality": {}})
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise InputError(f"{path} is no result of this benchmark: move it away") from error
    return dict(found)


def with_kept(entry: Entry, folder: Path) -> Entry:
    """A run and what its file holds already."""
    path = result_path(entry, folder)
    return merged(read_results(path), entry) if path.exists() else entry


def write_results(entry: Entry, folder: Path) -> Path:
    """Put a run, as far as it is, into its file; returns its path."""
    path = result_path(entry, folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_atomically(path, json.dumps(with_kept(entry, folder), indent=1) + "\n")
    except OSError as error:
        raise PliantError(f"cannot write {path}: {error.strerror}") from error
    return path


def plot_results(path: Path) -> Path:
    """Draw all that a result file holds, beside it; returns the picture's path."""
    picture = path.with_suffix(".png")
    plot(read_results(path), picture)
    return picture


def main() -> int:
    """Bring result files together."""
    parser = argparse.ArgumentParser(prog=f"python -m {__package__}.results", description=__doc__)
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--results", type=Path, default=Path("benchmarks/results"))
    chosen = parser.parse_args()
    try:
        paths = {write_results(read_results(file), chosen.results) for file in chosen.files}
    except PliantError as error:
        print(error, file=sys.stderr)
        return 1
    for path in sorted(paths):
        print(path, plot_results(path), sep="\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
