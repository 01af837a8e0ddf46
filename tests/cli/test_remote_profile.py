"""`pliant profile --remote`, against a real sshd on this machine and a Python that has what a board needs, no more."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import pliant as package
from pliant.cli.board import Board, Connection
from pliant.cli.sample import SAMPLE_SUITE
from pliant.devices.fingerprint import read_fingerprint
from pliant.devices.profile import read_profile

from . import sshd
from .conftest import Said, Terminal
from .sshd import Sshd, until

Program = Callable[..., "subprocess.Popen[bytes]"]
ENGINE = ("onnxruntime", "flatbuffers", "packaging", "google")  # and what onnxruntime imports


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    if reason := sshd.missing():
        pytest.skip(reason)
    board = sshd.start(tmp_path_factory.mktemp("sshd"))
    yield board
    board.process.terminate()
    board.process.wait(10)


@pytest.fixture
def board(running: Sshd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Sshd:
    """The board, for an `ssh` that is told nothing but the test's configuration; skips where it lets nobody in."""
    real, config = shutil.which("ssh", path=os.environ["PATH"] + sshd.PROGRAMS), running.folder / "ssh_config"
    sshd.write_client(running.folder, running.folder / "user")
    probe = [str(real), "-F", str(config), "-o", "BatchMode=yes", "-p", str(running.port), "127.0.0.1", "true"]
    done = subprocess.run(probe, capture_output=True, text=True, timeout=60, check=False, stdin=subprocess.DEVNULL)
    if done.returncode:
        pytest.skip(f"this machine's sshd lets its own user not in: {done.stderr.strip()}")
    wrapper = tmp_path / "programs" / "ssh"
    wrapper.parent.mkdir()
    wrapper.write_text(f'#!/bin/sh\nexec {real} -F {config} "$@"\n')
    wrapper.chmod(0o755)
    monkeypatch.setenv("PATH", f"{wrapper.parent}:{os.environ['PATH']}")
    return running


def _python(folder: Path, *packages: str) -> Path:
    """A virtual environment with nothing but those of this environment's packages."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True, timeout=120)
    base = {"base": str(folder), "platbase": str(folder)}
    there, here = Path(sysconfig.get_path("purelib", vars=base)), Path(sysconfig.get_path("purelib"))
    for entry in here.iterdir():
        if re.split(r"[-.]", entry.name)[0] in packages:
            (there / entry.name).symlink_to(entry)
    return folder / "bin" / "python"


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A board's Python: no pliant, no terminal's packages; its folder's name has a space and a quote."""
    return _python(tmp_path_factory.mktemp("a board's"), "numpy", "safetensors", *ENGINE)


