"""What is checked on a real GPU, and measured on the way; plain functions, so that they are tried without one too."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np

import pliant
from pliant.benchmarks.cuda import torn
from pliant.runtime.tensorrt.engines import build_engines
from pliant.runtime.tensorrt.settings import BuildSettings

Row = dict[str, Any]
_RUNS = 50


def engines_answer(suite: pliant.Suite, engine: str, batch: int = 4) -> list[Row]:
    """Build every subnet, prove it, run it against its witness and against onnxruntime's CPU; a row of each."""
    rows = []
    for built in build_engines(suite, suite.subnets, BuildSettings(engine, batch=batch)):
        info, subnet = built.info, suite.subnet(built.subnet)
        with suite.load(subnet, provider=engine) as model, suite.load(subnet, provider="cpu") as other:
            rows.append(
                {
                    "subnet": subnet.id,
                    "precisions": info.precisions,
                    "stripped": info.stripped,
                    "plan_bytes": info.bytes,
                    "build_s": info.seconds,
                    "witness_error": model.session.witness_error,
                    "tolerance": suite.tolerance(subnet),
                    "unlike_cpu": _unlike(suite, model, other, batch),
                    "engine_ms": _median_ms(model, suite),
                    "cpu_ms": _median_ms(other, suite),
                }
            )
    return rows


def threads_get_whole_answers(suite: pliant.Suite, engine: str, subnet: str) -> None:
    """Eight threads, one engine: each answer is that of its own image."""
    failed = torn(suite, engine, subnet, 20)
    assert not failed, f"answers of {failed} calls were not those of their images"


def switching_keeps_serving(suite: pliant.Suite, engine: str) -> Row:
    """Switch to and fro between the narrowest and the widest engine; how long a switch takes."""
    first, last = suite.subnets[0].id, suite.subnets[-1].id
    with suite.load(first, provider=engine) as model:
        times = [model.switch(last if turn % 2 == 0 else first).total_ms for turn in range(20)]
        assert model.subnet.id == first
    return {"switch_ms": statistics.median(times), "switches": len(times)}


def provider_answers(suite: pliant.Suite, provider: str) -> list[Row]:
    """onnxruntime's provider on every subnet, against witnesses."""
    rows = []
    for subnet in suite.subnets:
        with suite.load(subnet, provider=provider) as model:
            rows.append(
                {
                    "subnet": subnet.id,
                    "witness_error": model.session.witness_error,
                    "tolerance": suite.tolerance(subnet),
                    "provider_ms": _median_ms(model, suite),
                }
            )
    return rows


def device_memory_goes_through(suite: pliant.Suite, provider: str, device: str) -> Row:
    """Images and outputs that stay on the device, and what that saves."""
    import onnxruntime

    image = _frame(suite, 0)[None]
    there = onnxruntime.OrtValue.ortvalue_from_numpy(image, device, 0)
    with suite.load(suite.widest, provider=provider) as model:
        for task, array in model(image).items():
            np.testing.assert_allclose(model.on_device(there)[task].numpy(), array, rtol=1e-5, atol=1e-6)
        bound = _median_of(lambda: model.on_device(there))
        return {"bound_ms": bound, "plain_ms": _median_ms(model, suite)}


def _frame(suite: pliant.Suite, seed: int) -> np.ndarray[Any, Any]:
    return np.random.default_rng(seed).integers(0, 256, suite.input.shape, np.uint8)


def _unlike(suite: pliant.Suite, model: pliant.Model, other: pliant.Model, batch: int) -> dict[str, float]:
    """By task: the share of pixels whose class differs, or the mean difference over the output's spread."""
    images = np.stack([_frame(suite, seed) for seed in range(batch)])
    ours, theirs = model(images), other(images)
    found = {}
    for task, array in ours.items():
        assert array.shape == theirs[task].shape
        if array.dtype == np.uint8:
            found[task] = float((array != theirs[task]).mean())
        else:
            found[task] = float(np.abs(array - theirs[task]).mean() / max(float(np.ptp(theirs[task])), 1e-9))
    return found


def _median_ms(model: pliant.Model, suite: pliant.Suite) -> float:
    image = _frame(suite, 0)
    return _median_of(lambda: model(image))


def _median_of(call: Callable[[], object]) -> float:
    times = []
    for _ in range(_RUNS):
        start = time.perf_counter()
        call()
        times.append((time.perf_counter() - start) * 1e3)
    return statistics.median(times[_RUNS // 5 :])
