"""Frames do not wait for a build: onnxruntime answers until the engine is there."""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pliant
from pliant.runtime.tensorrt import making
from pliant.runtime.tensorrt.build import build_plan
from pliant.runtime.tensorrt.engines import build_engines
from pliant.runtime.tensorrt.settings import BuildSettings

from ..making import images
from .fake import Vendor

pytestmark = pytest.mark.filterwarnings("ignore:Use Deprecated in TensorRT-RTX:DeprecationWarning")


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Builds begin when it is set; until then they tell of their progress as the real ones do."""
    opened = threading.Event()

    def build(*given: Any, report: Callable[..., None], **named: Any) -> Any:
        while not opened.wait(0.01):
            report("building", 0, 1)
        return build_plan(*given, report=report, **named)

    monkeypatch.setattr(making, "build_plan", build)
    return opened


def until(is_so: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not is_so():
        assert time.monotonic() < end, "it did not happen in 30 s"
        time.sleep(0.01)


def building() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("building for")]


def test_onnxruntime_serves_until_the_engine_is_built(vendor: Vendor, path: Path, gate: threading.Event) -> None:
    with pliant.open_suite(path) as suite, suite.load("s02-fp32", provider="tensorrt", build=2) as model:
        assert model.session.provider == "cpu"
        before = model(images(2))
        gate.set()
        until(lambda: model.session.provider == "tensorrt")
        for task, array in model(images(2)).items():
            np.testing.assert_array_equal(array, before[task])
        until(lambda: not building())
        with suite.load("s02-fp32", provider="tensorrt", build=True) as again:
            assert again.session.provider == "tensorrt"
            assert building() == []


def test_closing_stops_the_build(vendor: Vendor, path: Path, gate: threading.Event) -> None:
    with pliant.open_suite(path) as suite:
        model = suite.load("s02-fp32", provider="tensorrt", build=True)
        assert len(building()) == 1
        model.close()
        until(lambda: not building())


def test_a_model_that_is_dropped_stops_the_build(vendor: Vendor, path: Path, gate: threading.Event) -> None:
    with pliant.open_suite(path) as suite:
        model = suite.load("s02-fp32", provider="tensorrt", build=True)
        assert model.session.provider == "cpu"
        del model
        gc.collect()
        until(lambda: not building())


def test_it_is_built_for_the_images_asked_for(vendor: Vendor, path: Path, gate: threading.Event) -> None:
    gate.set()
    with pliant.open_suite(path) as suite:
        list(build_engines(suite, ["s02-fp32"], BuildSettings("tensorrt")))
        with suite.load("s02-fp32", provider="tensorrt", build=4) as model:
            until(lambda: model.session.provider == "tensorrt")
            model(images(4))


def test_a_model_that_switched_meanwhile_stays(vendor: Vendor, path: Path, gate: threading.Event) -> None:
    with pliant.open_suite(path) as suite, suite.load("s02-fp32", provider="tensorrt", build=True) as model:
        model.switch("s01-fp32")
        gate.set()
        until(lambda: not building())
        assert (model.subnet.id, model.session.provider) == ("s01-fp32", "cpu")


def test_a_build_that_fails_leaves_the_cpu_serving(
    vendor: Vendor, path: Path, gate: threading.Event, caplog: pytest.LogCaptureFixture
) -> None:
    vendor.gpu.room = 10
    with pliant.open_suite(path) as suite, suite.load("s02-fp32", provider="tensorrt", build=True) as model:
        gate.set()
        until(lambda: not building())
        assert model.session.provider == "cpu"
        assert "s02-fp32 stays on the CPU: CUDA failed in cudaMalloc: out of memory" in caplog.text


@pytest.mark.parametrize("asked", [{"provider": "cpu"}, {"provider": "tensorrt", "raw": True}, {"latency": "5 ms"}])
def test_only_a_named_subnet_is_built_for(path: Path, asked: dict[str, Any]) -> None:
    with pliant.open_suite(path) as suite, pytest.raises(pliant.BudgetError, match="build=1 is for one subnet"):
        suite.load(build=True, **asked)


def test_without_tensorrt_it_says_what_to_install(path: Path) -> None:
    pytest.importorskip("tensorrt_rtx_libs", reason="TensorRT for RTX is not installed")
    with pliant.open_suite(path) as suite, pytest.raises(pliant.EngineUnavailable, match="pip install tensorrt"):
        suite.load("s02-fp32", provider="tensorrt", build=True)
