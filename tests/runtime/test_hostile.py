"""Suites that are damaged or lie: a SuiteError in bounded time, or answers that are right; never anything else."""

from __future__ import annotations

import json
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper
from safetensors.numpy import load, save

import pliant

from .making import Made, complaint, images, make, reference


def load_all(path: Path) -> None:
    with pliant.open_suite(path) as suite:
        suite.load("s01-fp32", threads=1).close()


def views_of(change: Callable[[dict[str, Any]], None]) -> Callable[[Made], None]:
    def apply(made: Made) -> None:
        views = made.views("s01-fp32")
        change(views)
        made.set_views("s01-fp32", views)

    return apply


def view(name: str, key: str, value: Any) -> Callable[[Made], None]:
    return views_of(lambda views: views[name].__setitem__(key, value))


def record(name: str, array: np.ndarray[Any, Any] | None) -> Callable[[Made], None]:
    def apply(made: Made) -> None:
        if array is None:
            del made.records["s01-fp32"][name]
        else:
            made.records["s01-fp32"][name] = array

    return apply


def u8(data: bytes) -> np.ndarray[Any, Any]:
    return np.frombuffer(data, np.uint8).copy()


def deflate_bomb(made: Made) -> None:
    made.records["s01-fp32"]["views"] = u8(zlib.compress(b" " * (100 << 20)))


def graph_bomb(made: Made) -> None:
    name = made.manifest["subnets"][0]["graphs"]["onnxruntime"]["tensor"]
    made.tensors[name] = u8(zlib.compress(b"\0" * (100 << 20)))


def two_streams(made: Made) -> None:
    stored = made.records["s01-fp32"]["views"]
    made.records["s01-fp32"]["views"] = np.concatenate([stored, stored])


def duplicate_views(made: Made) -> None:
    made.records["s01-fp32"]["views"] = u8(zlib.compress(b'{"a": 1, "a": 2}'))


def greedy(made: Made) -> None:
    """A thousand views of the same weights, none of which the file could hold."""
    model, views = made.graph("s01-fp32"), made.views("s01-fp32")
    for index in range(1000):
        made.tensors.setdefault("weights/big", np.zeros((64, 1024), np.float32))
        views[f"big{index}"] = {"tensor": "weights/big", "ranges": []}
        tensor = TensorProto(name=f"big{index}", data_type=1, dims=[64, 1024], data_location=TensorProto.EXTERNAL)
        tensor.external_data.add(key="location", value="pliant")
        model.graph.initializer.append(tensor)
    names = [f"big{index}" for index in range(1000)]
    model.graph.node.insert(0, helper.make_node("Max", names, ["largest"]))
    model.graph.node.insert(1, helper.make_node("ReduceMax", ["largest"], ["one"], keepdims=0))
    cast = next(node for node in model.graph.node if node.op_type == "Sub")
    model.graph.node.insert(4, helper.make_node("Add", ["nchw", "one"], ["more"]))
    cast.input[0] = "more"
    made.set_views("s01-fp32", views)
    made.replace_graph("s01-fp32", model.SerializeToString())


def wrong_rank_output(made: Made) -> None:
    model = made.graph("s01-fp32")
    model.graph.output[0].type.tensor_type.shape.dim.add(dim_value=1)
    made.replace_graph("s01-fp32", model.SerializeToString())


def another_output(made: Made) -> None:
    """The graph makes what it declares, which is not what the task is."""
    model = made.graph("s01-fp32")
    at = next(index for index, node in enumerate(model.graph.node) if node.output[0] == "floor")
    model.graph.node.insert(at, helper.make_node("Unsqueeze", [model.graph.node[at].input[0], "axis"], ["more"]))
    model.graph.node[at + 1].input[0] = "more"
    dims = model.graph.output[0].type.tensor_type.shape.dim
    sizes = [dim.dim_value for dim in dims]
    del dims[1:]
    for size in (1, *sizes[1:]):
        dims.add(dim_value=size)
    made.replace_graph("s01-fp32", model.SerializeToString())


def nothing_feeds(made: Made) -> None:
    views = made.views("s01-fp32")
    del views["mix.weight"]
    made.set_views("s01-fp32", views)


