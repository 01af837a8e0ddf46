"""Files by which Linux tells about a machine: all are read here, below a root that tests can make up."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path


def read_text(path: Path) -> str:
    """The file's text, stripped of blanks and NULs; empty where it cannot be read."""
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip("\0 \t\r\n")
    except (OSError, ValueError):
        return ""


def read_number(path: Path) -> int | None:
    """The whole number that the file holds, or None."""
    found = read_text(path)
    return int(found) if found.lstrip("-").isdigit() else None


def matching(folder: Path, pattern: str) -> list[Path]:
    """The paths below a folder that match a pattern, sorted; none where the folder cannot be read."""
    try:
        return sorted(folder.glob(pattern))
    except OSError:
        return []


def distinct(folder: Path, pattern: str, keep: Callable[[Path], bool] = lambda _: True) -> str:
    """The distinct texts of the files that match, in ascending order, joined by `/`."""
    return "/".join(sorted({found for path in matching(folder, pattern) if keep(path) and (found := read_text(path))}))
