"""A file that a text names is there: docstrings and pages outlive the files that they point to."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
NAMED = re.compile(r"(?<![\w/.-])((?:[\w-]+/)*[\w-]+\.py)\b")
THEIRS = {"setup.py", "my_data.py"}
"""Files of users and of other projects."""


def _texts() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "*.py", "*.md"], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("not a git checkout")
    return [ROOT / name for name in listed.stdout.split() if not name.startswith("tests/")]


def _places(text: Path) -> list[Path]:
    """Where the files that a text names may be: at the top, in its room or one around it; a page may show examples."""
    return [ROOT, *text.parents, *([ROOT / "examples"] if text.suffix == ".md" else [])]


def test_every_python_file_that_is_named_exists() -> None:
    missing = [
        f"{text.relative_to(ROOT)} names {name}"
        for text in _texts()
        for name in set(NAMED.findall(text.read_text()))
        if name not in THEIRS and not any((place / name).exists() for place in _places(text))
    ]
    assert not missing, "\n".join(sorted(missing))
