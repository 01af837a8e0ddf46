"""A disk that is full says which file there was no room for, and the old one stays."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

# A limit on the size of files, in place of a full disk: the kernel's error names no file either.
FULL = """
import resource, sys
from pathlib import Path
from pliant.devices.writing import write_atomically
resource.setrlimit(resource.RLIMIT_FSIZE, (300, 300))
write_atomically(Path(sys.argv[1]), "x" * 5000)
"""


def test_a_full_disk_names_the_file_that_there_is_no_room_for(tmp_path: Path) -> None:
    pytest.importorskip("resource")
    path = tmp_path / "profile.json"
    path.write_text("old")
    done = subprocess.run([sys.executable, "-c", FULL, str(path)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert done.stderr.rstrip().endswith(f"File too large: '{path}'")
    assert [each.name for each in tmp_path.iterdir()] == [path.name]
    assert path.read_text() == "old"
