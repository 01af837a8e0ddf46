"""The quick benchmarks measure what they say, on a small suite and as they are started by hand."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from ..runtime.making import make


def test_a_switch_that_is_timed_builds_a_session(checkout: Path, tmp_path: Path) -> None:
    (tmp_path / "suites").mkdir()
    made = make()
    for entry in made.manifest["subnets"]:
        entry["precision"] = "fp32" if entry["id"] != "s01-int8" else "int8"
    made.write(tmp_path / "suites" / "made.pliant")
    done = subprocess.run(
        [sys.executable, str(checkout / "benchmarks" / "bench.py"), "--suites", "suites", "--out", "out"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (result,) = (tmp_path / "out").glob("deployed-*.json")
    rows = json.loads(result.read_text())["suites"][0]["rows"]
    assert [row["id"] for row in rows] == ["s01-fp32", "s02-fp32", "s03-fp32", "s01-int8"]
    for row in rows[:3]:
        between = row["switch"]["between"]
        assert between[0] == row["id"] != between[1]
        # A switch to where the model is already takes microseconds.
        assert 0 < row["switch"]["build_ms"] < row["switch"]["ours_ms"] * 1.5
        assert row["switch"]["ours_ms"] > 0.05 * row["switch"]["theirs_ms"]
    assert rows[3]["switch"] is None
    assert "switch" in done.stdout
