"""What a nested training step costs over a plain one: the widest subnet alone against the four of a step, side by side.

    python benchmarks/step.py --recipe redkitchen --out benchmarks/results

Both kinds of step run in turns in one process, on the same batch: the widest subnet alone, as an ordinary training
would, and the widest, the narrowest and two drawn between them, each taught as the recipe says; the draws are those of
a real training, another one each time. The ratio is the median of pairs. Writes `step-<recipe>-<hardware>-<date>.json`.
"""

from __future__ import annotations

import argparse
import itertools
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from pliant.benchmarks.dated import save_dated
from pliant.models.network import normalize
from pliant.models.space import SubnetConfig
from pliant.training.auxiliary import Auxiliary
from pliant.training.data.batches import epoch_batches
from pliant.training.prepare import choose_device, fresh_supernet, open_training_data
from pliant.training.recipe_file import load_recipe
from pliant.training.sampling import step_subnets
from pliant.training.schedule import make_optimizer
from pliant.training.step import Inputs, train_step


def main() -> int:
    """Time both kinds of step, print and keep the ratio."""
    parser = argparse.ArgumentParser(description="A nested training step over a plain one.")
    parser.add_argument("--recipe", default="redkitchen")
    parser.add_argument("--set", dest="settings", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--subnets", type=int, default=4, help="subnets of a nested step")
    parser.add_argument("--pairs", type=int, default=15)
    parser.add_argument("--threads", type=int, default=None)
    parser.add_argument("--out", type=Path, default=Path("out/bench"))
    chosen = parser.parse_args()
    if chosen.threads:
        torch.set_num_threads(chosen.threads)
    recipe = load_recipe(chosen.recipe, chosen.settings)
    data, settings = open_training_data(recipe), recipe.training
    device = choose_device(settings.device)
    supernet, _ = fresh_supernet(recipe, data)
    supernet.to(device)
    auxiliary = Auxiliary(supernet, settings).to(device)
    optimizer = make_optimizer(supernet, settings, auxiliary)
    batch = next(iter(epoch_batches(data.train, settings.batch_size, 0, 0, settings.augmentation)))
    images = normalize(batch.images.to(device), supernet.architecture)
    inputs = Inputs(images, {name: target.to(device) for name, target in batch.targets.items()})

    def step(subnets: Sequence[SubnetConfig]) -> float:
        began = time.perf_counter()
        train_step(supernet, optimizer, inputs, subnets, settings, 0, auxiliary=auxiliary)
        if device.type == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter() - began

    draws = (step_subnets(supernet.space, settings.seed, index, chosen.subnets - 2) for index in itertools.count())
    pairs = np.array([(step(next(draws)), step([supernet.space.widest])) for _ in range(chosen.pairs + 2)][2:])
    ratios = np.percentile(pairs[:, 0] / pairs[:, 1], (25, 50, 75))
    nested, plain = np.median(pairs, 0)
    print(f"{chosen.subnets} subnets {nested:.3f} s, the widest alone {plain:.3f} s: {ratios[1]:.2f}x", end="")
    print(f" ({ratios[0]:.2f} to {ratios[2]:.2f}), {torch.get_num_threads()} threads, {device}")
    entry = {
        "recipe": recipe.to_json(),
        "device": str(device),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "subnets": chosen.subnets,
        "nested_s": float(nested),
        "plain_s": float(plain),
        "ratio": dict(zip(("p25", "p50", "p75"), map(float, ratios), strict=True)),
    }
    command = f"python benchmarks/step.py --recipe {chosen.recipe} --subnets {chosen.subnets} --pairs {chosen.pairs}"
    print(save_dated(f"step-{recipe.name}", chosen.out, command, entry))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
