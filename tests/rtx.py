"""NVIDIA's own parser and builder, by TensorRT for RTX: they come in a wheel and need no GPU."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest
from numpy.typing import NDArray

from pliant.devices.errors import SuiteError
from pliant.runtime.tensorrt.bindings import load_bindings
from pliant.runtime.tensorrt.build import build_plan
from pliant.runtime.tensorrt.settings import BuildSettings


@dataclass(frozen=True)
class Seen:
    """What the vendor made of a graph: its warnings and errors, the type of each layer, the size of the plan."""

    said: tuple[str, ...]
    precisions: dict[str, str]
    plan: int


def build(graph: bytes, arrays: Mapping[str, NDArray[Any]], capability: str = "8.6", batch: int = 4) -> Seen:
    """Parse a weightless graph, strongly typed, with its weights from memory, and build it for a GPU that is not here.

    Skips where TensorRT for RTX is not installed.
    """
    pytest.importorskip("tensorrt_rtx_libs", reason="TensorRT for RTX is not installed")
    settings = BuildSettings("tensorrt-rtx", capability, batch)
    try:
        plan = build_plan(load_bindings("tensorrt-rtx"), graph, arrays, settings, "a test")
    except SuiteError as error:
        return Seen((str(error),), {}, 0)
    return Seen(plan.said, plan.layers, len(plan.data))
