"""The arrays of one subnet: views cut out of the wide weights, and what is its own, matched with its graph."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...devices.errors import SuiteError
from ..graphs.graph import Graph
from ..graphs.graph_tensors import Initializer
from .arena import Arena
from .container import Container
from .record import Record, View

# A subnet is a part of the file; some tied weights may be read twice. More than this is a file that lies.
_MAX_GROWTH = 1.5


def read_arrays(container: Container, record: Record, graph: Graph, what: str) -> dict[str, np.ndarray[Any, Any]]:
    """One contiguous array per external initializer of `graph`; nothing that the graph does not use is read."""
    wanted = graph.external()
    if sum(item.nbytes for item in wanted) > _MAX_GROWTH * container.size:
        raise SuiteError(f"{what} asks for more weights than its file can hold")
    check_fed(container, record, graph, what)
    arena = Arena(sum(item.nbytes for item in wanted), len(wanted))
    arrays = {item.name: _array(container, record, item, arena) for item in wanted}
    container.check_unchanged()
    return arrays


def check_fed(container: Container, record: Record, graph: Graph, what: str) -> None:
    """Raise SuiteError unless each external initializer of `graph` has a source of its type and shape."""
    for item in graph.external():
        _check_source(container, record, item, what)


def _check_source(container: Container, record: Record, item: Initializer, what: str) -> None:
    view, own = record.views.get(item.name), record.own.get(item.name)
    if view is not None:
        entry = container.entry(view.tensor)
        dtype, shape = entry.dtype, view.shape(entry.shape)
    elif own is not None:
        dtype, shape = own.dtype, own.shape
    else:
        raise SuiteError(f"{what} is damaged: nothing feeds its initializer {item.name[:100]!r}")
    if (dtype, shape) != (item.dtype, item.shape):
        raise SuiteError(
            f"{what} is damaged: its initializer {item.name[:100]!r} is {item.dtype} {list(item.shape)}, "
            f"but what feeds it is {dtype} {list(shape)}"
        )


def _array(container: Container, record: Record, item: Initializer, arena: Arena) -> np.ndarray[Any, Any]:
    view: View | None = record.views.get(item.name)
    return record.own[item.name] if view is None else container.read(view.tensor, view.ranges, arena.empty)