LYING: dict[str, tuple[Callable[[Made], None], str]] = {
    "range beyond": (view("mix.weight", "ranges", [[[0, 17]]]), "outside"),
    "range backwards": (view("mix.weight", "ranges", [[[4, 2]]]), "outside"),
    "range empty": (view("mix.weight", "ranges", [[]]), "selects nothing"),
    "ranges overlapping": (view("mix.weight", "ranges", [[[0, 16]], [[0, 4], [2, 10]]]), "overlapping"),
    "range negative": (view("mix.weight", "ranges", [[[-4, 4]]]), "outside"),
    "range of floats": (view("mix.weight", "ranges", [[[0.0, 4]]]), "whole number"),
    "too many axes": (view("norm.bias", "ranges", [[[0, 16]], [[0, 1]]]), "at most 1"),
    "other shape": (view("mix.weight", "ranges", []), "what feeds it"),
    "not a weight": (view("mix.weight", "tensor", "witness/input"), "no stored weight"),
    "absent weight": (view("mix.weight", "tensor", "weights/none"), "no stored weight"),
    "fed twice": (record("own/mix.weight", np.zeros(1, np.float32)), "a view and an array"),
    "fed by nothing": (nothing_feeds, "nothing feeds"),
    "own dtype": (record("own/mean", np.zeros((1, 3, 1, 1), np.float64)), "what feeds it"),
    "no views": (record("views", None), "no views"),
    "no witness": (record("witness/depth", None), "witness"),
    "witness of another size": (record("witness/depth", np.zeros(3, np.float32)), "witness"),
    "witness with NaN": (record("witness/depth", np.full(64, np.nan, np.float32)), "witness"),
    "other statistics": (record("own/norm.mean", np.full(16, 9, np.float32)), "does not answer its witness"),
    "NaN statistics": (record("own/norm.mean", np.full(16, np.nan, np.float32)), "does not answer its witness"),
    "deflate bomb": (deflate_bomb, "inflates to more"),
    "graph bomb": (graph_bomb, "inflates to more"),
    "two streams": (two_streams, "one zlib stream"),
    "duplicate keys": (duplicate_views, "twice"),
    "greedy": (greedy, "more weights than its file"),
    "outputs": (another_output, "no output 'floor'"),
    "outputs declared": (wrong_rank_output, "output 'floor' in another size"),
}


@pytest.mark.parametrize("case", LYING)
def test_a_lying_suite_is_refused_in_one_line(tmp_path: Path, case: str) -> None:
    made = make()
    change, says = LYING[case]
    change(made)
    path = made.write(tmp_path / "lying.pliant")
    start = time.perf_counter()
    with pytest.raises(pliant.SuiteError, match=says) as caught:
        load_all(path)
    assert time.perf_counter() - start < 5
    assert "\n" not in str(caught.value)


def test_changed_weights_do_not_pass_their_witness(tmp_path: Path) -> None:
    made = make()
    path = made.write(tmp_path / "good.pliant")
    with pliant.open_suite(path) as suite:
        entry = suite.container.entry("weights/mix.weight")
    raw = bytearray(path.read_bytes())
    raw[entry.start : entry.start + 4096] = bytes(4096)
    path.write_bytes(raw)
    with pytest.raises(pliant.SuiteError, match="witness"):
        load_all(path)


@given(st.data())
def test_any_damage_is_an_error_or_changes_no_answer(
    made: Made, suite_path: Path, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    raw = bytearray(suite_path.read_bytes())
    # The weights are most of the file and the least interesting: aim at header, graphs and records as often.
    at = data.draw(st.one_of(st.integers(0, len(raw) - 1), st.integers(0, 12_000)))
    kind = data.draw(st.sampled_from(["flip", "cut", "splice", "insert", "zero"]))
    if kind == "flip":
        raw[at] ^= data.draw(st.integers(1, 255))
    elif kind == "cut":
        del raw[at:]
    elif kind == "splice":
        source = data.draw(st.integers(0, len(raw) - 1))
        piece = raw[source : source + data.draw(st.integers(1, 400))]
        raw[at : at + len(piece)] = piece
    elif kind == "insert":
        raw[at:at] = data.draw(st.binary(min_size=1, max_size=16))
    else:
        raw[at : at + 64] = bytes(len(raw[at : at + 64]))
    path = tmp_path_factory.mktemp("fuzz") / "damaged.pliant"
    path.write_bytes(raw)
    start = time.perf_counter()
    batch = images(1)

    def use() -> None:
        with pliant.open_suite(path) as suite:
            for name in ("s01-fp32", "s01-int8"):
                with suite.load(suite.subnet(name), tasks=("depth",), threads=1) as model:
                    expected = reference(made.models[name], batch)["depth"]
                    # A flipped low bit of one weight may pass the witness; it must not move the answer either.
                    np.testing.assert_allclose(model(batch)["depth"], expected, atol=0.6)

    assert "\n" not in complaint(use)
    assert time.perf_counter() - start < 5


@given(st.data())
def test_a_damaged_record_with_a_right_digest_is_refused_or_read(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    made = make()
    blob = bytearray(save(made.records.pop("s01-fp32")))
    for _ in range(data.draw(st.integers(1, 3))):
        blob[data.draw(st.integers(0, len(blob) - 1))] = data.draw(st.integers(0, 255))
    made.tensors["record/s01-fp32"] = u8(bytes(blob))
    path = made.write(tmp_path_factory.mktemp("record") / "damaged.pliant")
    assert "\n" not in complaint(lambda: load_all(path))


def test_safetensors_itself_opens_a_suite(suite_path: Path) -> None:
    tensors = load(suite_path.read_bytes())
    assert tensors["weights/mix.weight"].shape == (16, 32, 3, 3)
    assert json.loads(zlib.decompress(tensors["digests"].tobytes()))
