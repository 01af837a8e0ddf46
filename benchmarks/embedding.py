"""What an application pays around the engine: colours, outputs in its own arrays, streams.

    python benchmarks/embedding.py --out benchmarks/results

Milliseconds to convert a VGA frame; a call with `out=` against one without and a copy, and against one without alone; a
stream that gets the next frame ready meanwhile against one that does not, on VGA frames in NV12 that are converted and
resized, from a source that waits 5 ms for each and from one that does not. Side by side on the sample suite, one
thread. Writes `embedding-<hardware>-<date>.json`.
"""

from __future__ import annotations

import argparse
import shlex
import sys
import time
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

import pliant
from pliant.benchmarks.dated import save_dated
from pliant.benchmarks.paired import paired, timed

SAMPLE = str(files("pliant.runtime") / "sample" / "sample.pliant")
Array = np.ndarray[Any, Any]


def colours(runs: int) -> dict[str, Any]:
    """Percentiles of converting one VGA frame, in milliseconds."""
    rng = np.random.default_rng(0)
    frames = {"nv12": rng.integers(0, 256, (720, 640), np.uint8), "bgr": rng.integers(0, 256, (480, 640, 3), np.uint8)}
    rows = {}
    for color, frame in frames.items():
        times = [timed(lambda color=color, frame=frame: pliant.to_rgb(frame, color)) for _ in range(runs)]  # type: ignore[misc]
        rows[color] = {f"p{q}_ms": float(np.percentile(times, q)) for q in (10, 50, 90)}
    return rows


def binding(model: pliant.Model, images: Array, runs: int) -> dict[str, Any]:
    """A call with `out=` against the two ways without it."""
    out = {task: np.empty_like(array) for task, array in model(images).items()}

    def copies() -> None:
        for task, array in model(images).items():
            np.copyto(out[task], array)

    return {
        "against_copy": paired(lambda: model(images, out), copies, runs),
        "against_call": paired(lambda: model(images, out), lambda: model(images), runs),
    }


def streams(model: pliant.Model, frames: int, runs: int, waits: float) -> dict[str, float]:
    """A stream that prepares one frame ahead against one that does not; each frame `waits` so many seconds first."""
    camera = np.random.default_rng(0).integers(0, 256, (720, 640), np.uint8)
    size = (model.suite.input.width, model.suite.input.height)

    def source() -> Iterator[Array]:
        for _ in range(frames):
            time.sleep(waits)
            yield np.asarray(Image.fromarray(pliant.to_rgb(camera, "nv12")).resize(size))

    def run(ahead: int) -> None:
        for _ in model.stream(source(), ahead=ahead):
            pass

    return paired(lambda: run(1), lambda: run(0), runs)


def main() -> int:
    """Measure, print and keep it."""
    parser = argparse.ArgumentParser(description="What an application pays around the engine.")
    parser.add_argument("--suite", default=SAMPLE)
    parser.add_argument("--runs", type=int, default=150)
    parser.add_argument("--out", type=Path, default=Path("out/bench"))
    chosen = parser.parse_args()
    found: dict[str, Any] = {"colors": colours(chosen.runs)}
    for color, row in found["colors"].items():
        print(f"{color}: {row['p10_ms']:.2f} ms a VGA frame at p10, {row['p50_ms']:.2f} at p50")
    with pliant.open_suite(chosen.suite) as suite, suite.load(threads=1) as model:
        for count in (1, 8):
            images = np.random.default_rng(0).integers(0, 256, (count, *suite.input.shape), np.uint8)
            found[f"out_{count}"] = row = binding(model, images, chosen.runs)
            print(f"out= for {count}: {row['against_copy']['difference_us']:+.0f} us of a call and a copy,", end=" ")
            print(f"{row['against_call']['difference_us']:+.0f} us of a call alone")
        for name, waits in (("busy", 0.0), ("waiting", 0.005)):
            found[f"stream_{name}"] = row = streams(model, 30, max(chosen.runs // 10, 2), waits)
            print(f"stream from a {name} source: one frame ahead takes {row['ratio']:.2f} of the time of none ahead")
    print(save_dated("embedding", chosen.out, f"python {shlex.join(sys.argv)}", found))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
