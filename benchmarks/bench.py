"""The quick benchmarks of the deployed half, on the suites of `make suites`: `make bench`.

    python benchmarks/bench.py --suites out/suites --out benchmarks/results

For every suite: its size against the widest subnet's own ONNX files, opening time, session creation through pliant
against creation from the extracted file, the cost of a call through pliant over the bare onnxruntime session, and the
time of a switch over bare creation plus one run. What is compared is interleaved in the same process; a ratio is the
median of paired runs. Writes `deployed-<hardware>-<date>.json`.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import pliant
from pliant.devices.fingerprint import read_fingerprint
from pliant.runtime.manifest import SubnetInfo
from pliant.runtime.suite import Suite

RUNS, BUILDS = 150, 15


def timed(call: Callable[[], object]) -> float:
    """Milliseconds of one call."""
    start = time.perf_counter_ns()
    call()
    return (time.perf_counter_ns() - start) / 1e6


def paired(ours: Callable[[], object], theirs: Callable[[], object], runs: int) -> dict[str, float]:
    """Medians of both and of the paired ratio, with the ratio's quartiles; the order alternates."""
    for call in (ours, theirs, ours, theirs):
        call()
    pairs = []
    for index in range(runs):
        if index % 2:
            other = timed(theirs)
            pairs.append((timed(ours), other))
        else:
            pairs.append((timed(ours), timed(theirs)))
    times = np.array(pairs)
    low, middle, high = np.percentile(times[:, 0] / times[:, 1], (25, 50, 75))
    ours_ms, theirs_ms = np.median(times, 0)
    difference = float(np.median(times[:, 0] - times[:, 1])) * 1000
    values = {"ours_ms": ours_ms, "theirs_ms": theirs_ms, "ratio": middle, "ratio_p25": low, "ratio_p75": high}
    return {**{name: float(value) for name, value in values.items()}, "difference_us": difference}


def bare(path: Path, threads: int) -> Any:
    """A session of plain onnxruntime on an extracted file."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def subnet_rows(suite: Suite, subnet: SubnetInfo, folder: Path, threads: int) -> dict[str, Any]:
    """Paired figures of one subnet."""
    model_path, data_path = suite.extract(subnet.id, folder / f"{subnet.id}.onnx")
    image = suite.witness_input()
    theirs = bare(model_path, threads)
    names = list(suite.tasks)
    with suite.load(subnet.id, threads=threads) as model:
        call = paired(lambda: model(image), lambda: theirs.run(names, {"images": image}), RUNS)
        build = paired(
            lambda: suite.load(subnet.id, threads=threads).close(),
            lambda: bare(model_path, threads).run(names, {"images": image}),
            BUILDS,
        )
        switch = paired(
            lambda: model.switch(subnet.id), lambda: bare(model_path, threads).run(names, {"images": image}), BUILDS
        )
    size = model_path.stat().st_size + data_path.stat().st_size
    return {"id": subnet.id, "onnx_bytes": size, "call": call, "load": build, "switch": switch}


def suite_row(path: Path, threads: int) -> dict[str, Any]:
    """Figures of one suite: the narrowest, a middle and the widest fp32 subnet, and the widest int8 one."""
    opening = [timed(lambda: pliant.open_suite(path).close()) for _ in range(60)]
    with pliant.open_suite(path) as suite, tempfile.TemporaryDirectory() as folder:
        full = [subnet for subnet in suite.subnets if subnet.precision == "fp32"]
        int8 = [subnet for subnet in suite.subnets if subnet.precision == "int8"]
        chosen = [full[0], full[len(full) // 2], full[-1], *int8[-1:]]
        rows = [subnet_rows(suite, subnet, Path(folder), threads) for subnet in chosen]
        widest = sum(row["onnx_bytes"] for row in rows[2:])
        return {
            "suite": path.name,
            "subnets": len(suite.subnets),
            "bytes": path.stat().st_size,
            "widest_onnx_bytes": widest,
            "size_ratio": path.stat().st_size / widest,
            "open_ms": {"p10": float(np.percentile(opening, 10)), "p50": float(np.median(opening))},
            "rows": rows,
        }


def show(row: dict[str, Any]) -> None:
    """A few lines for people."""
    print(f"{row['suite']}: {row['subnets']} subnets, {row['bytes'] / 1e6:.1f} MB, {row['size_ratio']:.2f} of the")
    print(f"  widest subnet's own fp32 and int8 ONNX; opens in {row['open_ms']['p50']:.1f} ms")
    for each in row["rows"]:
        figures = ", ".join(f"{what} {each[what]['ratio']:.2f}x" for what in ("call", "load", "switch"))
        print(f"  {each['id']}: {figures} of onnxruntime alone ({each['call']['theirs_ms']:.2f} ms a call)")


def main() -> int:
    """Measure every suite of the folder; 1 where there is none."""
    parser = argparse.ArgumentParser(description="The quick benchmarks of the deployed half.")
    parser.add_argument("--suites", type=Path, default=Path("out/suites"))
    parser.add_argument("--out", type=Path, default=Path("out/bench"))
    parser.add_argument("--threads", type=int, default=2)
    chosen = parser.parse_args()
    paths = sorted(chosen.suites.glob("*.pliant"))
    if not paths:
        print(f"no suite in {chosen.suites}: run make suites first")
        return 1
    rows = []
    for path in paths:
        rows.append(suite_row(path, chosen.threads))
        show(rows[-1])
    machine = read_fingerprint()
    date = time.strftime("%Y-%m-%d")
    chosen.out.mkdir(parents=True, exist_ok=True)
    name = "".join(c if c.isalnum() else "-" for c in machine.cpu.lower()).strip("-") + f"-{machine.cores}-cores"
    result = chosen.out / f"deployed-{name}-{date}.json"
    command = f"python benchmarks/bench.py --suites {chosen.suites} --threads {chosen.threads}"
    entry = {"command": command, "hardware": machine.to_json(), "date": date, "suites": rows}
    result.write_text(json.dumps(entry, indent=1) + "\n")
    print(result)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
