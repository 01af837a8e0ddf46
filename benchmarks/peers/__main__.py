"""Quantize the uniform subnets of a trained supernet by pliant and by each peer, and judge all of them."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from pliant import PliantError
from pliant.devices.measure import Effort, measure
from pliant.training.checkpoints.checkpoint import load_checkpoint, resolve

from ..dated import save_dated
from .judged import QUANTILE, Session, judge, losses
from .quantizers import PEERS
from .report import table
from .subnets import Subnets

WIDTHS = (1.0, 0.75, 0.5, 0.25)
Entry = dict[str, Any]


def main() -> int:
    """Run all; 1 where no peer could be run."""
    parser = argparse.ArgumentParser(description=__doc__, prog="python -m pliant.benchmarks.peers")
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("--widths", nargs="+", type=float, default=list(WIDTHS))
    parser.add_argument("--peer", action="append", default=[], metavar="NAME=PYTHON", help="an interpreter for a peer")
    parser.add_argument("--split", default="validation")
    parser.add_argument("--results", type=Path, default=Path("benchmarks/results"))
    chosen = parser.parse_args()
    pythons = dict.fromkeys(PEERS, sys.executable) | dict(each.split("=", 1) for each in chosen.peer)
    loaded = load_checkpoint(resolve(chosen.checkpoint)[0])
    subnets = Subnets(loaded, chosen.split)
    rows = [row for width in chosen.widths for row in _of_width(subnets, width, pythons)]
    recipe = loaded.recipe.name
    command = f"python -m {__package__} CHECKPOINT --widths {' '.join(f'{width:g}' for width in chosen.widths)}"
    entry = {"recipe": recipe, "images": len(subnets.quality), "split": chosen.split, "rows": rows}
    path = save_dated(f"peers-{recipe}", chosen.results, command, entry)
    print(table(rows), path, sep="\n")
    return 0 if len({row["method"] for row in rows}) > 2 else 1


def _of_width(subnets: Subnets, width: float, pythons: dict[str, str]) -> list[Entry]:
    """A row for fp32, for pliant and for each peer, their times taken in turns."""
    config = subnets.supernet.space.uniform(width, width)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        fp32 = subnets.fp32(config)
        subnets.save(fp32, folder / "fp32.onnx")
        np.savez(folder / "images.npz", images=subnets.calibration)
        made: dict[str, Entry] = {"fp32": {"by": "", "seconds": 0.0}}
        began = time.perf_counter()
        if (found := subnets.int8(fp32)) is not None:
            subnets.save(found[0], folder / "pliant.onnx")
            made["pliant"] = {"by": found[1], "seconds": time.perf_counter() - began}
        for peer, python in pythons.items():
            if (answer := _quantized(peer, python, folder)) is not None:
                made[peer] = answer
        return _judged(subnets, width, folder, made)


def _quantized(peer: str, python: str, folder: Path) -> Entry | None:
    """What the peer says it is, and the seconds it took; None, and why on the screen, where it cannot."""
    script = Path(__file__).with_name("quantizers.py")
    files = (folder / "fp32.onnx", folder / "images.npz", folder / f"{peer}.onnx")
    began = time.perf_counter()
    quiet = {**os.environ, "NNCF_TELEMETRY_DISABLED": "1"}
    ran = subprocess.run(
        [python, script, peer, *files], cwd=folder, capture_output=True, text=True, env=quiet, check=False
    )
    if ran.returncode or not files[2].exists():
        print(f"{peer} is left out: {(ran.stderr.strip().splitlines() or ['it wrote nothing'])[-1]}", file=sys.stderr)
        return None
    said = next(line for line in ran.stdout.splitlines() if line.startswith("made by "))
    return {"by": said.removeprefix("made by "), "seconds": time.perf_counter() - began}


def _judged(subnets: Subnets, width: float, folder: Path, made: dict[str, Entry]) -> list[Entry]:
    sessions: dict[str, Session] = {}
    judgements = {}
    for name in made:
        try:
            sessions[name], judgements[name] = judge(folder / f"{name}.onnx", subnets.tasks, subnets.quality)
        except (PliantError, RuntimeError) as error:
            print(f"{name} made a model that does not run: {error}", file=sys.stderr)
    image = subnets.quality.images[:1]
    calls = {name: lambda session=session: session(image) for name, session in sessions.items()}
    times = measure(calls, quantile=QUANTILE, effort=Effort(runs=90, spread=0.02, seconds=2.0 * len(calls)))
    base = times["fp32"].at(QUANTILE)
    assert base is not None
    return [
        {
            "width": width,
            "method": name,
            **made[name],
            "bytes": judged.bytes,
            "latency_ms": times[name].at(QUANTILE),
            "spread": times[name].spread,
            "speedup": base / (times[name].at(QUANTILE) or base),
            "quality": judged.quality,
            "loss": losses(subnets.tasks, judgements["fp32"], judged),
        }
        for name, judged in judgements.items()
    ]


if __name__ == "__main__":
    raise SystemExit(main())
