"""NVIDIA's TensorRT for RTX, and a small suite with graphs for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from pliant.runtime.tensorrt.bindings import Bindings, load_bindings
from pliant.runtime.tensorrt.settings import BuildSettings

from ..making import Made, make

ADA = BuildSettings("tensorrt-rtx", "8.9", 4)
FP32 = ["s01-fp32", "s02-fp32", "s03-fp32"]


def lowered(made: Made) -> Made:
    """With graphs for TensorRT: those in fp32 are the same."""
    for entry in made.manifest["subnets"]:
        if entry["precision"] == "fp32":
            entry["graphs"]["tensorrt"] = entry["graphs"]["onnxruntime"]
    return made


@pytest.fixture(scope="module")
def rtx() -> Bindings:
    pytest.importorskip("tensorrt_rtx_libs", reason="TensorRT for RTX is not installed")
    return load_bindings("tensorrt-rtx")


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return lowered(make()).write(tmp_path_factory.mktemp("engines") / "made.pliant")
