"""A pool of processes, each with a model of its own: spawned ones, then forked ones.

python examples/pool.py

One model serves any number of threads; processes are for what Python itself does with frames and answers. A suite is
read at offsets, so each process opens the file for itself and takes no more of it than its subnet.
"""

from __future__ import annotations

import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor
from importlib.resources import files
from typing import Any

import numpy as np
from PIL import Image

import pliant

SAMPLE = files("pliant.runtime") / "sample"
MODEL: pliant.Model


def start(path: str, budget: dict[str, Any]) -> None:
    """Run once in each process. One thread each: the processes are what runs side by side."""
    global MODEL
    with pliant.open_suite(path) as suite:  # a loaded model goes on without the file; to switch it needs it open
        MODEL = suite.load(**budget, threads=1)


def answer(frame: np.ndarray[Any, Any]) -> tuple[int, float]:
    """What goes back is little: whole outputs would be copied through a pipe."""
    return os.getpid(), float(np.median(MODEL(frame)["depth"]))


def main() -> None:
    picture = Image.open(str(SAMPLE / "sample.jpg")).convert("RGB")
    with pliant.open_suite(str(SAMPLE / "sample.pliant")) as suite:
        size = (suite.input.width, suite.input.height)
    frames = [np.asarray(picture.rotate(degrees).resize(size)) for degrees in range(0, 48, 2)]
    for method in ("spawn", "fork"):
        if method not in multiprocessing.get_all_start_methods():
            continue
        context = multiprocessing.get_context(method)
        arguments = (str(SAMPLE / "sample.pliant"), {"macs": "20 M"})
        with ProcessPoolExecutor(2, context, initializer=start, initargs=arguments) as pool:
            answers = list(pool.map(answer, frames))
        depths = [depth for _, depth in answers]
        workers = len({worker for worker, _ in answers})  # one may have answered all before the other was up
        by = "one process" if workers == 1 else f"{workers} processes"
        print(f"{method}: {len(depths)} frames by {by}, depth {min(depths):.2f} to {max(depths):.2f} m")


if __name__ == "__main__":
    main()
