"""`pliant profile --remote`, against a real sshd on this machine and a Python that has what a board needs, no more."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import sysconfig
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import tomllib

import pliant as package
from pliant import BudgetError
from pliant.cli import on_board
from pliant.cli.board import Board, Connection
from pliant.cli.remote_profile import _CPU, BASE, runtime_half
from pliant.cli.sample import SAMPLE_SUITE
from pliant.devices.fingerprint import read_fingerprint
from pliant.devices.profile import read_profile

from . import sshd
from .conftest import Terminal
from .sshd import Sshd

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


def test_what_is_sent_is_the_runtime_half_and_small() -> None:
    packed = runtime_half()
    assert len(packed) < 300_000
    names = zipfile.ZipFile(io.BytesIO(packed)).namelist()
    assert {name.split("/")[1] for name in names} == {"__init__.py", "runtime", "devices"}
    assert {"pliant/runtime/profiling.py", "pliant/devices/boards/jetson-orin-nano.json"} <= set(names)
    assert not any("sample" in name or "__pycache__" in name for name in names)


def test_what_a_board_needs_is_what_the_package_asks_for(checkout: Path) -> None:
    project = tomllib.loads((checkout / "pyproject.toml").read_text())["project"]
    asked = {*project["dependencies"], *project["optional-dependencies"]["cpu"]}
    assert {f"{names[0]}>={least}" for _, names, least in (*BASE, _CPU)} <= asked


def _fails(said: object, *words: str) -> None:
    code, out, err = (getattr(said, name) for name in ("code", "out", "err"))
    assert code == 1
    assert out == ""
    line = err.splitlines()[-1]
    assert not [each for each in err.splitlines()[:-1] if not each.startswith("measuring on")], err
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


def test_an_old_python_says_so_before_anything_else(board: Sshd) -> None:
    """The first line that a Python gets there, by one that takes itself for an old one."""
    from pliant.cli.board import _BOOT

    old = f"import sys; sys.version_info = (2, 7, 18); sys.version = '2.7.18 (default)'; exec({_BOOT!r})"
    done = subprocess.run([sys.executable, "-c", old], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "Python 2.7.18\n")


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


def test_the_last_line_of_a_run_that_fails_there(
    pliant: Terminal, board: Sshd, python: Path, suite: Path, tmp_path: Path
) -> None:
    """An onnxruntime that cannot be imported there."""
    poor = _python(tmp_path / "broken", "numpy", "safetensors")
    folder = next((tmp_path / "broken").glob("lib/python*/site-packages"))
    (folder / "onnxruntime.py").write_text("raise ImportError('libcudart.so.12: no such file')\n")
    said = pliant("profile", suite, "--remote", board.address, "--remote-python", poor, "--out", "x.json")
    _fails(said, "failed", "libcudart.so.12")
    assert board.left() == []


def _until(true: Callable[[], object], what: str) -> None:
    end = time.monotonic() + 60
    while not true():
        assert time.monotonic() < end, f"not in a minute: {what}"
        time.sleep(0.05)


def _measuring(program: Program, board: Sshd, python: Path, suite: Path) -> subprocess.Popen[bytes]:
    """A long run, once it measures there."""
    there = ("--remote", board.address, "--remote-python", python)
    child = program("profile", suite, *there, "--seconds", "600", "--threads", "1", "--out", "x.json")
    _until(lambda: list(board.temporary.glob("pliant-*/cache")) or child.poll() is not None, "measuring there")
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
    child.send_signal(number)
    _, err = child.communicate(timeout=60)
    if number == signal.SIGINT:
        assert child.returncode == 130
        assert err.decode().splitlines()[-1] == "interrupted"
        assert _alone(board), "it waits until the board has tidied up"
    _until(lambda: _alone(board), "the board tidies up")
    assert not (tmp_path / "x.json").exists()


def test_a_lost_connection(program: Program, board: Sshd, python: Path, suite: Path) -> None:
    child = _measuring(program, board, python, suite)
    for number in board.sessions():
        os.kill(number, signal.SIGKILL)
    _, err = child.communicate(timeout=60)
    assert child.returncode == 1
    assert "connection lost" in err.decode().splitlines()[-1]
    _until(lambda: _alone(board), "the board tidies up")


def _asked(**changed: object) -> str:
    request = {"python": "python3", "needed": [], "room": 1, "files": [], "how": {}, "own_cache": True}
    return json.dumps({**request, **changed})


def _on_board(given: str, **environ: str) -> subprocess.Popen[bytes]:
    source = Path(on_board.__file__).read_text()
    command = [sys.executable, "-c", f"{source}\nsys.exit(main({given!r}))"]
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
        _until(lambda: list(tmp_path.glob("pliant-*/pliant.zip")), "a file there")
        child.communicate(timeout=60)
    assert child.returncode == 1
    assert list(tmp_path.iterdir()) == []


def test_silence_is_as_good_as_an_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = Path(on_board.__file__).read_text().replace("SILENCE = 60.0", "SILENCE = 0.5")
    given = _asked(files=[["pliant.zip", 1000]])
    command = [sys.executable, "-c", f"{source}\nsys.exit(main({given!r}))"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, env={**os.environ, "TMPDIR": str(tmp_path)}) as child:
        assert child.wait(60) == 1, "stdin is open all the while"
    assert list(tmp_path.iterdir()) == []


WRONG = """-oProxyCommand=true -o@host user@-host user@ @host user@host: host:0 host:99999 host:-1 user@ho`st user@$(id)
us;er@host user@fe80::1 user@[host] ssh://host""".split()


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


def test_what_a_login_script_prints_is_passed_over(board: Sshd) -> None:
    """Lines are read as they come, whatever else stands among them."""
    program = "print('Welcome!', end=''); print(); print('pliant ready null'); sys.exit(0)"
    with Connection(Board.parse(board.address, sys.executable), program) as there:
        assert list(there.lines()) == ["Welcome!\n", "pliant ready null\n"]
        assert there.code() == 0
