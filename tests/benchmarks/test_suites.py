"""`make suites`, interrupted: one line, exit 130, and nothing that goes on without it. A real process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="looks for processes in /proc")
def test_interrupted_it_says_so_in_a_line_and_leaves_nothing_running(checkout: Path, tmp_path: Path) -> None:
    script = checkout / "benchmarks" / "suites.py"
    mark = f"made-by-{os.getpid()}-{time.monotonic_ns()}"
    process = subprocess.Popen(
        [sys.executable, str(script), "--out", "suites", "--only", "scenes-resnet18"],
        cwd=tmp_path,
        env={**os.environ, "PLIANT_TEST_MARK": mark, "XDG_CACHE_HOME": str(tmp_path)},
        stderr=subprocess.PIPE,
        # Whoever started the tests in the background may have had SIGINT ignored, which is inherited.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    deadline = time.monotonic() + 60
    while len(_marked(mark)) < 2 and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    assert len(_marked(mark)) >= 2, "it renders in other processes, and none was started"
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert b"Traceback" not in said
    assert said.decode().splitlines()[-1].startswith("stopped: no checkpoint was written yet")
    assert _marked(mark) == []


def _marked(mark: str) -> list[int]:
    """Processes whose environment holds the mark."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if mark.encode() in (folder / "environ").read_bytes():
                found.append(int(folder.name))
        except OSError:  # gone meanwhile
            continue
    return found
