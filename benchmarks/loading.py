"""Is data loading a bottleneck of training? How long steps wait for their batch, and what a batch costs to load.

    python benchmarks/loading.py --recipes redkitchen camvid --out benchmarks/results

Each recipe trains some steps as `pliant train` does: batches are decoded and augmented by another thread, ahead of the
steps. `waited` is the share of the wall time in which a step stood still for want of its batch; `loading_ms` is what a
batch takes that thread when nothing else runs. Writes `loading-<hardware>-<date>.json`.
"""

from __future__ import annotations

import argparse
import itertools
import shlex
import statistics
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from pliant.benchmarks.dated import save_dated
from pliant.benchmarks.stepping import Stepping
from pliant.training.data.ahead import ahead
from pliant.training.data.batches import Batch, epoch_batches
from pliant.training.optimization.sampling import subnets_at
from pliant.training.recipe.file import load_recipe
from pliant.training.recipe.recipe import Recipe

# The first steps wait for the first batch and warm caches up.
WARM = 2


def measure(recipe: Recipe, steps: int) -> dict[str, Any]:
    """Shares and milliseconds of one recipe."""
    training = Stepping(recipe)
    # Steps of the widest alone say little of what most steps wait for.
    settings = recipe.training.model_copy(update={"full_width": 0.0})

    def batches() -> Iterator[Batch]:
        epochs = (
            epoch_batches(training.data.train, settings.batch_size, settings.seed, epoch, settings.augmentation)
            for epoch in itertools.count()
        )
        return itertools.islice(itertools.chain.from_iterable(epochs), steps + WARM)

    loading = list(_times(batches()))[WARM:]
    waiting: list[float] = []
    began = 0.0
    source = ahead(batches())
    for step in range(steps + WARM):
        if step == WARM:
            waiting, began = [], time.perf_counter()
        before = time.perf_counter()
        batch = next(source)
        waiting.append(time.perf_counter() - before)
        subnets = subnets_at(training.supernet.space, settings, step, steps)
        training.step(training.inputs(batch), subnets, step)
    wall = time.perf_counter() - began
    return {
        "waited": sum(waiting) / wall,
        "loading_ms": 1e3 * statistics.median(loading),
        "step_ms": 1e3 * wall / steps,
        "steps": steps,
        "device": str(training.device),
    }


def _times(batches: Iterator[Batch]) -> Iterator[float]:
    while True:
        before = time.perf_counter()
        if next(batches, None) is None:
            return
        yield time.perf_counter() - before


def main() -> int:
    """Measure recipe by recipe; print and keep it."""
    parser = argparse.ArgumentParser(description="How long training waits for data.")
    parser.add_argument("--recipes", nargs="+", default=["redkitchen", "camvid", "cifar100-mtl", "scenes-demo"])
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--threads", type=int, default=None)
    parser.add_argument("--out", type=Path, default=Path("out/bench"))
    chosen = parser.parse_args()
    if chosen.threads:
        torch.set_num_threads(chosen.threads)
    found = {}
    for name in chosen.recipes:
        found[name] = measure(load_recipe(name, []), chosen.steps)
        row = found[name]
        print(f"{name}: waited {100 * row['waited']:.1f} % of the time; a batch {row['loading_ms']:.0f} ms,", end=" ")
        print(f"a step {row['step_ms']:.0f} ms", flush=True)
    entry = {"threads": torch.get_num_threads(), "torch": torch.__version__, "recipes": found}
    print(save_dated("loading", chosen.out, f"python {shlex.join(sys.argv)}", entry))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
