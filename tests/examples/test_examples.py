"""Every example runs as it stands, as a process of its own, and does what it says."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"
# It serves until it is told to end: test_server.py.
ENDLESS = {"server.py"}


@pytest.mark.parametrize("script", sorted({path.name for path in EXAMPLES.glob("*.py")} - ENDLESS))
def test_example_runs(script: str, tmp_path: Path) -> None:
    command = [sys.executable, str(EXAMPLES / script)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    checks = {"bend.py": bends, "camera.py": shows, "node.py": node_answers, "pool.py": shares, "replace.py": replaces}
    assert checks.keys() == {path.name for path in EXAMPLES.glob("*.py")} - ENDLESS, "an example that nothing checks"
    checks[script](done.stdout.splitlines())


def bends(lines: list[str]) -> None:
    assert lines[0].startswith("chosen")
    assert sum("median depth" in line for line in lines) == 3
    assert sum(" -> " in line for line in lines) == 2


def shows(lines: list[str]) -> None:
    """A line for each 30 of its 90 frames: slider, subnet, latency, rate, an answer."""
    shown = [line for line in lines if line]
    assert len(shown) == 3
    for line in shown:
        slider, subnet, rate, depth, *_ = line.split(" | ")
        assert slider.endswith("3 ms")
        assert subnet.startswith("s0")
        assert subnet.endswith(" ms")
        assert rate.endswith("fps")
        assert depth.startswith("depth ")


def node_answers(lines: list[str]) -> None:
    said = [line for line in lines if line.startswith("macs := ")]
    assert ["successful=True" in line for line in said] == [True, False, True, False]
    assert "the nearest is s01-fp32" in said[3]
    assert sum(" -> " in line for line in lines) == 2
    assert lines[-1].endswith("s01-fp32 served last")


def shares(lines: list[str]) -> None:
    assert [line.split(" by ")[0] for line in lines] == ["spawn: 24 frames", "fork: 24 frames"]
    assert all(line.split(" by ")[1].startswith(("one process,", "2 processes,")) for line in lines)
    # Both ways give the same answers.
    assert len({line.split(", depth ")[1] for line in lines}) == 1


def replaces(lines: list[str]) -> None:
    kinds = [line.split(":")[0] for line in lines[:-1]]
    assert kinds == ["serving served.pliant by s02-fp32", "replaced", "the old one goes on", "replaced"]
    assert "truncated" in lines[2]
    assert lines[-1].endswith("frames, each answered")
