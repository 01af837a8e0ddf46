"""onnxruntime and its providers: what they are given, and that what they say is one printable line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

import pliant
from pliant.devices.words import one_line
from pliant.runtime.engine import (
    _sums_exactly,
    check_provider,
    create_session,
    onnxruntime_tensorrt_options,
    target_of,
)

from .making import Made


def test_a_message_is_one_printable_line() -> None:
    line = one_line(RuntimeError("node \x1b]0;pwned\x07\n\x9b31m is \u202ewrong"))
    assert line == "node ?]0;pwned? ?31m is ?wrong"
    assert len(one_line(RuntimeError("x" * 1000))) == 300


def test_a_refused_node_cannot_write_to_the_terminal(made: Made) -> None:
    model = onnx.ModelProto()
    model.CopyFrom(made.models["s01-fp32"])
    node = next(node for node in model.graph.node if node.op_type == "Conv")
    node.name = "\x1b[2Jevil"
    node.attribute.append(onnx.helper.make_attribute("strides", [7, 7, 7]))
    with pytest.raises(pliant.SuiteError, match="evil") as caught:
        create_session(model.SerializeToString(), {}, "cpu", 1, "a test")
    assert str(caught.value).isprintable()


def test_onnxruntimes_tensorrt_keeps_engines_by_what_is_in_them(own_cache: Path) -> None:
    """Its own cache goes by the graph's name, which subnets share (onnxruntime issue 32254)."""
    arrays: dict[str, np.ndarray[Any, Any]] = {"a": np.zeros(3, np.float32), "b": np.ones(2, np.int8)}
    options = onnxruntime_tensorrt_options(b"graph", arrays)
    folder = own_cache / "engines-of-onnxruntime"
    assert folder.stat().st_mode & 0o077 == 0
    assert options["trt_engine_cache_path"] == options["trt_timing_cache_path"] == str(folder)
    assert (options["trt_int8_enable"], options["trt_fp16_enable"]) == ("1", "0")
    others = [
        onnxruntime_tensorrt_options(b"graph of another width", arrays),
        onnxruntime_tensorrt_options(b"graph", {**arrays, "a": arrays["a"] + 1}),
        onnxruntime_tensorrt_options(b"graph", {**arrays, "a": arrays["a"].reshape(3, 1)}),
        onnxruntime_tensorrt_options(b"graph", {"a": arrays["a"]}),
    ]
    assert len({each["trt_engine_cache_prefix"] for each in (options, *others)}) == 5


def test_each_provider_has_its_graph() -> None:
    assert [target_of(name) for name in ("cpu", "cuda")] == ["onnxruntime", "onnxruntime"]
    names = ("tensorrt", "tensorrt-rtx", "onnxruntime-tensorrt")
    assert [target_of(check_provider(name)) for name in names] == ["tensorrt"] * 3
    with pytest.raises(pliant.BudgetError, match=r"no provider 'tpu': use cpu, .* or tensorrt-rtx"):
        check_provider("tpu")


@pytest.mark.parametrize(
    ("version", "asked"),
    [("1.32.0", True), ("1.30.0", True), ("2.0", True), ("1.27.0", False), ("dev", False), ("1", False)],
)
def test_exact_sums_are_asked_of_versions_that_bear_it(version: str, asked: bool) -> None:
    assert _sums_exactly(version) is asked
