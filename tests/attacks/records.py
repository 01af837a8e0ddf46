"""Suites with right digests that lie deeper down: views, records, deflated streams, witnesses."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
from onnx import TensorProto, helper

from ..runtime.making import Made


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


RECORDS: dict[str, tuple[Callable[[Made], None], str]] = {
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
"""Name -> what is done to a suite, and what the error says."""
