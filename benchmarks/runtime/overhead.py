"""What pliant costs over onnxruntime alone: calls, loading and switching at three widths, importing, resident memory.

Calls, loads and switches are those of `make bench` (benchmarks/bench.py). Processes are fresh and take turns: one
imports numpy and onnxruntime and runs the extracted file, the other does the same through pliant.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

import pliant
from pliant.runtime.suite import Suite

from ..bench import subnet_rows
from ..reporting import Entry
from .telling import tell

# What is promised: a call costs at most this share or this many microseconds more, whichever is more.
CALL_SHARE, CALL_US = 0.03, 30.0
SWITCH_SHARE, PROCESS_SHARE = 0.10, 0.15

_START = """
import json, sys, time

def resident():
    with open("/proc/self/status") as lines:
        return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) * 1024

start, empty = time.perf_counter(), resident()
{imports}
imported_ms, imported = (time.perf_counter() - start) * 1e3, resident() - empty
import numpy
image = numpy.load(sys.argv[2])
{serve}
for _ in range(3):
    call()
print(json.dumps({{"import_ms": imported_ms, "imported_bytes": imported, "serving_bytes": resident() - empty}}))
"""
_BARE = _START.format(
    imports="import numpy, onnxruntime",
    serve="""
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = int(sys.argv[4])
session = onnxruntime.InferenceSession(sys.argv[1], options, providers=["CPUExecutionProvider"])
call = lambda: session.run(None, {"images": image})
""",
)
# All that loading and planning import on first use counts too.
_OURS = _START.format(
    imports="import pliant, pliant.runtime.model, pliant.runtime.plan, pliant.runtime.opening, onnxruntime",
    serve="""
model = pliant.open_suite(sys.argv[1]).load(sys.argv[3], threads=int(sys.argv[4]))
call = lambda: model(image)
""",
)


def options(parser: argparse.ArgumentParser) -> None:
    """What this part is asked for."""
    parser.add_argument("--processes", type=int, default=15, help="fresh processes of each kind")
    parser.add_argument("--threads", type=int, default=1)


def run(chosen: argparse.Namespace) -> Entry:
    """Every comparison, with the promise that it is held against."""
    with pliant.open_suite(chosen.suite) as suite, tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        full = sorted((each for each in suite.subnets if each.precision == "fp32"), key=lambda each: each.macs)
        rows = []
        for subnet in (full[0], full[len(full) // 2], full[-1]):
            tell(f"calls, loads and switches of {subnet.id}")
            rows.append(subnet_rows(suite, subnet, folder, chosen.threads))
        found = processes(suite, full[len(full) // 2].id, folder, chosen)
        return {"suite": suite.path.name, "rows": rows, "processes": found, "kept": kept(rows, found)}


def processes(suite: Suite, subnet: str, folder: Path, chosen: argparse.Namespace) -> Entry:
    """Medians of what fresh processes say, and of the ratio of neighbours, with its quartiles."""
    model_path, _ = suite.extract(subnet, folder / "alone.onnx")
    image = folder / "image.npy"
    np.save(image, suite.witness_input())
    last = [str(image), subnet, str(chosen.threads)]
    pairs = []
    for index in range(chosen.processes):
        tell(f"process {index + 1} of {chosen.processes}")
        sides = {
            "ours": lambda: _ask(_OURS, [str(suite.path), *last]),
            "bare": lambda: _ask(_BARE, [str(model_path), *last]),
        }
        order = list(sides) if index % 2 == 0 else list(sides)[::-1]
        pairs.append({side: sides[side]() for side in order})
    return {"subnet": subnet, **{what: _compared(pairs, what) for what in pairs[0]["ours"]}}


def _compared(pairs: list[dict[str, dict[str, float]]], what: str) -> Entry:
    times = np.array([(pair["ours"][what], pair["bare"][what]) for pair in pairs])
    low, middle, high = np.percentile(times[:, 0] / times[:, 1], (25, 50, 75))
    ours, bare = np.median(times, 0)
    return {
        key: float(value)
        for key, value in zip(
            ("ours", "bare", "ratio", "ratio_p25", "ratio_p75"), (ours, bare, middle, low, high), strict=True
        )
    }


def _ask(code: str, arguments: list[str]) -> dict[str, float]:
    path = os.pathsep.join(str(Path(entry or os.getcwd())) for entry in sys.path)
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": path},
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"a process failed: {done.stderr.strip()[-500:]}")
    found: dict[str, float] = json.loads(done.stdout)
    return found


def kept(rows: list[Entry], found: Entry) -> Entry:
    """Which promises hold."""
    switches = [row["switch"] for row in rows if row["switch"]]
    return {
        "call": all(row["call"]["ratio"] <= 1 + CALL_SHARE or row["call"]["difference_us"] <= CALL_US for row in rows),
        "switch": all(each["ratio"] <= 1 + SWITCH_SHARE for each in switches),
        "import_ms": found["import_ms"]["ratio"] <= 1 + PROCESS_SHARE,
        "imported_bytes": found["imported_bytes"]["ratio"] <= 1 + PROCESS_SHARE,
        "serving_bytes": found["serving_bytes"]["ratio"] <= 1 + PROCESS_SHARE,
    }
