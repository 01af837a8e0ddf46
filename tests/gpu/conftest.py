"""The GPU suite (`make test-tensorrt`): skipped where there is no GPU, and at its end a report to paste."""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import pliant
from pliant.devices.fingerprint import read_fingerprint

_FOUND: dict[str, Any] = {}


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """One cache for all of the suite: engines are built once."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PLIANT_CACHE", str(folder))
        yield folder


@pytest.fixture(scope="session")
def found() -> dict[str, Any]:
    """What the report says, by check."""
    return _FOUND


@pytest.fixture(scope="session")
def sample() -> Iterator[pliant.Suite]:
    """The sample suite, which every installation has."""
    from pliant.cli.sample import SAMPLE_SUITE

    with pliant.open_suite(SAMPLE_SUITE) as suite:
        yield suite


@pytest.fixture(scope="session")
def engine() -> str:
    """TensorRT, or TensorRT for RTX, with a GPU to run on."""
    from pliant.runtime.tensorrt.bindings import installed, load_bindings
    from pliant.runtime.tensorrt.cuda import load_cuda

    name = installed()
    try:
        load_bindings(name)
        load_cuda()
    except pliant.EngineUnavailable as error:
        # Who asked for this suite wants to hear it.
        (pytest.fail if os.environ.get("PLIANT_GPU") else pytest.skip)(str(error))
    return name


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter: Any) -> None:
    """The report, as text to paste and as a file."""
    if not _FOUND:
        return
    machine = read_fingerprint()
    about = {"machine": str(machine), "python": platform.python_version(), "pliant": pliant.__version__}
    report = {**about, "date": time.strftime("%Y-%m-%d"), "command": "make test-tensorrt", **_FOUND}
    out = Path("out") / "tensorrt-report.json"
    out.parent.mkdir(exist_ok=True)
    out.write_text(json.dumps(report, indent=1) + "\n")
    terminalreporter.write_sep("=", f"report: paste this, or attach {out}")
    terminalreporter.write_line(json.dumps(report))
