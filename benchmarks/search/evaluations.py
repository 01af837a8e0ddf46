"""How many subnets a minute a search evaluates, with what it reuses and without: features of an encoder across its
decoders, and recalibrated statistics.

One subnet for each decoder width, all on one encoder, and the next encoder for the next pair of measurements. `alone`
evaluates each from the start; `reused` as a search does, in one pass. Both must say the same quality.

python -m pliant.benchmarks.search.evaluations --data redkitchen --work out/bench-training
"""

from __future__ import annotations

import argparse
import random
import sys
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import torch

from pliant import PliantError
from pliant.models.space import SearchSpace, SubnetConfig
from pliant.search.quality.data import SearchData, open_search_data
from pliant.training.checkpoints.checkpoint import Checkpoint
from pliant.training.evaluation.evaluator import Evaluator

from ..dated import save_dated
from ..paired import paired
from ..reporting import table
from .subjects import REAL, rows_of

HEAD = ("data", "alone, a minute", "reused, a minute", "ratio (quartiles)", "known after one pass")
Qualities = list[dict[str, float]]


def main() -> int:
    """Measure all that are chosen; print a table and write the dated file. 1 where there was nothing to measure."""
    parser = argparse.ArgumentParser(description=__doc__, prog=f"python -m {__package__}.evaluations")
    parser.add_argument("--data", nargs="+", choices=REAL, default=["redkitchen"])
    parser.add_argument("--work", type=Path, default=Path("out/bench-training"), help="where supernets were trained")
    parser.add_argument("--results", type=Path, default=Path("benchmarks/results"))
    parser.add_argument("--pairs", type=int, default=9)
    chosen = parser.parse_args()

    def row(data: str, checkpoint: Checkpoint) -> list[dict[str, Any]]:
        return [{"data": data, **measured(checkpoint, open_search_data(checkpoint), chosen.pairs)}]

    rows, failed = rows_of(chosen.data, chosen.work, row)
    if rows:
        command = f"python -m {__package__}.evaluations --data {' '.join(chosen.data)} --pairs {chosen.pairs}"
        print(table(list(HEAD), list(map(_cells, rows))))
        print(save_dated("evaluations", chosen.results, command, {"rows": rows}), file=sys.stderr)
    return 1 if failed or not rows else 0


def measured(checkpoint: Checkpoint, images: SearchData, pairs: int) -> dict[str, Any]:
    """Both ways side by side: subnets a minute, and the paired ratio. PliantError where they say different things."""
    evaluator = partial(Evaluator, checkpoint.supernet, images.recalibration, images.validation)
    space, said = checkpoint.space, dict[str, list[Qualities]]({"alone": [], "reused": []})
    turns = {name: count() for name in said}

    def alone() -> None:
        configs = subnets_at(space, next(turns["alone"]))
        said["alone"].append([evaluator().quality(config) for config in configs])

    def reused() -> None:
        configs, shared = subnets_at(space, next(turns["reused"])), evaluator()
        shared.table(configs[0].encoder, dict.fromkeys(space.tasks, space.decoder_widths))
        said["reused"].append([shared.quality(config) for config in configs])

    found = paired(reused, alone, pairs)
    if said["alone"] != said["reused"]:
        raise PliantError("a subnet's quality is another one where features are reused")
    subnets = len(space.decoder_widths)
    return {
        "subnets": subnets,
        "beside": subnets ** len(space.tasks),
        "alone_a_minute": 60_000 * subnets / found["theirs_ms"],
        "reused_a_minute": 60_000 * subnets / found["ours_ms"],
        "threads": torch.get_num_threads(),
        **found,
    }


def subnets_at(space: SearchSpace, number: int) -> list[SubnetConfig]:
    """A subnet for each decoder width, on the `number`-th encoder: drawn at random, the same at every call."""
    rng = random.Random(f"evaluations/{number}")
    encoder = tuple(rng.choice(space.encoder_widths) for _ in range(space.stages))
    return [SubnetConfig(encoder, tuple((task, width) for task in space.tasks)) for width in space.decoder_widths]


def _cells(row: dict[str, Any]) -> list[str]:
    ratio = f"{1 / row['ratio']:.1f} ({1 / row['ratio_p75']:.1f} to {1 / row['ratio_p25']:.1f})"
    rates = (f"{row['alone_a_minute']:.0f}", f"{row['reused_a_minute']:.0f}")
    return [row["data"], *rates, ratio, f"{row['beside']:,} subnets"]


if __name__ == "__main__":
    raise SystemExit(main())
