"""The checks of `make test-tensorrt`, tried where there is no GPU: they must not be the thing that is broken."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import pliant
from pliant.cli.sample import SAMPLE_SUITE
from pliant.tests.gpu import checks

from .fake import Vendor

pytestmark = pytest.mark.filterwarnings("ignore:Use Deprecated in TensorRT-RTX:DeprecationWarning")


@pytest.fixture
def sample() -> Iterator[pliant.Suite]:
    with pliant.open_suite(SAMPLE_SUITE) as suite:
        yield suite


def test_the_checks_pass_where_all_is_well(vendor: Vendor, sample: pliant.Suite) -> None:
    rows = checks.engines_answer(sample, "tensorrt", batch=2)
    assert [row["subnet"] for row in rows] == [subnet.id for subnet in sample.subnets]
    assert all(row["witness_error"] <= row["tolerance"] for row in rows)
    # Off by rounding where int8 is laid out for another engine, never by more.
    assert max(value for row in rows for value in row["unlike_cpu"].values()) < 0.1
    checks.threads_get_whole_answers(sample, "tensorrt", rows[0]["subnet"])
    assert checks.switching_keeps_serving(sample, "tensorrt")["switches"] == 20


def test_onnxruntimes_checks_pass_on_the_cpu(sample: pliant.Suite) -> None:
    assert all(row["witness_error"] <= row["tolerance"] for row in checks.provider_answers(sample, "cpu"))
    assert checks.device_memory_goes_through(sample, "cpu", "cpu")["bound_ms"] > 0
