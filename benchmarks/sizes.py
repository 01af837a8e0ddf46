"""A hundred subnets in one file: its size beside that of plain ONNX files, what export, opening and loading take.

    python -m pliant.benchmarks.sizes --widths 52 --out benchmarks/results

The full-size ResNet-18 of `scenes-resnet18`, untrained, in random widths, fp32 and int8: sizes and times ask for no
training. What loading touches is counted by the kernel (`rchar` of /proc/self/io): what the process reads by calls.
"""

from __future__ import annotations

import argparse
import json
import random
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

import pliant
from pliant.benchmarks.dated import save_dated
from pliant.export.pipeline import export_suite
from pliant.export.report import ExportReport
from pliant.export.settings import ExportData
from pliant.models.supernet import Supernet
from pliant.runtime.session import load_subnet
from pliant.runtime.suite import Suite
from pliant.training.prepare import fresh_supernet, open_training_data
from pliant.training.recipe.file import load_recipe

Entry = dict[str, Any]
OPENINGS = 150
_OPENING = """
import json, sys, time
import pliant

times = []
for _ in range(int(sys.argv[2]) + 20):
    start = time.perf_counter()
    suite = pliant.open_suite(sys.argv[1])
    times.append((time.perf_counter() - start) * 1e3)
    suite.close()
print(json.dumps(times[20:]))
"""


def main() -> int:
    """Export, measure, keep."""
    parser = argparse.ArgumentParser(description="A hundred subnets in one file.")
    parser.add_argument("--widths", type=int, default=52, help="each in fp32 and int8")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("out/bench"))
    parser.add_argument("--keep", type=Path, help="leave the suite there")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        path = chosen.keep or Path(name) / "scenes-resnet18.pliant"
        began = time.perf_counter()
        report = exported(chosen.widths, chosen.seed, path)
        entry = {
            "seconds": {"all": time.perf_counter() - began, **report.seconds},
            **sizes(path, Path(name)),
            "opening_ms": opening(path),
            "touched": touched(path),
            "parity": parity(report),
        }
    for key, value in entry.items():
        print(key, value)
    print(
        save_dated("sizes", chosen.out, shlex.join(["python", "-m", "pliant.benchmarks.sizes", *sys.argv[1:]]), entry)
    )
    return 0


def exported(widths: int, seed: int, path: Path) -> ExportReport:
    """The suite of so many random width configurations, the widest and the narrowest among them."""
    recipe = load_recipe(
        "scenes-resnet18", ["data.counts={train: 64, validation: 16, test: 4}", f"training.seed={seed}"]
    )
    data = open_training_data(recipe)
    supernet, _ = fresh_supernet(recipe, data)
    _tell(f"exporting {widths} widths")
    return export_suite(
        supernet,
        configurations(supernet, widths, seed),
        path,
        data=ExportData(data.train, data.validation),
        quality_images=16,
        recalibration_images=64,
        progress=lambda stage, done, total: _tell(f"{stage}: {done} of {total}") if done in (0, total) else None,
    )


def configurations(supernet: Supernet, widths: int, seed: int) -> list[Any]:
    """Different ones, at random but for the ends."""
    rng, space = random.Random(seed), supernet.space
    found = dict.fromkeys([space.widest, space.narrowest])
    while len(found) < widths:
        found.setdefault(space.sample(rng))
    return list(found)


def sizes(path: Path, folder: Path) -> Entry:
    """Bytes of the suite, of the widest's own two files, and of one file for each subnet."""
    with pliant.open_suite(path) as suite:
        alone = {subnet.id: _alone(suite, subnet.id, folder) for subnet in suite.subnets}
        most = max(subnet.macs for subnet in suite.subnets)
        widest = sum(alone[subnet.id] for subnet in suite.subnets if subnet.macs == most)
        size = path.stat().st_size
        return {
            "subnets": len(alone),
            "suite_bytes": size,
            "widest_bytes": widest,
            "ratio": size / widest,
            "one_file_each_bytes": sum(alone.values()),
        }


def _alone(suite: Suite, name: str, folder: Path) -> int:
    files = suite.extract(name, folder / "alone.onnx")
    size = sum(file.stat().st_size for file in files)
    for file in files:
        file.unlink()
    return size


def opening(path: Path) -> Entry:
    """Milliseconds from a path to an open suite, its header and manifest checked; in a process without torch.

    Whatever else lives in a process is walked by Python's garbage collector when an opening makes its objects.
    """
    done = subprocess.run(
        [sys.executable, "-c", _OPENING, str(path), str(OPENINGS)], capture_output=True, text=True, check=True
    )
    return _quantiles(json.loads(done.stdout))


def touched(path: Path) -> Entry:
    """Bytes read to load a subnet of a suite that is open, over those of its own weights: of every one."""
    shares = {}
    with pliant.open_suite(path) as suite:
        load_subnet(suite, suite.subnets[0], threads=1)  # what is read once: modules, the index of digests
        for subnet in suite.subnets:
            before = _read_so_far()
            load_subnet(suite, subnet, threads=1)
            shares[subnet.id] = (_read_so_far() - before) / subnet.bytes
    return {
        **_quantiles(shares.values()),
        "largest": max(shares.values()),
        "of": max(shares, key=lambda name: shares[name]),
    }


def _read_so_far() -> int:
    fields = dict(line.split(": ") for line in Path("/proc/self/io").read_text().splitlines())
    return int(fields["rchar"])


def parity(report: ExportReport) -> Entry:
    """Errors of all fp32 subnets against torch, by kind of output: over the output's range, and what is allowed."""
    found: Entry = {}
    for kind, raw in (("raw", True), ("decoded", False)):
        errors = [
            statistics
            for subnet in report.subnets
            if subnet.precision == "fp32"
            for name, statistics in subnet.parity.items()
            if name.endswith("/logits") == raw
        ]
        relative = [each.relative for each in errors]
        found[kind] = {
            "outputs": len(errors),
            **_quantiles(relative),
            "largest": max(relative),
            "allowed": max(each.tolerance for each in errors),
        }
    return found


def _quantiles(values: Iterable[float]) -> Entry:
    low, middle, high = np.percentile(list(values), (10, 50, 90))
    return {"p10": float(low), "p50": float(middle), "p90": float(high)}


def _tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    raise SystemExit(main())