def test_a_profile_comes_back(
    pliant: Terminal, board: Sshd, python: Path, tmp_path: Path, own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    named = tmp_path / 'it\'s a $(touch owned) "suite"; -x.pliant'
    shutil.copy(SAMPLE_SUITE, named)
    options = ("--tasks", "depth,edges", "--threads", "1", "--seconds", "0.02", "--out", "board.json")
    monkeypatch.setenv("PLIANT_CACHE", str(tmp_path / "nothing here"))
    said = pliant("profile", named, "--remote", board.address, "--remote-python", python, *options)
    assert said.code == 0, said.err
    profile = read_profile(tmp_path / "board.json")
    with package.open_suite(SAMPLE_SUITE) as suite:
        assert {subnet.graphs["onnxruntime"].sha256 for subnet in suite.subnets} == set(profile.graphs)
    assert len(profile.latency) == len(profile.memory) == len(profile.graphs) == 10
    assert all(key.endswith("/cpu/1/depth,edges") for key in profile.latency)
    assert profile.fingerprint.cpu == read_fingerprint().cpu
    assert f"fingerprint {profile.fingerprint.digest[:12]}" in said.out
    assert board.left() == []
    assert not (tmp_path / "nothing here").exists(), "what is measured on a board is not kept for plans here"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["board.json", named.name, "programs"]


def test_json_is_the_profile(pliant: Terminal, board: Sshd, python: Path, suite: Path, tmp_path: Path) -> None:
    options = ("--seconds", "0", "--json", "--out", "board.json")
    said = pliant("profile", suite, "--remote", board.address, "--remote-python", python, *options)
    assert said.code == 0, said.err
    assert json.loads(said.out) == json.loads((tmp_path / "board.json").read_text())


def _fails(said: Said, *words: str) -> None:
    assert (said.code, said.out) == (1, "")
    *before, line = said.err.splitlines()
    assert all(each.startswith("measuring on") for each in before), said.err
    assert all(word in line for word in words), line


def test_a_board_without_an_engine_is_told_the_command(
    pliant: Terminal, board: Sshd, suite: Path, tmp_path: Path
) -> None:
    python = _python(tmp_path / "poor", "numpy", "safetensors")
    said = pliant("profile", suite, "--remote", board.address, "--remote-python", python, "--out", "x.json")
    _fails(said, "it has no onnxruntime>=1.23", f"{python} -m pip install 'onnxruntime>=1.23'")
    assert not (tmp_path / "x.json").exists()
    assert board.left() == []


@pytest.mark.parametrize(
    ("program", "words"),
    [
        (None, ("cannot run", "--remote-python")),
        ("#!/bin/sh\necho >&2 Python 3.8.10; exit 1\n", ("is 3.8.10, pliant needs 3.10",)),
        ("#!/bin/sh\necho >&2 some library is broken; exit 1\n", ("some library is broken",)),
    ],
    ids=["none", "old", "broken"],
)
def test_a_python_that_does_not_do(
    pliant: Terminal, board: Sshd, suite: Path, tmp_path: Path, program: str | None, words: tuple[str, ...]
) -> None:
    python = tmp_path / "python"
    if program:
        python.write_text(program)
        python.chmod(0o755)
    said = pliant("profile", suite, "--remote", board.address, "--remote-python", python, "--out", "x.json")
    _fails(said, board.address.split(":")[0], *words)


def test_a_wrong_port(pliant: Terminal, board: Sshd, suite: Path) -> None:
    said = pliant("profile", suite, "--remote", "somebody@127.0.0.1:1", "--out", "x.json")
    _fails(said, "somebody@127.0.0.1, port 1: nothing answers there")


def test_a_wrong_key(pliant: Terminal, board: Sshd, suite: Path) -> None:
    sshd.write_client(board.folder, board.folder / "stranger")
    said = pliant("profile", suite, "--remote", board.address, "--out", "x.json")
    _fails(said, "none of the keys", f"ssh-copy-id -p {board.port} ")


def test_an_unknown_host_key(pliant: Terminal, board: Sshd, suite: Path) -> None:
    sshd.write_client(board.folder, board.folder / "user", known="nobody")
    said = pliant("profile", suite, "--remote", board.address, "--out", "x.json")
    _fails(said, "host key is not known", f"ssh -p {board.port} ")


def test_a_name_that_is_none(pliant: Terminal, board: Sshd, suite: Path) -> None:
    said = pliant("profile", suite, "--remote", "no-such-board.invalid", "--out", "x.json")
    _fails(said, "no-such-board.invalid: there is no host of that name")


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("raise RuntimeError('the driver is too old')", ("failed", "the driver is too old")),
        ("import os; os.kill(os.getpid(), 9)", ("killed by signal 9", "memory")),
    ],
    ids=["raises", "killed"],
)
def test_a_run_that_fails_there(
    pliant: Terminal, board: Sshd, suite: Path, tmp_path: Path, line: str, words: tuple[str, ...]
) -> None:
    """An engine that is installed there and does not start."""
    poor = _python(tmp_path / "broken", "numpy", "safetensors")
    folder = next((tmp_path / "broken").glob("lib/python*/site-packages"))
    (folder / "onnxruntime.py").write_text(f"{line}\n")
    said = pliant("profile", suite, "--remote", board.address, "--remote-python", poor, "--out", "x.json")
    _fails(said, *words)
    assert board.left() == []


def _measuring(program: Program, board: Sshd, python: Path, suite: Path) -> subprocess.Popen[bytes]:
    """A long run, once it measures there."""
    there = ("--remote", board.address, "--remote-python", python)
    child = program("profile", suite, *there, "--seconds", "600", "--threads", "1", "--out", "x.json")
    until(lambda: list(board.temporary.glob("pliant-*/cache")) or child.poll() is not None, "measuring there")
    assert child.poll() is None, child.communicate()
    return child


def _alone(board: Sshd) -> bool:
    """Whether no process is left in what was the board's folder, and no folder."""
    inside = [link for link in Path("/proc").glob("[0-9]*/cwd") if str(board.temporary) in _target(link)]
    return not inside and not board.left()


def _target(link: Path) -> str:
    try:
        return os.readlink(link)
    except OSError:
        return ""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_interrupted_nothing_stays_there(
    program: Program, board: Sshd, python: Path, suite: Path, tmp_path: Path, number: signal.Signals
) -> None:
    child = _measuring(program, board, python, suite)
    if number == signal.SIGINT:
        os.killpg(child.pid, number)  # as a terminal does: ssh gets it too
    else:
        child.send_signal(number)
    _, err = child.communicate(timeout=60)
    if number == signal.SIGINT:
        assert child.returncode == 130
        assert err.decode().splitlines()[-1] == "interrupted"
        assert _alone(board), "it waits until the board has tidied up"
    until(lambda: _alone(board), "the board tidies up")
    assert not (tmp_path / "x.json").exists()


def test_a_lost_connection(program: Program, board: Sshd, python: Path, suite: Path) -> None:
    child = _measuring(program, board, python, suite)
    for number in board.sessions():
        os.kill(number, signal.SIGKILL)
    _, err = child.communicate(timeout=60)
    assert child.returncode == 1
    assert "connection lost" in err.decode().splitlines()[-1]
    until(lambda: _alone(board), "the board tidies up")


def test_what_a_login_script_prints_is_passed_over(board: Sshd) -> None:
    """Lines are read as they come, whatever else stands among them."""
    program = "print('Welcome!', end=''); print(); print('pliant ready null'); sys.exit(0)"
    with Connection(Board.parse(board.address, sys.executable), program) as there:
        assert list(there.lines()) == ["Welcome!\n", "pliant ready null\n"]
        assert there.code() == 0
