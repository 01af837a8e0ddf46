"""Sessions for proofs, by the runtime's own graph reader and session builder: what is proven is what runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..devices.errors import ExportError, SuiteError
from ..runtime.engine import create_session, one_line
from ..runtime.graphs.graph import parse_graph
from .feeds import Feed

Outputs = dict[str, NDArray[Any]]


class Engine:
    """A subnet's graph in onnxruntime, cut down to some outputs."""

    def __init__(self, feed: Feed, outputs: Sequence[str], what: str, threads: int | None = None):
        self.outputs = list(outputs)
        self.what = what
        try:
            graph = parse_graph(feed.data).pruned(self.outputs)
            arrays = {item.name: feed.arrays[item.name] for item in graph.external()}
            self._session = create_session(graph.to_bytes(), arrays, "cpu", threads, what)
        except SuiteError as error:
            raise ExportError(f"the graph of {what} is not one that the runtime loads: {error}") from error

    def __call__(self, images: NDArray[np.uint8]) -> Outputs:
        """uint8 (N, H, W, 3) -> outputs by name."""
        try:
            return dict(zip(self.outputs, self._session.run(self.outputs, {"images": images}), strict=True))
        except Exception as error:  # onnxruntime's own classes derive from Exception directly
            raise ExportError(f"the graph of {self.what} does not run: {one_line(error)}") from error
