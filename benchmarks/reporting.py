"""What reports of benchmarks share: a line of a Markdown table, and the command that reads a result file."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

Entry = dict[str, Any]


def table_line(cells: list[str]) -> str:
    """A row of a Markdown table."""
    return f"| {' | '.join(cells)} |"


def read_and_report(what: str, tables: Callable[[Entry], str], plot: Callable[[Entry, Path], None]) -> int:
    """Print the tables of a result file, and draw its plot where that is asked for."""
    parser = argparse.ArgumentParser(description=f"Tables and plots of a {what} benchmark's result file.")
    parser.add_argument("result", type=Path)
    parser.add_argument("--plot", type=Path, metavar="PNG")
    chosen = parser.parse_args()
    entry = json.loads(chosen.result.read_text())
    print(tables(entry), end="")
    if chosen.plot:
        plot(entry, chosen.plot)
    return 0
