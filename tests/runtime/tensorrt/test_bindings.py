"""What can be built for, by what is installed and what is here."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import pliant
from pliant.devices.fingerprint import read_fingerprint
from pliant.runtime.tensorrt.bindings import Bindings, capabilities, check_buildable, load_bindings
from pliant.runtime.tensorrt.engines import build_engines
from pliant.runtime.tensorrt.here import gpu_identity
from pliant.runtime.tensorrt.settings import BuildSettings

from .conftest import ADA


def test_there_must_be_a_gpu_or_its_name(rtx: Bindings) -> None:
    known = capabilities(rtx)
    assert {"8.9", "12.0"} <= set(known)
    with pytest.raises(pliant.EngineUnavailable, match=r"no NVIDIA GPU here.*: pliant build --compute-capability \d"):
        check_buildable(rtx, replace(ADA, capability=None), ())
    check_buildable(rtx, replace(ADA, capability=None), ("an RTX",))
    with pytest.raises(pliant.BudgetError, match=r"no GPU of compute capability 3.5: only 7.5"):
        check_buildable(rtx, replace(ADA, capability="3.5"), ())
    trt = Bindings("tensorrt", SimpleNamespace(), "10.3.0")
    with pytest.raises(pliant.EngineUnavailable, match=r"no NVIDIA GPU here to build TensorRT engines for$"):
        check_buildable(trt, BuildSettings("tensorrt"), ())


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"engine": "openvino"}, "no engine 'openvino'"),
        ({"engine": "tensorrt", "capability": "8.9"}, "GPU of this machine only"),
        ({"capability": "eight"}, "as in 8.9"),
        ({"dla": 0}, "a Jetson's"),
        ({"engine": "tensorrt", "dla": -1}, "a Jetson's"),
        ({"batch": 0}, "batch of 0"),
    ],
)
def test_settings_that_nothing_can_be_built_for(settings: dict[str, Any], says: str) -> None:
    with pytest.raises(pliant.BudgetError, match=says):
        BuildSettings(**settings)


def test_an_engine_that_is_not_installed_is_named_with_its_command(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    for name in ("tensorrt", "tensorrt_rtx_libs"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(pliant.EngineUnavailable, match="pip install tensorrt"):
        load_bindings("tensorrt")
    with pytest.raises(pliant.EngineUnavailable, match=r"pip install '\.\[tensorrt-rtx\]'"):
        load_bindings("tensorrt-rtx")
    monkeypatch.setitem(sys.modules, "tensorrt", SimpleNamespace(__version__="8.6.1"))
    with pytest.raises(pliant.EngineUnavailable, match=r"8\.6\.1 is too old"):
        load_bindings("tensorrt")


def test_more_images_than_the_suite_takes_are_not_built_for(rtx: Bindings, path: Path) -> None:
    with pliant.open_suite(path) as suite, pytest.raises(pliant.BudgetError, match="at most 8 images"):
        list(build_engines(suite, ["s01-fp32"], replace(ADA, batch=9)))


def test_what_identifies_a_gpu_is_no_limit_of_it() -> None:
    machine = replace(read_fingerprint(), settings=(), gpus=("RTX A, 580.1, 16384 MiB, 2100 MHz, 70 W",))
    assert gpu_identity(machine) == "RTX A, 580.1"
    board = replace(machine, board="Orin Nano", settings=(("l4t", "36.4"),), gpus=("Tegra integrated GPU",))
    assert gpu_identity(board) == "Orin Nano, L4T 36.4"
