"""`make bench-runtime` and `make soak`: one part, then its dated result and, where asked for, its table in the page."""

from __future__ import annotations

import argparse
import shlex
import signal
import sys
from pathlib import Path

from pliant import PliantError

from ..dated import save_dated
from . import budgets, overhead, soak, switching
from .report import TABLES, report

PARTS = {"budgets": budgets, "overhead": overhead, "switching": switching, "soak": soak}


def main() -> int:
    """1 where the suite cannot be used or a promise of the soak was broken, 130 where nothing was measured yet."""
    chosen = _parser().parse_args()
    # Whoever stops a soak wants what there is.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        entry = PARTS[chosen.part].run(chosen)
    except PliantError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    path = save_dated(f"runtime-{chosen.part}", chosen.out, _command(chosen), entry)
    print(file=sys.stderr)
    print(TABLES[chosen.part](entry))
    print(path, file=sys.stderr)
    if chosen.docs:
        report(chosen.docs, path)
    return 1 if entry.get("failed") else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, prog="python -m pliant.benchmarks.runtime")
    parts = parser.add_subparsers(dest="part", required=True, metavar="PART")
    for name, module in PARTS.items():
        part = parts.add_parser(name, help=(module.__doc__ or "").splitlines()[0], description=module.__doc__)
        part.add_argument("--suite", type=Path, default=Path("runtime/sample/sample.pliant"))
        part.add_argument("--out", type=Path, default=Path("out/bench"))
        part.add_argument("--docs", type=Path, help="a page that gets the table, between its markers")
        module.options(part)
    return parser


def _command(chosen: argparse.Namespace) -> str:
    """What measures the same again: without places, which differ from machine to machine."""
    places = ("part", "suite", "out", "docs")
    asked = {name: value for name, value in vars(chosen).items() if name not in places}
    words = [word for name, value in asked.items() for word in (f"--{name}", str(value))]
    return f"python -m {__package__} {chosen.part} --suite {chosen.suite.name} {shlex.join(words)}"


if __name__ == "__main__":
    raise SystemExit(main())
