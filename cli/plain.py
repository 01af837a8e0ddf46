"""Text that may come from a stranger's file, made safe to show: no control character reaches the terminal raw."""

from __future__ import annotations

import json


def printable(text: str) -> str:
    """The text with what is not printable written as an escape (`\\x1b`); line breaks stay.

    Control characters, C1 codes and bidirectional overrides could move the cursor, rename things or reorder a line.
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c == "\n" else c.encode("unicode_escape").decode() for c in text)


def one_line(message: object) -> str:
    """The message on one line, printable."""
    return printable(" ".join(str(message).split()))


def printable_json(value: object) -> str:
    """Indented JSON that keeps letters of any script; what is not printable is escaped, which reads back the same."""
    text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False)
    return "".join(c if c.isprintable() or c == "\n" else json.dumps(c)[1:-1] for c in text)
