"""Memory of a subnet before there is a suite: the growth of a fresh process by loading and running it, as in a plan.

    python -m pliant.search.latency.memory FOLDER

prints that of the graph in a folder, which `measure_memory` wrote there, as JSON.
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

_GRAPH, _FACTS = "graph.onnx", "facts.json"


def measure_memory(feed: Feed, tasks: Sequence[str], shape: Sequence[int], threads: int | None, what: str) -> MemoryUse:
    """Memory of a subnet's graph on images of a shape (N, H, W, 3), from a process of its own; `what` it is, in words.

    PliantError where it cannot be measured.
    """
    from ...runtime.graphs.graph import parse_graph

    graph = parse_graph(feed.data).pruned(list(tasks))
    names = [item.name for item in graph.external()]
    with tempfile.TemporaryDirectory(prefix="pliant-") as folder:
        home = Path(folder)
        (home / _GRAPH).write_bytes(graph.to_bytes())
        for index, name in enumerate(names):
            np.save(home / f"{index}.npy", feed.arrays[name])
        facts = {"names": names, "tasks": list(tasks), "shape": list(shape), "threads": threads}
        (home / _FACTS).write_text(json.dumps(facts), encoding="utf-8")
        return in_a_process([__name__, folder], what)


def _measure_here(home: Path) -> MemoryUse:
    facts = json.loads((home / _FACTS).read_text(encoding="utf-8"))
    images = np.zeros(facts["shape"], np.uint8)

    def load() -> Callable[[], object]:
        from ...runtime.engine import create_session

        # Mapped, as a suite's are: pages that nobody reads are not there.
        arrays = {
            name: np.asarray(np.load(home / f"{index}.npy", mmap_mode="r")) for index, name in enumerate(facts["names"])
        }
        session = create_session((home / _GRAPH).read_bytes(), arrays, "cpu", facts["threads"], "a subnet")
        return lambda: session.run(facts["tasks"], {"images": images})

    return grown(load)


def main() -> int:
    """The command of this module."""
    return printed(lambda: _measure_here(Path(sys.argv[1])))


if __name__ == "__main__":
    sys.exit(main())
