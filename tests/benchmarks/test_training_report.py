"""The arithmetic of the training benchmark: gains have the right sign, pairs are pairs, the report shows them."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pliant.benchmarks.training.delta import gains, task_gains
from pliant.benchmarks.training.job import Job
from pliant.benchmarks.training.methods import WIDTHS
from pliant.benchmarks.training.report import plot, tables
from pliant.benchmarks.training.results import merged

TASKS = {"depth": ("rmse", False), "segmentation": ("miou", True)}


def row(method: str, width: float, task: str, value: float, seed: int = 0) -> dict[str, Any]:
    metric, better = TASKS[task]
    return {
        "data": "redkitchen",
        "method": method,
        "width": width,
        "task": task,
        "metric": metric,
        "value": value,
        "higher_is_better": better,
        "seed": seed,
    }


def test_a_lower_error_and_a_higher_score_are_both_gains() -> None:
    rows = [
        row("separate", 0.5, "depth", 0.50),
        row("default", 0.5, "depth", 0.45),
        row("separate", 0.5, "segmentation", 0.60),
        row("default", 0.5, "segmentation", 0.66),
    ]
    assert gains(rows, "redkitchen", "default")[0.5].mean == pytest.approx(0.10)
    assert {key: gain.mean for key, gain in task_gains(rows, "redkitchen", "default").items()} == {
        (0.5, "depth"): pytest.approx(0.10),
        (0.5, "segmentation"): pytest.approx(0.10),
    }


@given(st.lists(st.floats(0.1, 0.9), min_size=2, max_size=5))
def test_a_method_gains_nothing_over_itself(values: list[float]) -> None:
    rows = [row("separate", 1.0, "depth", value, seed) for seed, value in enumerate(values)]
    twin = [{**each, "method": "default"} for each in rows]
    gain = gains(rows + twin, "redkitchen", "default")[1.0]
    assert (gain.mean, gain.spread, gain.seeds) == (0.0, 0.0, len(values))


def test_seeds_are_paired_and_a_seed_without_its_twin_does_not_count() -> None:
    rows = [
        row("separate", 1.0, "depth", 1.0, seed=0),
        row("default", 1.0, "depth", 0.9, seed=0),
        row("separate", 1.0, "depth", 2.0, seed=1),
        row("default", 1.0, "depth", 1.8, seed=1),
        row("default", 1.0, "depth", 5.0, seed=2),
    ]
    gain = gains(rows, "redkitchen", "default")[1.0]
    assert gain.mean == pytest.approx(0.1)
    assert gain.spread == pytest.approx(0.0)
    assert gain.seeds == 2


def test_the_spread_of_one_seed_is_unknown_rather_than_zero() -> None:
    rows = [row("separate", 1.0, "depth", 1.0), row("default", 1.0, "depth", 0.9)]
    assert math.isnan(gains(rows, "redkitchen", "default")[1.0].spread)


def _results() -> dict[Job, dict[str, Any]]:
    found = {}
    for method, better in (("separate", 0.0), ("default", 0.02), ("no-distillation", -0.01)):
        for seed in (0, 1):
            job = Job("redkitchen", method, seed)
            values = {"depth": 0.5 - better, "segmentation": 0.5 + better}
            rows = [row(method, width, task, values[task], seed) for width in WIDTHS for task in TASKS]
            curves = [{"width": 1.0, "step": step, "quality": {"depth": 1.0 / step}} for step in (1, 2)]
            cost = {"seconds": 10.0, "macs": 10**9, "parameter_bytes": 10**6, "curves": curves}
            found[job] = {"hardware": "h", "date": "2026-01-02", "rows": rows, **cost}
    return found


def test_the_report_shows_signs_methods_and_costs(tmp_path: Any) -> None:
    entry = merged(_results(), "python -m pliant.benchmarks.training")
    assert json.loads(json.dumps(entry)) == entry
    text = tables(entry)
    assert "| default | +4.0 ± 0.0 % |" in text
    assert "| no-distillation | -2.0 ± 0.0 % |" in text
    assert "| depth, rmse (lower is better) | default | 0.480 ± 0.000 |" in text
    assert "| separate | 1.00e+09 | 10 | 1.0 |" in text
    plot(entry, tmp_path / "plot.png")
    assert (tmp_path / "plot.png").read_bytes()[:4] == b"\x89PNG"
