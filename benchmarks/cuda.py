"""What onnxruntime's CUDA provider does on the GPU that is here: calls, switches, DLPack, energy, on the sample suite.

    python -m pliant.benchmarks.cuda --out benchmarks/results

Needs onnxruntime-gpu with CUDA's libraries, and torch with CUDA for tensors that stay on the GPU (left out without it).
With `--provider cpu` it runs anywhere. Writes `cuda-<hardware>-<date>.json`.
"""

from __future__ import annotations

import argparse
import shlex
import statistics
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

import pliant
from pliant.benchmarks.dated import save_dated
from pliant.benchmarks.paired import paired, timed
from pliant.cli.sample import SAMPLE_SUITE
from pliant.devices.energy import energy_of, need_sensor
from pliant.runtime.format.manifest import SubnetInfo

Entry = dict[str, Any]
Array = np.ndarray[Any, Any]


def frames(suite: pliant.Suite, count: int, seed: int = 0) -> Array:
    """Random images as a call takes them."""
    return np.random.default_rng(seed).integers(0, 256, (count, *suite.input.shape), np.uint8)


def calls(suite: pliant.Suite, subnets: Sequence[SubnetInfo], provider: str, runs: int) -> list[Entry]:
    """Each subnet against its bare session, its witness and its answer on the CPU (largest difference by task)."""
    image, rows = frames(suite, 1), []
    for subnet in subnets:
        with suite.load(subnet, provider=provider) as model, suite.load(subnet, provider="cpu") as other:
            engine = model.session.engine
            names, given = [each.name for each in engine.get_outputs()], {engine.get_inputs()[0].name: image}
            found = paired(lambda: model(image), lambda: engine.run(names, given), runs)  # noqa: B023
            ours, theirs = model(image), other(image)
            apart = {task: float(np.abs(ours[task].astype(float) - theirs[task]).max()) for task in ours}
            cpu_ms = statistics.median(timed(lambda: other(image)) for _ in range(runs))
            shown = {"witness_error": model.session.witness_error, "tolerance": suite.tolerance(subnet)}
            rows.append({"subnet": subnet.id, **found, "cpu_ms": cpu_ms, **shown, "unlike_cpu": apart})
    return rows


def switches(suite: pliant.Suite, provider: str, count: int = 20) -> Entry:
    """Milliseconds of a switch between the ends of the suite, with the first call after it."""
    image, ends = frames(suite, 1), (suite.widest, suite.subnets[0])
    with suite.load(ends[1], provider=provider) as model:
        for end in ends:
            model.switch(end)
        times = [timed(lambda: (model.switch(ends[turn % 2]), model(image))) for turn in range(count)]  # noqa: B023
    return {"median_ms": statistics.median(times), "largest_ms": max(times)}


def torn(
    suite: pliant.Suite, provider: str, subnet: str, turns: int, same: Callable[[Array, Array], bool] = np.array_equal
) -> int:
    """Of eight threads on one model, the answers that were not the `same` as those of their own image."""
    images, wrong = [frames(suite, 1, seed) for seed in range(8)], []
    with suite.load(subnet, provider=provider) as model:
        wanted = [model(image) for image in images]

        def work(index: int) -> None:
            for _ in range(turns):
                found = model(images[index])
                if not all(same(found[task], wanted[index][task]) for task in found):
                    wrong.append(index)

        threads = [threading.Thread(target=work, args=(index,)) for index in range(len(images))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    return len(wrong)


def on_device(suite: pliant.Suite, provider: str, runs: int) -> Entry | None:
    """A torch tensor on the GPU, handed over and back, against a plain call; None without such a torch."""
    try:
        import torch
        import torch.utils.dlpack
    except ImportError:
        return None
    if provider != "cpu" and not torch.cuda.is_available():
        return None
    image = frames(suite, 1)
    there = torch.from_numpy(image).to("cpu" if provider == "cpu" else "cuda")
    with suite.load(suite.widest, provider=provider) as model:
        answers = {task: torch.utils.dlpack.from_dlpack(value) for task, value in model.on_device(there).items()}
        host = model(image)
        arrays = {task: each.cpu().numpy().astype(float) for task, each in answers.items()}
        apart = {task: float(np.abs(array - host[task]).max()) for task, array in arrays.items()}
        stayed = all(each.device == there.device for each in answers.values())
        found = paired(lambda: model.on_device(there), lambda: model(image), runs)
    return {**found, "stayed": stayed, "unlike_call": apart}


def energies(suite: pliant.Suite, subnets: Sequence[SubnetInfo], provider: str) -> list[Entry] | str:
    """Millijoules of a call by this machine's sensor, or why not."""
    try:
        sensor = need_sensor("processor" if provider == "cpu" else "gpu")
    except pliant.PliantError as error:
        return str(error)
    image, rows = frames(suite, 1), []
    for subnet in subnets:
        with suite.load(subnet, provider=provider) as model:
            rows.append({"subnet": subnet.id, **asdict(energy_of(lambda: model(image), sensor))})
    return rows


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print and keep it."""
    parser = argparse.ArgumentParser(description="The sample suite on onnxruntime's CUDA provider.")
    parser.add_argument("--provider", default="cuda")
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--out", type=Path, default=Path("out/bench"))
    chosen = parser.parse_args(arguments)
    with pliant.open_suite(SAMPLE_SUITE) as suite:
        few = [suite.subnets[0], suite.subnets[len(suite.subnets) // 2], suite.widest]
        found = {
            "provider": chosen.provider,
            "calls": calls(suite, few, chosen.provider, chosen.runs),
            "switches": switches(suite, chosen.provider),
            "torn": torn(suite, chosen.provider, suite.widest.id, 50, partial(np.allclose, atol=1e-3)),
            "on_device": on_device(suite, chosen.provider, chosen.runs),
            "energy": energies(suite, few, chosen.provider),
        }
    for row in found["calls"]:
        print(f"{row['subnet']}: {row['ours_ms']:.2f} ms, {row['ratio']:.3f} of bare; {row['cpu_ms']:.2f} on the CPU")
    print(f"switch and a call: {found['switches']['median_ms']:.0f} ms; {found['torn']} torn answers")
    print(save_dated("cuda", chosen.out, f"python {shlex.join(sys.argv)}", found, gpu=chosen.provider != "cpu"))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
