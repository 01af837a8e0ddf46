"""What an engine is made of: a subnet's graph for TensorRT and its arrays, and the key that stands for them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..format.digests import check_weights, stated_digest
from ..format.suite_file import SuiteFile, no_graph
from ..format.weights import read_arrays
from ..graphs.graph import Graph
from ..interface import check_interface
from .bindings import Bindings
from .cache import EngineKey, engine_key
from .settings import BuildSettings

if TYPE_CHECKING:
    from ..format.manifest import GraphInfo, SubnetInfo


def engine_tasks(suite: SuiteFile, settings: BuildSettings) -> tuple[str, ...]:
    """The tasks that an engine answers, by name: all of the suite's where none are named."""
    return tuple(sorted(suite.tasks if settings.tasks is None else settings.tasks))


def key_of(suite: SuiteFile, subnet: SubnetInfo, settings: BuildSettings, bindings: Bindings) -> EngineKey:
    """The key of a subnet's engine, of digests alone: no weights are read."""
    record = suite.record(subnet)
    stored = {subnet.record, *(view.tensor for view in record.views.values())}
    parts = {name: stated_digest(suite, name) for name in sorted(stored)}
    # By name, not as "all": a suite that names fewer of a graph's tasks has another engine.
    parts["/tasks"] = ", ".join(engine_tasks(suite, settings))
    return engine_key({**parts, "/graph": graph_info(suite, subnet).sha256}, settings, bindings)


def engine_inputs(suite: SuiteFile, subnet: SubnetInfo, settings: BuildSettings) -> tuple[Graph, dict[str, Any]]:
    """The checked graph for TensorRT with the tasks' decoded outputs only, and what feeds it."""
    graph_info(suite, subnet)
    graph, record = suite.graph(subnet, "tensorrt"), suite.record(subnet)
    check_interface(suite, graph)
    cut = graph.pruned(engine_tasks(suite, settings))
    return cut, read_arrays(suite.container, record, cut, f"subnet {subnet.id} of {suite.path}")


def graph_info(suite: SuiteFile, subnet: SubnetInfo) -> GraphInfo:
    """The subnet's graph for TensorRT; SuiteError where it has none."""
    found = subnet.graphs.get("tensorrt")
    if found is None:
        raise no_graph(suite, subnet, "tensorrt")
    return found


def check_digests(suite: SuiteFile, subnet: SubnetInfo) -> None:
    """An engine is kept under digests: a suite that lies about them must not leave its engine for another to find."""
    record = suite.record(subnet)
    check_weights(suite, record, record.views)


def integer_weights(graph: Graph) -> int:
    """Layers whose weights the graph has in integers."""
    stored = {item.name for item in graph.external() if item.dtype == np.int8}
    return sum(node.op == "DequantizeLinear" and node.inputs[0] in stored for node in graph.nodes)
