"""A graph without weights and the arrays that feed it, given to NVIDIA's ONNX parser, or to its refitter."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ...devices.writing import named
from ..graphs.graph import parse_graph

Arrays = Mapping[str, "np.ndarray[Any, Any]"]


def give(parser: Any, graph: bytes, arrays: Arrays, folder: Path, *, verb: str) -> bool:
    """Whether it was taken; `verb` is `parse` or `refit`, which have the same ways in.

    The parser keeps pointers, not copies: contiguous `arrays` must outlive what is made of it.
    """
    if not hasattr(parser, "load_initializer"):  # 10.3: weights from files only
        return bool(getattr(parser, f"{verb}_from_file")(str(_written(graph, arrays, folder))))
    given = parser.load_model_proto(graph) and all(
        parser.load_initializer(name, array.ctypes.data, array.nbytes) for name, array in arrays.items()
    )
    return bool(given and getattr(parser, f"{verb}_model_proto")())


def complaints(parser: Any) -> str:
    """What it found wrong; empty where it does not say."""
    found = [parser.get_error(index) for index in range(parser.num_errors)]
    return "; ".join(f"{each.node_name()}: {each.desc()}" for each in found[:3])


def _written(graph: bytes, arrays: Arrays, folder: Path) -> Path:
    """The graph with its weights beside it, as `extract` writes them."""
    places, at = {}, 0
    with named(folder), (folder / "weights").open("wb") as file:
        for name, array in arrays.items():
            places[name] = ("weights", at, array.nbytes)
            at += file.write(array.tobytes())
    path = folder / "model.onnx"
    with named(folder):
        path.write_bytes(parse_graph(graph).to_bytes(places))
    return path
