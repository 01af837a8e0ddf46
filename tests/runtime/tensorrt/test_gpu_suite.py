"""The GPU suite (`make test-tensorrt`), tried where there is no GPU: it must not be the thing that is broken."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pliant
from pliant.cli.sample import SAMPLE_SUITE
from pliant.runtime.tensorrt.bindings import Bindings
from pliant.tests.gpu import checks


def test_it_passes_where_all_is_well_and_leaves_a_report(rtx: Bindings, checkout: Path, tmp_path: Path) -> None:
    plugin = [
        "-p",
        "pliant.tests.runtime.tensorrt.pretend",
        "-p",
        "no:cacheprovider",
        "-W",
        "ignore::DeprecationWarning",
    ]
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        *plugin,
        f"--rootdir={checkout}",
        "-c",
        str(checkout / "pyproject.toml"),
    ]
    done = subprocess.run(
        [*command, str(checkout / "tests/gpu")], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-3000:]
    assert "3 passed, 3 skipped" in done.stdout
    report = json.loads((tmp_path / "out/tensorrt-report.json").read_text())
    with pliant.open_suite(SAMPLE_SUITE) as suite:
        assert [row["subnet"] for row in report["engines"]] == [subnet.id for subnet in suite.subnets]
    assert report["switching"]["switches"] == 20
    # Off by rounding where int8 is laid out for another engine, never by more.
    assert max(value for row in report["engines"] for value in row["unlike_cpu"].values()) < 0.1


def test_onnxruntimes_checks_pass_on_the_cpu() -> None:
    with pliant.open_suite(SAMPLE_SUITE) as suite:
        assert all(row["witness_error"] <= row["tolerance"] for row in checks.provider_answers(suite, "cpu"))
        assert checks.device_memory_goes_through(suite, "cpu", "cpu")["bound_ms"] > 0
