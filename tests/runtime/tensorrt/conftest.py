"""NVIDIA's TensorRT for RTX, and a small suite with graphs for it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pliant
from pliant.runtime.tensorrt.bindings import Bindings, load_bindings
from pliant.runtime.tensorrt.engines import EngineResult, build_engines
from pliant.runtime.tensorrt.settings import BuildSettings
from pliant.runtime.tensorrt.sources import engine_inputs

from ..making import Made, make
from .fake import Vendor
from .pretend import gpu_machine

ADA = BuildSettings("tensorrt-rtx", "8.9", 4)
HERE = BuildSettings("tensorrt", batch=4)
FP32 = ["s01-fp32", "s02-fp32", "s03-fp32"]


def lowered(made: Made) -> Made:
    """With graphs for TensorRT: those in fp32 are the same."""
    for entry in made.manifest["subnets"]:
        if entry["precision"] == "fp32":
            entry["graphs"]["tensorrt"] = entry["graphs"]["onnxruntime"]
    return made


def inputs(suite: pliant.Suite, subnet: str) -> tuple[bytes, dict[str, np.ndarray[Any, Any]]]:
    """Graph and weights of an engine."""
    graph, arrays = engine_inputs(suite, suite.subnet(subnet), ADA)
    return graph.to_bytes(), dict(arrays)


def build(suite: pliant.Suite, *subnets: str, settings: BuildSettings = HERE) -> list[EngineResult]:
    """Engines for the GPU that is pretended."""
    return list(build_engines(suite, subnets, settings))


@pytest.fixture(scope="module")
def rtx() -> Bindings:
    pytest.importorskip("tensorrt_rtx_libs", reason="TensorRT for RTX is not installed")
    return load_bindings("tensorrt-rtx")


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return lowered(make()).write(tmp_path_factory.mktemp("engines") / "made.pliant")


@pytest.fixture
def vendor(rtx: Bindings) -> Iterator[Vendor]:
    """A machine with a GPU and TensorRT: see `fake`."""
    with gpu_machine() as made:
        yield made
