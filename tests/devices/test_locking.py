"""A folder is one process's while that lives, and nobody's once it was killed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from pliant.devices.locking import LOCKS, locked_folder

HOLD = """
import sys
from pathlib import Path
from pliant.devices.locking import locked_folder
with locked_folder(Path(sys.argv[1])) as mine:
    print(mine, flush=True)
    sys.stdin.read()
"""


@pytest.mark.skipif(not LOCKS, reason="this system has no locks")
def test_a_killed_process_gives_its_folder_back(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "True\n"
        with locked_folder(tmp_path) as mine:
            assert not mine
        other.kill()
        other.wait(30)
        with locked_folder(tmp_path) as mine:
            assert mine
    assert list(tmp_path.iterdir()) == []
