"""What `pliant profile --remote` takes for a board, what it sends there, and the program that runs there."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest
import tomllib

from pliant import BudgetError
from pliant.cli import on_board
from pliant.cli.board import BOOT, Board
from pliant.cli.remote_profile import BASE, CPU, runtime_half

from .conftest import Terminal
from .sshd import until


def test_what_is_sent_is_the_runtime_half_and_small() -> None:
    packed = runtime_half()
    assert len(packed) < 300_000
    names = zipfile.ZipFile(io.BytesIO(packed)).namelist()
    assert {name.split("/")[1] for name in names} == {"__init__.py", "runtime", "devices"}
    assert {"pliant/runtime/planning/profiling.py", "pliant/devices/boards/jetson-orin-nano.json"} <= set(names)
    assert not any("sample" in name or "__pycache__" in name for name in names)


def test_what_a_board_needs_is_what_the_package_asks_for(checkout: Path) -> None:
    project = tomllib.loads((checkout / "pyproject.toml").read_text())["project"]
    asked = {*project["dependencies"], *project["optional-dependencies"]["cpu"]}
    assert {f"{names[0]}>={least}" for _, names, least in (*BASE, CPU)} <= asked


def test_an_old_python_says_so_before_anything_else() -> None:
    """The first line that a Python gets there: by those that are installed here, and one that takes itself for old."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    found = [*pyenv.glob("2.7*/bin/python"), *pyenv.glob("3.[6-9].*/bin/python")]
    commands = {str(python): BOOT for python in found}
    commands[sys.executable] = (
        f"import sys; sys.version_info = (3, 8); sys.version = '3.8.10 (default)'; exec({BOOT!r})"
    )
    for python, code in commands.items():
        done = subprocess.run([python, "-c", code], capture_output=True, text=True, timeout=60, check=False)
        assert (done.returncode, done.stdout) == (1, ""), python
        assert re.fullmatch(r"Python [23][.]\d+[.]\d+\n", done.stderr), python


def test_what_is_missing_is_named_with_its_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    needed = [("numpy", ["numpy"], "1.26"), ("no_such", ["no-such", "other"], "2.0"), ("numpy", ["numpy"], "99.1")]
    monkeypatch.setattr(sysconfig, "get_path", lambda _: str(tmp_path))
    wanted = "no-such>=2.0' 'numpy>=99.1'"
    assert on_board.lacking(needed[:1], "python3") == ""
    said = on_board.lacking(needed, "my python")
    assert said.endswith(f"run there `'my python' -m pip install '{wanted}`")
    (tmp_path / "EXTERNALLY-MANAGED").touch()
    assert on_board.lacking(needed, "my python") == said, "a virtual environment is nobody else's"
    monkeypatch.setattr(sys, "prefix", sys.base_prefix)
    managed = on_board.lacking(needed, "python3")
    assert f"python3 -m venv --system-site-packages ~/pliant && ~/pliant/bin/pip install '{wanted}" in managed
    assert managed.endswith("add --remote-python pliant/bin/python here")


def _asked(**changed: object) -> str:
    request = {"python": "python3", "needed": [], "room": 1, "files": [], "how": {}, "own_cache": True}
    return json.dumps({**request, **changed})


def _on_board(given: str, silence: float = 60.0, **environ: str) -> subprocess.Popen[bytes]:
    source = Path(on_board.__file__).read_text()
    command = [sys.executable, "-c", f"{source}\nSILENCE = {silence}\nsys.exit(main({given!r}))"]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdin=pipe, stdout=pipe, env={**os.environ, **environ})


def test_no_room_is_said_before_anything_is_sent(tmp_path: Path) -> None:
    with _on_board(_asked(room=1 << 62), TMPDIR=str(tmp_path)) as child:
        out, _ = child.communicate(timeout=60)
    assert child.returncode == 1
    assert re.search(rb'pliant problem "it has no room: \d+ MB are needed in ', out), out
    assert str(tmp_path) in out.decode()


def test_a_board_that_is_left_in_the_middle_of_a_file_removes_what_it_has(tmp_path: Path) -> None:
    with _on_board(_asked(files=[["pliant.zip", 1000]]), TMPDIR=str(tmp_path)) as child:
        assert child.stdin
        child.stdin.write(b"x" * 500)
        child.stdin.flush()
        until(lambda: list(tmp_path.glob("pliant-*/pliant.zip")), "a file there")
        child.communicate(timeout=60)
    assert child.returncode == 1
    assert list(tmp_path.iterdir()) == []


def test_silence_is_as_good_as_an_end(tmp_path: Path) -> None:
    with _on_board(_asked(files=[["pliant.zip", 1000]]), silence=0.5, TMPDIR=str(tmp_path)) as child:
        assert child.wait(60) == 1, "stdin is open all the while"
    assert list(tmp_path.iterdir()) == []


WRONG = ["-oProxyCommand=true", "-o@host", "user@-host", "user@", "@host", "user@host:", "host:0", "host:99999"]
WRONG += ["host:-1", "user@ho`st", "user@$(id)", "us;er@host", "user@fe80::1", "user@[host]", "ssh://host"]


@pytest.mark.parametrize("address", ["", "a b@host", "user@host\n", *WRONG])
def test_an_address_that_ssh_could_take_for_something_else(pliant: Terminal, suite: Path, address: str) -> None:
    with pytest.raises(BudgetError, match="is no "):
        Board.parse(address)
    said = pliant("profile", suite, f"--remote={address}", "--out", "x.json")
    assert said.code == 2
    assert len(said.err.splitlines()) == 1


def test_addresses() -> None:
    assert Board.parse("nvidia@orin") == Board("orin", "nvidia")
    assert Board.parse("orin:2222") == Board("orin", port=2222)
    assert Board.parse("pi@[fe80::1%eth0]:22", "~/pliant/bin/python") == Board(
        "fe80::1%eth0", "pi", 22, "pliant/bin/python"
    )
    assert str(Board.parse("pi@10.0.0.7:22")) == "pi@10.0.0.7, port 22"


@pytest.mark.parametrize("python", ["", "~/", "python\n3"])
def test_a_python_without_a_name(python: str) -> None:
    with pytest.raises(BudgetError, match="--remote-python"):
        Board.parse("orin", python)


def test_a_python_for_no_board(pliant: Terminal, suite: Path) -> None:
    said = pliant("profile", suite, "--remote-python", "python3.12", "--out", "x.json")
    assert said.code == 2
    assert "goes with --remote" in said.err


def test_a_wrong_request_is_found_here(pliant: Terminal, suite: Path) -> None:
    for wrong, word in ((("--tasks", "sound"), "sound"), (("--provider", "abacus"), "abacus")):
        said = pliant("profile", suite, "--remote", "nobody@no-such-board.invalid", "--out", "x.json", *wrong)
        assert said.code == 2
        assert word in said.err
