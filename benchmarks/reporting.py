"""What reports of benchmarks share: tables in Markdown, put into a page of docs/, and the command that does so."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pliant.devices.writing import write_atomically

Entry = dict[str, Any]


def table(head: list[str], rows: list[list[str]]) -> str:
    """A Markdown table."""
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (head, ["---"] * len(head), *rows))


def check_page(page: Path, part: str) -> tuple[str, str]:
    """What stands before and after a part's place in a page; ValueError where it has not just one pair of markers."""
    begin, end = f"<!-- {part}: begin -->\n", f"<!-- {part}: end -->"
    found = page.read_text()
    if found.count(begin) != 1 or found.count(end) != 1:
        raise ValueError(f"{page} has not the markers of {part}: {begin.strip()} and {end}")
    return found[: found.index(begin) + len(begin)], found[found.index(end) :]


def put(page: Path, part: str, text: str) -> None:
    """Replace what stands between a part's markers in a page; ValueError as `check_page`."""
    before, after = check_page(page, part)
    write_atomically(page, f"{before}{text.rstrip()}\n{after}")


def put_report(page: Path, what: str, result: Path, tables: Callable[[Entry], str]) -> None:
    """Put a result file's picture, its name and its tables between the page's markers of `what`."""
    place = Path(os.path.relpath(result, page.parent)).as_posix()
    picture = place.removesuffix(".json") + ".png"
    found = tables(json.loads(result.read_text()))
    put(page, what, f"![the {what} benchmark]({picture})\n\n[`{result.name}`]({place}): {found}")


def read_and_report(what: str, tables: Callable[[Entry], str], plot: Callable[[Entry, Path], None]) -> int:
    """Print the tables of a result file, or put them into a page; draw its plot where that is asked for."""
    parser = argparse.ArgumentParser(description=f"Tables and plots of a {what} benchmark's result file.")
    parser.add_argument("result", type=Path)
    parser.add_argument("--plot", type=Path, metavar="PNG")
    parser.add_argument("--docs", type=Path, metavar="PAGE", help=f"a page with markers of {what}, instead of printing")
    chosen = parser.parse_args()
    entry = json.loads(chosen.result.read_text())
    if chosen.docs:
        put_report(chosen.docs, what, chosen.result, tables)
    else:
        print(tables(entry), end="")
    if chosen.plot:
        plot(entry, chosen.plot)
    return 0
