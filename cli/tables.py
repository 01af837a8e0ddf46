"""Numbers for people (units, tables) and for programs (JSON alone on stdout)."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Literal

from .plain import printable, printable_json

if TYPE_CHECKING:
    from ..runtime.format.tasks import Task

_WIDE = 400


def print_json(value: Any) -> None:
    """Print one JSON document on stdout; a number that does not exist (NaN, infinity) is null."""
    print(printable_json(_finite(value)))


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


# Columns whose cells may be folded at a space where the terminal is narrow, read from the left.
_FOLDED = frozenset({"what", "encoder", "decoders", "best for", "labelled"})


def print_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print a table on stdout: words to the left, numbers to the right."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 0, 0, 1))
    for index, name in enumerate(columns):
        words = index == 0 or name in _FOLDED
        justify: Literal["left", "right"] = "left" if words else "right"
        # Names come from suites: as plain strings rich would read their brackets as markup.
        table.add_column(Text(printable(name)), justify=justify, overflow="fold", no_wrap=name not in _FOLDED)
    for row in rows:
        table.add_row(*(Text(printable(cell)) for cell in row))
    _print(table)


def macs(value: float) -> str:
    """Multiply-adds: `1.82 G`."""
    return _scaled(value, ((1e9, " G"), (1e6, " M"), (1e3, " k")))


def size(value: float) -> str:
    """Bytes: `11.7 MB`."""
    return _scaled(value, ((1e9, " GB"), (1e6, " MB"), (1e3, " kB"), (1, " B")))


def milliseconds(value: float | None) -> str:
    """Milliseconds with three significant digits; a dash where there were too few runs to tell."""
    return "-" if value is None else _digits(value)


def quality(value: float) -> str:
    """A metric's value, four digits of it."""
    return f"{value:.3f}" if abs(value) < 10 else f"{value:.1f}"


def quality_head(task: Task) -> str:
    """Column head of a task's quality, in two narrow lines; the arrow says which way is better."""
    name = task.name if len(task.name) <= 8 else f"{task.name[:7]}."
    return f"{name}\n{task.metric} {'↑' if task.higher_is_better else '↓'}"


def _scaled(value: float, units: tuple[tuple[float, str], ...]) -> str:
    for scale, unit in units:
        if abs(value) >= scale:
            return f"{_digits(value / scale)}{unit}"
    return f"{_digits(value)}"


def _digits(value: float) -> str:
    whole = len(str(int(abs(value)))) if abs(value) >= 1 else 0
    return f"{value:.{max(0, 3 - whole)}f}"


def print_lines(lines: Iterable[tuple[str, str]]) -> None:
    """Print (word, text) lines on stdout, the texts aligned and folded at the terminal's width."""
    from rich.table import Table
    from rich.text import Text

    grid = Table.grid(padding=(0, 2))
    for word, text in lines:
        grid.add_row(Text(printable(word)), Text(printable(text)))
    _print(grid)


def print_folded(line: str) -> None:
    """Print a line on stdout; what a narrow terminal has no room for goes under the text after the first word."""
    import re
    import shutil
    import textwrap

    line = printable(line)
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else _WIDE
    head = re.match(r"\s*\S+\s{2,}|\s*", line)
    indent = " " * min(head.end() if head else 0, width // 2)
    print("\n".join(textwrap.wrap(line, width, subsequent_indent=indent, break_on_hyphens=False)) or line)


def _print(drawn: Any) -> None:
    from rich.console import Console

    # A pipe or a file has no width: nothing is folded there.
    console = Console(width=None if sys.stdout.isatty() else _WIDE, highlight=False)
    with console.capture() as captured:
        console.print(drawn)
    print("\n".join(line.rstrip() for line in captured.get().strip("\n").splitlines()))
