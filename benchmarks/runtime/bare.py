"""What memory does where onnxruntime is alone: bare sessions made one after another, in a process of their own.

A long run of pliant makes and drops thousands of sessions. Whether the heap of that process grows because of pliant is
told by this: some of its subnets, extracted, and nothing that pliant does. A step is a session here, an act there.

    python -m pliant.benchmarks.runtime.bare SESSIONS FILE.onnx...
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from pliant.runtime.planning.memory import resident
from pliant.runtime.suite import Suite

from .slope import Slope, slope

MOST, SUBNETS, WARM = 4000, 6, 0.25


def grown(suite: Suite, sessions: int) -> Slope | None:
    """The slope of memory over bare sessions of some of a suite's subnets, MOST of them at most."""
    count = min(sessions, MOST)
    with tempfile.TemporaryDirectory() as folder:
        paths = [
            str(suite.extract(subnet.id, Path(folder) / f"{subnet.id}.onnx")[0]) for subnet in suite.subnets[:SUBNETS]
        ]
        command = [sys.executable, "-m", __name__, str(count), *paths]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    return slope(json.loads(done.stdout), int(WARM * count))


def held(sessions: int, paths: list[str]) -> list[float]:
    """Resident bytes after each session, which has run once and is dropped."""
    import numpy as np
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    found: list[float] = []
    for number in range(sessions):
        session: Any = onnxruntime.InferenceSession(
            paths[number % len(paths)], options, providers=["CPUExecutionProvider"]
        )
        (images,) = session.get_inputs()
        shape = [side if isinstance(side, int) else 1 for side in images.shape]
        session.run(None, {images.name: np.zeros(shape, np.uint8)})
        del session
        found.append(float(resident()[0]))
    return found


if __name__ == "__main__":
    print(json.dumps(held(int(sys.argv[1]), sys.argv[2:])))
