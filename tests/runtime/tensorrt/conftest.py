"""NVIDIA's TensorRT for RTX, and a small suite with graphs for it."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pliant
from pliant.devices.fingerprint import read_fingerprint
from pliant.runtime.tensorrt import engines, load
from pliant.runtime.tensorrt.bindings import Bindings, load_bindings
from pliant.runtime.tensorrt.engines import engine_inputs
from pliant.runtime.tensorrt.settings import BuildSettings

from ..making import Made, make
from .fake import Gpu, Vendor

ADA = BuildSettings("tensorrt-rtx", "8.9", 4)
FP32 = ["s01-fp32", "s02-fp32", "s03-fp32"]


def lowered(made: Made) -> Made:
    """With graphs for TensorRT: those in fp32 are the same."""
    for entry in made.manifest["subnets"]:
        if entry["precision"] == "fp32":
            entry["graphs"]["tensorrt"] = entry["graphs"]["onnxruntime"]
    return made


def inputs(suite: pliant.Suite, subnet: str) -> tuple[bytes, dict[str, np.ndarray[Any, Any]]]:
    """Graph and weights of an engine."""
    graph, arrays = engine_inputs(suite, suite.subnet(subnet), None)
    return graph.to_bytes(), dict(arrays)


@pytest.fixture(scope="module")
def rtx() -> Bindings:
    pytest.importorskip("tensorrt_rtx_libs", reason="TensorRT for RTX is not installed")
    return load_bindings("tensorrt-rtx")


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return lowered(make()).write(tmp_path_factory.mktemp("engines") / "made.pliant")


@pytest.fixture
def vendor(rtx: Bindings, monkeypatch: pytest.MonkeyPatch) -> Vendor:
    """A machine with a GPU and TensorRT: see `fake`."""
    made = Vendor(rtx.module, Gpu())
    monkeypatch.setitem(sys.modules, "tensorrt", made.module)
    monkeypatch.setitem(sys.modules, "cuda.bindings.runtime", made.gpu)
    machine = replace(read_fingerprint(), gpus=("RTX A, 580.1, 16384 MiB, 2100 MHz, 70 W",))
    for each in (engines, load):
        monkeypatch.setattr(each, "read_fingerprint", lambda: machine)
    return made
