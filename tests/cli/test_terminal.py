"""The program as a process: quick to start, quiet when its reader goes, whole when interrupted, plain in a pipe."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

Program = Callable[..., "subprocess.Popen[bytes]"]


def test_help_starts_quickly(program: Program) -> None:
    took = []
    for _ in range(3):
        start = time.perf_counter()
        assert program("--help").communicate(timeout=30)[1] == b""
        took.append(time.perf_counter() - start)
    # 0.2 s on a quiet machine; torch or an engine would take seconds.
    assert min(took) < 1.0


@pytest.mark.parametrize(
    "verb", [["inspect"], ["plan", "--macs", "2M"], ["plan", "--latency", "10s"], ["verify"], ["bench", "--runs", "6"]]
)
def test_no_deployed_verb_loads_the_building_half(suite: Path, tmp_path: Path, verb: list[str]) -> None:
    # typer itself may use pydantic, which is no part of this.
    heavy = {"torch", "onnx", "yaml", "matplotlib", "sklearn"}
    code = f"import sys; from pliant.cli import main; main(sys.argv[1:]); print({heavy} & sys.modules.keys())"
    done = subprocess.run(
        [sys.executable, "-c", code, verb[0], str(suite), *verb[1:]], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "set()"


def test_a_reader_that_goes_is_no_event(program: Program, suite: Path) -> None:
    running = program("inspect", suite, "--json")
    assert running.stdout is not None
    assert running.stderr is not None
    running.stdout.close()
    assert running.wait(60) in (0, 1)
    assert running.stderr.read() == b""
    running.stderr.close()


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&- >&- 2>&-"])
def test_a_stream_that_is_closed_from_the_start_is_no_event(suite: Path, tmp_path: Path, closed: str) -> None:
    command = ["sh", "-c", f'exec "$@" {closed}', "sh", sys.executable, "-m", "pliant.cli", "inspect", str(suite)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
    assert (b"s01-fp32" in done.stdout) is (closed == "2>&-")


def test_interrupted_it_says_so_and_leaves_nothing_half_done(program: Program, suite: Path, tmp_path: Path) -> None:
    running = program("bench", suite, "--runs", "100000000")
    _wait_for_engine(running.pid)
    running.send_signal(signal.SIGINT)
    out, err = running.communicate(timeout=60)
    assert running.returncode == 130
    assert (out, err) == (b"", b"interrupted\n")
    assert list(tmp_path.iterdir()) == []


def _wait_for_engine(process: int) -> None:
    """Until the process has loaded onnxruntime, and then a little."""
    for _ in range(600):
        time.sleep(0.1)
        if "onnxruntime" in Path(f"/proc/{process}/maps").read_text():
            break
    time.sleep(1.0)


def test_errors_leave_stdout_alone(program: Program, tmp_path: Path) -> None:
    running = program("inspect", tmp_path / "none.pliant", "--json")
    out, err = running.communicate(timeout=60)
    assert running.returncode == 1
    assert out == b""
    assert err.count(b"\n") == 1


def on_a_terminal(arguments: list[str], cwd: Path, **environ: str) -> bytes:
    """What a pseudo-terminal of 80 columns is shown."""
    master, slave = pty.openpty()
    inherited = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "FORCE_COLOR")}
    child = subprocess.Popen(
        [sys.executable, "-m", "pliant.cli", *arguments],
        cwd=cwd,
        env={**inherited, "TERM": "xterm-256color", "COLUMNS": "80", "LINES": "40", **environ},
        stdin=slave,
        stdout=slave,
        stderr=slave,
    )
    os.close(slave)
    shown = b""
    while True:
        try:
            chunk = os.read(master, 65536)
        except OSError:  # the other end is closed
            break
        if not chunk:
            break
        shown += chunk
    os.close(master)
    assert child.wait(60) == 0, shown
    return shown


def test_a_terminal_gets_a_bar_and_a_pipe_does_not(program: Program, suite: Path, tmp_path: Path) -> None:
    assert "━".encode() in on_a_terminal(["verify", str(suite)], tmp_path)
    out, err = program("verify", suite).communicate(timeout=60)
    assert "━".encode() not in out + err
    assert b"\x1b" not in out + err


def test_no_color_is_heeded(suite: Path, tmp_path: Path) -> None:
    colored = on_a_terminal(["inspect", str(suite)], tmp_path)
    plain = on_a_terminal(["inspect", str(suite)], tmp_path, NO_COLOR="1")
    colors = [f"\x1b[{code}m".encode() for code in (31, 32, 33, 34, 35, 36)]
    assert b"s01-fp32" in plain
    assert not any(color in plain for color in colors)
    assert len(plain) <= len(colored)


def test_json_stays_json_where_stderr_has_a_bar(suite: Path, tmp_path: Path) -> None:
    master, slave = pty.openpty()
    done = subprocess.run(
        [sys.executable, "-m", "pliant.cli", "plan", str(suite), "--latency", "10s", "--json"],
        cwd=tmp_path,
        env={**os.environ, "TERM": "xterm"},
        stdout=subprocess.PIPE,
        stderr=slave,
        timeout=120,
        check=True,
    )
    os.close(slave)
    os.close(master)
    assert json.loads(done.stdout)["chosen"]


@pytest.mark.parametrize(
    "caption", ["edges", "surfaces: vertical_axis_a 41%, raised_horizontal 35%, other 22%", "", "w" * 400]
)
def test_captions_end_where_their_picture_does(caption: str) -> None:
    from pliant.cli.pictures import fitted

    shown = fitted(caption, 60, lambda text: 6.0 * len(text))
    assert len(shown) <= 10
    assert shown == caption or (shown.endswith("...") and caption.startswith(shown[:-3]))
