"""A signal's handler closes model and suite at any moment: of a switch, of a read; in the thread that does it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

# Once for each line that a switch goes through in these functions, a real signal arrives before it.
SCRIPT = """
import faulthandler, glob, os, signal, sys
import pliant

path, *functions = sys.argv[1:]

def attempt(left):
    faulthandler.dump_traceback_later(60, exit=True)
    suite = pliant.open_suite(path)
    model = suite.load("s01-fp32", threads=1, tasks="depth")

    def closes(number, frame):
        model.close()
        suite.close()

    def trace(frame, event, argument):
        nonlocal left
        if frame.f_code.co_name not in functions:
            return None
        if event == "line":
            left -= 1
            if left == 0:
                signal.raise_signal(signal.SIGUSR1)
        return trace

    signal.signal(signal.SIGUSR1, closes)
    sys.settrace(trace)
    try:
        model.switch("s02-fp32")
    except pliant.PliantError as error:
        assert "closed" in str(error), error
    finally:
        sys.settrace(None)
    if left > 0:
        model.close()
        suite.close()
        return False
    assert model.closed
    try:
        model(None)
    except pliant.PliantError as error:
        assert "closed" in str(error), error
    assert not any(os.path.realpath(link) == path for link in glob.glob("/proc/self/fd/*")), "its file is open still"
    return True

moments = 1
while attempt(moments):
    moments += 1
print(moments)
"""


LATER = """
import signal, sys
import pliant

with pliant.open_suite(sys.argv[1]) as suite, suite.load("s01-fp32", threads=1, tasks="depth") as model:
    def narrows(number, frame):
        signal.signal(signal.SIGUSR1, signal.SIG_IGN)
        model.switch("s02-fp32")

    def trace(frame, event, argument):
        if event == "call" and frame.f_code.co_name == "load_subnet":
            signal.raise_signal(signal.SIGUSR1)

    signal.signal(signal.SIGUSR1, narrows)
    sys.settrace(trace)
    try:
        model.switch("s03-fp32")
    except pliant.PliantError as error:
        print(error)
    sys.settrace(None)
    assert model.subnet.id == "s02-fp32"
"""


def test_a_switch_by_a_handler_in_the_midst_of_another_holds(suite_path: Path) -> None:
    command = [sys.executable, "-c", LATER, str(suite_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    assert "a signal's handler had this model switch to s02-fp32 meanwhile" in done.stdout


@pytest.mark.parametrize(
    "functions", [("switch", "_become", "_serve"), ("_reading", "_release", "read_bytes")], ids=["switch", "read"]
)
def test_a_handler_that_closes_in_the_midst_of_a_switch_neither_hangs_nor_is_undone(
    suite_path: Path, functions: tuple[str, ...]
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(suite_path), *functions],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 10, "it was interrupted at too few moments"
