"""The slider in a terminal: keys move it, q ends, the terminal is left as it was."""

from __future__ import annotations

import os
import pty
import re
import select
import subprocess
import sys
import termios
import time
from pathlib import Path

CAMERA = Path(__file__).parents[2] / "examples" / "camera.py"
PATIENCE = 120.0


def test_keys_move_the_budget_and_q_ends() -> None:
    ours, theirs = pty.openpty()
    before = termios.tcgetattr(theirs)
    command = [sys.executable, str(CAMERA), "--latency", "100"]
    running = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=subprocess.PIPE, text=True)
    try:
        seen = _until(ours, r"o-* 100 ms \| s05-fp32 +[\d.]+ ms")
        for key, budget in ((b"-", "80"), (b"\x1b[D", "64"), (b"\x1b[C", "80"), (b"++", "125"), (b"x", "125")):
            os.write(ours, key)
            seen = _until(ours, rf"o-* {budget} ms \|")
        # A budget that nothing meets is said, and the old subnet goes on serving.
        os.write(ours, b"-" * 60)
        seen = _until(ours, r"none of 10 subnets fits")
        os.write(ours, b"q")
        assert running.wait(PATIENCE) == 0
        assert running.stderr is not None
        assert running.stderr.read() == ""
        assert termios.tcgetattr(theirs) == before, f"the terminal is not as it was; it ended with {seen[-200:]!r}"
    finally:
        running.kill()
        running.wait()
        if running.stderr is not None:
            running.stderr.close()
        os.close(ours)
        os.close(theirs)


def _until(terminal: int, pattern: str) -> str:
    """What the terminal shows until it shows this."""
    text, end = "", time.monotonic() + PATIENCE
    while not re.search(pattern, text):
        assert time.monotonic() < end, f"waited for {pattern!r}, saw {text[-400:]!r}"
        if select.select([terminal], [], [], 1.0)[0]:
            text += os.read(terminal, 65536).decode(errors="replace")
    return text
