"""Sessions for proofs, by the runtime's own graph reader and session builder: what is proven is what runs.

Graphs for an engine that is not here are computed *literally*: operator by operator as they stand, without what
onnxruntime would make of them. That is what they say; another engine adds up in another order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..devices.errors import ExportError, SuiteError, check_memory
from ..devices.words import one_line
from ..runtime.engine import SILENT, create_session, import_onnxruntime
from ..runtime.graphs.graph import parse_graph
from .feeds import Feed

Outputs = dict[str, NDArray[Any]]


class Engine:
    """A subnet's graph in onnxruntime, cut down to some outputs; `literally` where it is another engine's."""

    def __init__(
        self, feed: Feed, outputs: Sequence[str], what: str, threads: int | None = None, *, literally: bool = False
    ):
        self.outputs = list(outputs)
        self.what = what
        try:
            graph = parse_graph(feed.data).pruned(self.outputs)
            arrays = {item.name: feed.arrays[item.name] for item in graph.external()}
            data = graph.to_bytes()
            if literally:
                self._session = literal_session(data, what, arrays)
            else:
                self._session = create_session(data, arrays, "cpu", threads, what)
        except SuiteError as error:
            raise ExportError(f"the graph of {what} is not one that the runtime loads: {error}") from error

    def __call__(self, images: NDArray[np.uint8]) -> Outputs:
        """uint8 (N, H, W, 3) -> outputs by name."""
        try:
            return dict(zip(self.outputs, self._session.run(self.outputs, {"images": images}), strict=True))
        except Exception as error:  # onnxruntime's own classes derive from Exception directly
            raise ExportError(f"the graph of {self.what} does not run: {one_line(error)}") from error


def literal_session(model: bytes | str, what: str, arrays: Mapping[str, NDArray[Any]] | None = None) -> Any:
    """An onnxruntime session of a graph, or a file, that fuses, moves and rounds nothing of its own accord.

    SuiteError, naming `what`, where it refuses the graph.
    """
    ort = import_onnxruntime()
    options = ort.SessionOptions()
    options.log_severity_level = SILENT
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    values = [ort.OrtValue.ortvalue_from_numpy(array) for array in (arrays or {}).values()]
    options.add_external_initializers(list(arrays or {}), values)
    try:
        return ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's own classes derive from Exception directly
        check_memory(error)
        raise SuiteError(f"onnxruntime {ort.__version__} refuses {what}: {one_line(error)}") from error
