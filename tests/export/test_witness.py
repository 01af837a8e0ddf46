from __future__ import annotations

import numpy as np
import pytest

from pliant.export.witness import SAMPLES, answer_error, choose_indices, tolerances, witness_arrays

from .making import task

TASKS = (task("depth"), task("classification"))


def outputs(seed: int = 0) -> dict[str, np.ndarray]:
    random = np.random.default_rng(seed)
    return {"depth": random.random((1, 32, 48), np.float32), "classification": random.random((1, 5), np.float32)}


def test_samples_are_bounded_within_the_output_and_always_the_same() -> None:
    indices = choose_indices(TASKS, outputs())
    assert {name: len(places) for name, places in indices.items()} == {"depth": SAMPLES, "classification": 5}
    assert indices["depth"].max() < 32 * 48
    assert (choose_indices(TASKS, outputs(1))["depth"] == indices["depth"]).all()


def test_the_witness_is_what_was_answered() -> None:
    indices, answer = choose_indices(TASKS, outputs()), outputs()
    witness = witness_arrays(TASKS, indices, answer)
    low, high, mean = witness["depth/summary"]
    assert (low, high) == (answer["depth"].min(), answer["depth"].max())
    assert mean == pytest.approx(answer["depth"].mean())
    assert answer_error(TASKS, indices, witness, answer) < 1e-6
    assert answer_error(TASKS, indices, witness, outputs(1)) > 0.5


@pytest.mark.parametrize(("error", "tolerance"), [(0.0, 0.1), (0.2, 0.3), (3.0, 0.5)])
def test_int8_may_differ_by_one_and_a_half_times_what_it_costs(error: float, tolerance: float) -> None:
    assert tolerances(("fp32", "int8"), {"int8": error}) == {"fp32": 1e-3, "int8": tolerance}
    assert tolerances(("fp32", "fp16"), {"int8": error}) == {"fp32": 1e-3, "fp16": 0.01}
    assert tolerances(("fp32",), {"int8": error}) == {"fp32": 1e-3}
