"""Memory of a subnet before there is a suite: the growth of a fresh process by loading and running it, as in a plan.

    python -m pliant.search.latency.memory FOLDER

prints that of the graph in a folder, which `measure_memory` wrote there, as JSON. Loading makes the peak, so that is
done as from a suite: arrays are read into memory of their own, and batch norm is folded where they lie.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ...devices.profile import MemoryUse
from ...runtime.planning.memory import grown, in_a_process, printed

if TYPE_CHECKING:
    from ...export.feeds import Feed
    from ...runtime.graphs.folding import Arrays
    from ...runtime.graphs.graph import Graph

_GRAPH, _WEIGHTS, _FACTS = "graph.onnx", "weights.bin", "facts.json"


def measure_memory(feed: Feed, tasks: Sequence[str], shape: Sequence[int], threads: int | None, what: str) -> MemoryUse:
    """Memory of a subnet's graph on images of a shape (N, H, W, 3), from a process of its own; `what` it is, in words.

    PliantError where it cannot be measured.
    """
    from ...runtime.graphs.graph import parse_graph

    graph = parse_graph(feed.data).pruned(list(tasks))
    with tempfile.TemporaryDirectory(prefix="pliant-") as folder:
        home = Path(folder)
        (home / _GRAPH).write_bytes(graph.to_bytes())
        with (home / _WEIGHTS).open("wb") as file:
            file.writelines(np.ascontiguousarray(feed.arrays[item.name]).data for item in graph.external())
        facts = {"tasks": list(tasks), "shape": list(shape), "threads": threads}
        (home / _FACTS).write_text(json.dumps(facts), encoding="utf-8")
        return in_a_process([__name__, folder], what)


def _measure_here(home: Path) -> MemoryUse:
    facts = json.loads((home / _FACTS).read_text(encoding="utf-8"))
    images = np.zeros(facts["shape"], np.uint8)

    def load() -> Callable[[], object]:
        from ...runtime.engine import create_session
        from ...runtime.graphs.folding import fold_batch_norms
        from ...runtime.graphs.graph import parse_graph

        graph = parse_graph((home / _GRAPH).read_bytes())
        folded, arrays = fold_batch_norms(graph, _read(home / _WEIGHTS, graph))
        session = create_session(folded.to_bytes(), arrays, "cpu", facts["threads"], "a subnet")
        return lambda: session.run(facts["tasks"], {"images": images})

    return grown(load)


def _read(path: Path, graph: Graph) -> Arrays:
    """What feeds a graph, from a file that has it one after the other."""
    from ...runtime.format.arena import Arena

    items = graph.external()
    arena = Arena(sum(item.nbytes for item in items), len(items))
    arrays = {item.name: arena.empty(item.shape, item.dtype) for item in items}
    with path.open("rb", buffering=0) as file:
        for array in arrays.values():
            file.readinto(array.reshape(-1).view(np.uint8).data)
    return arrays


def main() -> int:
    """The command of this module."""
    return printed(lambda: _measure_here(Path(sys.argv[1])))


if __name__ == "__main__":
    sys.exit(main())
