"""What a nested training step costs over a plain one: the widest subnet alone against the four of a step, side by side.

    python benchmarks/step.py --recipe redkitchen --out benchmarks/results

Both kinds of step run in turns in one process, on the same batch: the widest subnet alone, as an ordinary training
would, and the widest, the narrowest and two drawn between them, each taught as the recipe says; they are drawn by the
recipe's sampling, as in a training past its steps of the widest alone, anew each time. The ratio is the median of
pairs. Writes `step-<recipe>-<hardware>-<date>.json`.
"""

from __future__ import annotations

import argparse
import itertools
import shlex
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch

from pliant import PliantError
from pliant.benchmarks.dated import save_dated
from pliant.benchmarks.paired import paired
from pliant.benchmarks.stepping import Stepping
from pliant.models.space import SearchSpace, SubnetConfig
from pliant.training.data.batches import epoch_batches
from pliant.training.optimization.sampling import subnets_at
from pliant.training.recipe.file import load_recipe
from pliant.training.recipe.training import TrainingRecipe


def drawn(space: SearchSpace, recipe: TrainingRecipe, count: int) -> Iterator[list[SubnetConfig]]:
    """The `count` subnets of one step after the other, as the recipe draws them once it trains more than the widest."""
    nested = recipe.model_copy(update={"full_width": 0.0, "subnets": count - 2})
    return (subnets_at(space, nested, step, step + 1) for step in itertools.count())


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
    try:
        recipe = load_recipe(chosen.recipe, chosen.settings)
        training = Stepping(recipe)
    except PliantError as error:
        parser.error(str(error))
    space, device, settings = training.supernet.space, training.device, recipe.training
    batch = next(iter(epoch_batches(training.data.train, settings.batch_size, 0, 0, settings.augmentation)))
    inputs = training.inputs(batch)

    def step(subnets: Sequence[SubnetConfig]) -> None:
        training.step(inputs, subnets)

    steps = drawn(space, settings, chosen.subnets)
    found = paired(lambda: step(next(steps)), lambda: step([space.widest]), chosen.pairs)
    threads = torch.get_num_threads()
    print(f"{chosen.subnets} subnets {found['ours_ms']:.0f} ms, the widest alone {found['theirs_ms']:.0f} ms:", end=" ")
    print(f"{found['ratio']:.2f}x ({found['ratio_p25']:.2f} to {found['ratio_p75']:.2f}), {threads} threads, {device}")
    ran = {"device": str(device), "threads": threads, "torch": torch.__version__, "subnets": chosen.subnets}
    entry = {"recipe": recipe.to_json(), **ran, "step": found}
    print(
        save_dated(
            f"step-{recipe.name}", chosen.out, f"python {shlex.join(sys.argv)}", entry, gpu=device.type == "cuda"
        )
    )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
