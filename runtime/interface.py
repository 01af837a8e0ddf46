"""What every graph of a suite takes and gives, as its manifest says."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..devices.errors import SuiteError
from .graphs.graph import Graph

if TYPE_CHECKING:
    from .format.suite_file import SuiteFile


def check_interface(suite: SuiteFile, graph: Graph) -> None:
    """Refuse a graph whose input or outputs are not those that the manifest's tasks ask for."""
    size = suite.input
    if graph.input.dtype != np.uint8 or graph.input.dims[1:] != size.shape or len(graph.input.dims) != 4:
        raise SuiteError(f"a graph of {suite.path} does not take the images that its manifest says")
    for name, task in suite.tasks.items():
        for output, raw in ((name, False), (f"{name}/logits", True)):
            shape, kind = task.output(size.height, size.width, raw=raw)
            value = graph.outputs.get(output)
            if value is None or value.dtype != kind or value.dims[1:] != shape:
                raise SuiteError(f"a graph of {suite.path} has no output {output!r} of {kind} (N, {shape})")
