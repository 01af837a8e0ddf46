"""What pliant costs over onnxruntime alone: calls, loading and switching at three widths, importing, resident memory.

Calls, loads and switches are those of `make bench` (benchmarks/bench.py). Processes are fresh and take turns: one
imports numpy and onnxruntime and runs the extracted file, the other does the same through pliant. What importing takes
is the processor's time: it runs on one thread, and waits for other work on the machine tell nothing of it.
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
KEPT = ("import_ms", "imported_bytes", "serving_bytes")
CALL_SHARE, CALL_US = 0.03, 30.0
SWITCH_SHARE, PROCESS_SHARE = 0.10, 0.15

_START = """
import json, sys, time

def resident():
    with open("/proc/self/status") as lines:
        return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) * 1024

start, empty = time.process_time(), resident()
{imports}
imported_ms, imported = (time.process_time() - start) * 1e3, resident() - empty
start = time.process_time()
{later}
later_ms = (time.process_time() - start) * 1e3
import numpy
image = numpy.load(sys.argv[2])
{serve}
for _ in range(3):
    call()
serving = resident() - empty
print(json.dumps({{"import_ms": imported_ms, "imported_bytes": imported,
    "serving_bytes": serving, "later_ms": later_ms}}))
"""
_BARE = _START.format(
    imports="import numpy, onnxruntime",
    serve="""
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = int(sys.argv[4])
session = onnxruntime.InferenceSession(sys.argv[1], options, providers=["CPUExecutionProvider"])
call = lambda: session.run(None, {"images": image})
""",
    later="",
)
# What the first load imports is told apart.
_OURS = _START.format(
    imports="import numpy, onnxruntime, pliant; pliant.open_suite",
    serve="""
model = pliant.open_suite(sys.argv[1]).load(sys.argv[3], threads=int(sys.argv[4]))
call = lambda: model(image)
""",
    later="import pliant.runtime.model",
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
    pycache = folder / "pycache"
    for index in range(chosen.processes + 1):
        tell(f"process {index} of {chosen.processes}")
        sides = {
            "ours": lambda: _ask(_OURS, pycache, [str(suite.path), *last]),
            "bare": lambda: _ask(_BARE, pycache, [str(model_path), *last]),
        }
        order = list(sides) if index % 2 == 0 else list(sides)[::-1]
        pairs.append({side: sides[side]() for side in order})
    # The first pair has compiled the modules, as installing a package does.
    found = {what: _compared(pairs[1:], what) for what in KEPT}
    return {
        "subnet": subnet,
        "load_import_ms": float(np.median([pair["ours"]["later_ms"] for pair in pairs[1:]])),
        **found,
    }


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


def _ask(code: str, pycache: Path, arguments: list[str]) -> dict[str, float]:
    # Modules are compiled once, whatever this process was told.
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    path = os.pathsep.join(str(Path(entry or os.getcwd())) for entry in sys.path)
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        capture_output=True,
        text=True,
        env={**environment, "PYTHONPATH": path, "PYTHONPYCACHEPREFIX": str(pycache)},
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
        **{what: found[what]["ratio"] <= 1 + PROCESS_SHARE for what in KEPT},
    }
