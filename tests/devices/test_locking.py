"""A folder is one process's while that lives, and nobody's once it was killed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pliant.devices.locking import LOCKS, lock_at_once, locked_folder

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


FORK = """
import os, sys
from pathlib import Path
from pliant.devices.locking import locked, locked_folder
folder, path, who = sys.argv[1:]
with locked_folder(Path(folder)), open(path, "a") as file, locked(file):
    child = os.fork()
    if child and who == "child":
        os.waitpid(child, 0)
        print("ready", flush=True)
        sys.stdin.read()
    if not child and who == "parent":
        sys.stdin.read()
if not child:
    os._exit(0)
if who == "parent":
    print("ready", flush=True)
    os.waitpid(child, 0)
"""


@pytest.mark.skipif(not LOCKS or not hasattr(os, "fork"), reason="this system has no locks, or no forks")
@pytest.mark.parametrize("who", ["parent", "child"])
def test_a_lock_is_given_back_by_whoever_took_it_and_not_by_its_forked_child(tmp_path: Path, who: str) -> None:
    folder, path = tmp_path / "folder", tmp_path / "file"
    folder.mkdir()
    command = [sys.executable, "-c", FORK, str(folder), str(path), who]  # `who` leaves the block, the other stays in it
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "ready\n"
        with locked_folder(folder) as mine, open(path, encoding="utf-8") as file:
            assert (mine, lock_at_once(file)) == (who == "parent", who == "parent")
        other.communicate(timeout=30)
    assert other.returncode == 0
