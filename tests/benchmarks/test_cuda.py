"""The CUDA benchmark's path, on the CPU: what it measures there is real, and no answer is torn."""

from __future__ import annotations

import json
from pathlib import Path

from pliant.benchmarks.cuda import main


def test_it_measures_all_its_parts(tmp_path: Path) -> None:
    assert main(["--provider", "cpu", "--runs", "3", "--out", str(tmp_path)]) == 0
    (path,) = tmp_path.glob("cuda-*.json")
    found = json.loads(path.read_text())
    assert all(row["witness_error"] <= row["tolerance"] and row["ours_ms"] > 0 for row in found["calls"])
    assert all(value == 0 for row in found["calls"] for value in row["unlike_cpu"].values()), "the CPU against itself"
    assert found["torn"] == 0
    assert found["switches"]["median_ms"] > 0
    assert found["on_device"]["stayed"]
    assert set(found["on_device"]["unlike_call"].values()) == {0.0}
