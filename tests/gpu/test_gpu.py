"""Engines built, proven and run on the GPU that is here: `make test-tensorrt`. Nothing of it was run for the README."""

from __future__ import annotations

from typing import Any

import pytest

import pliant
from pliant.runtime.engine import import_onnxruntime

from . import checks

pytestmark = [pytest.mark.gpu, pytest.mark.timeout(7200)]


def test_every_subnet_is_built_proven_and_answers(engine: str, sample: pliant.Suite, found: dict[str, Any]) -> None:
    rows = found["engines"] = checks.engines_answer(sample, engine)
    wrong = [row["subnet"] for row in rows if not row["witness_error"] <= row["tolerance"]]
    assert not wrong, f"beyond their tolerance: {wrong}"


def test_threads_get_whole_answers(engine: str, sample: pliant.Suite) -> None:
    checks.threads_get_whole_answers(sample, engine, sample.subnets[-1].id)


def test_switching_keeps_serving(engine: str, sample: pliant.Suite, found: dict[str, Any]) -> None:
    found["switching"] = checks.switching_keeps_serving(sample, engine)


@pytest.mark.parametrize("provider", ["cuda", "onnxruntime-tensorrt"])
def test_onnxruntime_answers(provider: str, sample: pliant.Suite, found: dict[str, Any]) -> None:
    _need(provider)
    found[provider] = checks.provider_answers(sample, provider)


def test_images_stay_on_the_gpu(sample: pliant.Suite, found: dict[str, Any]) -> None:
    _need("cuda")
    found["on_device"] = checks.device_memory_goes_through(sample, "cuda", "cuda")


def _need(provider: str) -> None:
    try:
        import_onnxruntime(provider)
    except pliant.EngineUnavailable as error:
        pytest.skip(str(error))
