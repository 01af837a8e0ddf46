"""The quick benchmarks of the deployed half, on the suites of `make suites`: `make bench`.

    python benchmarks/bench.py --suites out/suites --out benchmarks/results

For every suite: its size against the widest subnet's own ONNX files, opening time, session creation through pliant
against creation from the extracted file, the cost of a call through pliant over the bare onnxruntime session, and the
time of a switch, to and fro between two subnets of like size, over creating the bare session of the same target and
running it once (a switch runs its target once too, against the witness). What is compared is interleaved in the same
process; a ratio is the median of paired runs. One thread: the threads of a session go on spinning after a call and slow
down the session that it takes turns with (with two, both took twice as long, and ratios had quartiles of 0.6 and 1.6).
Writes `deployed-<hardware>-<date>.json`.
"""

from __future__ import annotations

import argparse
import itertools
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

import pliant
from pliant.benchmarks.dated import save_dated
from pliant.benchmarks.paired import paired, timed
from pliant.runtime.format.manifest import SubnetInfo
from pliant.runtime.heap import release_memory
from pliant.runtime.model import Model
from pliant.runtime.suite import Suite

RUNS, BUILDS = 150, 15


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
        release_memory()
        call = paired(lambda: model(image), lambda: theirs.run(names, {"images": image}), RUNS)
        build = paired(
            lambda: suite.load(subnet.id, threads=threads).close(),
            lambda: bare(model_path, threads).run(names, {"images": image}),
            BUILDS,
        )
        switch = switch_row(suite, model, model_path, threads)
    size = model_path.stat().st_size + data_path.stat().st_size
    return {"id": subnet.id, "onnx_bytes": size, "call": call, "load": build, "switch": switch}


def switch_row(suite: Suite, model: Model, model_path: Path, threads: int) -> dict[str, Any] | None:
    """Paired figures of switches to the subnet of like size and back; None where no other has this precision."""
    subnet, image, names = model.subnet, suite.witness_input(), list(suite.tasks)
    others = [other for other in suite.subnets if other.precision == subnet.precision and other != subnet]
    if not others:
        return None
    other = min(others, key=lambda candidate: abs(candidate.macs - subnet.macs))
    paths = {subnet.id: model_path}
    paths[other.id], _ = suite.extract(other.id, model_path.with_name(f"{other.id}-beside.onnx"))
    # Both go through the same targets in the same order, so that each pair is of one target.
    ours, theirs = (itertools.cycle((other.id, subnet.id)) for _ in range(2))
    built = []

    def switch() -> None:
        built.append(model.switch(next(ours)).build_ms)

    figures = paired(switch, lambda: bare(paths[next(theirs)], threads).run(names, {"images": image}), BUILDS)
    if min(built) <= 0:
        raise RuntimeError(f"a switch between {subnet.id} and {other.id} built no session: nothing was measured")
    return {"between": [subnet.id, other.id], "build_ms": float(np.median(built)), **figures}


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
        figures = ", ".join(f"{what} {each[what]['ratio']:.2f}x" for what in ("call", "load", "switch") if each[what])
        print(f"  {each['id']}: {figures} of onnxruntime alone ({each['call']['theirs_ms']:.2f} ms a call)")


def main() -> int:
    """Measure every suite of the folder; 1 where there is none."""
    parser = argparse.ArgumentParser(description="The quick benchmarks of the deployed half.")
    parser.add_argument("--suites", type=Path, default=Path("out/suites"))
    parser.add_argument("--out", type=Path, default=Path("out/bench"))
    parser.add_argument("--threads", type=int, default=1)
    chosen = parser.parse_args()
    paths = sorted(chosen.suites.glob("*.pliant"))
    if not paths:
        print(f"no suite in {chosen.suites}: run make suites first")
        return 1
    rows = []
    for path in paths:
        rows.append(suite_row(path, chosen.threads))
        show(rows[-1])
    command = f"python benchmarks/bench.py --suites {chosen.suites} --threads {chosen.threads}"
    print(save_dated("deployed", chosen.out, command, {"suites": rows}))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
