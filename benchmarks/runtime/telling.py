"""How far a part is: one line that is overwritten on a terminal, lines elsewhere."""

from __future__ import annotations

import sys


def tell(text: str) -> None:
    """Say it on stderr."""
    start, end = ("\r\x1b[K", "") if sys.stderr.isatty() else ("", "\n")
    print(f"{start}{text}", end=end, file=sys.stderr, flush=True)
