"""The arithmetic of the training benchmark: gains have the right sign, pairs are pairs, the report shows them."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pliant.benchmarks.reporting import put_report
from pliant.benchmarks.training.__main__ import main
from pliant.benchmarks.training.delta import gains, task_gains
from pliant.benchmarks.training.job import Job
from pliant.benchmarks.training.methods import WIDTHS
from pliant.benchmarks.training.plot import _levers, plot
from pliant.benchmarks.training.report import tables
from pliant.benchmarks.training.results import command_of, current, merged, save

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
    assert (gain.mean, gain.spread, gain.seeds, gain.ahead) == (0.0, 0.0, len(values), 0)


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
    assert (gain.seeds, gain.ahead) == (2, 2)


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
    assert "| default | mean of tasks | +4.0 ± 0.0 %, 2 of 2 |" in text
    assert "| no-distillation | mean of tasks | -2.0 ± 0.0 %, 0 of 2 |" in text
    assert text.count("|  | depth | +4.0 ± 0.0 %, 2 of 2 |") == 1
    assert "| depth, rmse (lower is better) | default | 0.480 ± 0.000 |" in text
    assert "| separate | 1.00e+09 | 0.25 | 1.0 | 0, 1 on h |" in text
    assert "seconds" not in text
    plot(entry, tmp_path / "plot.png")
    assert (tmp_path / "plot.png").read_bytes()[:4] == b"\x89PNG"


def test_of_many_tasks_the_mean_of_each_seed_is_shown() -> None:
    """Tasks 0.00 to 0.06 above 0.5, so 0.53; the second seed is 0.02 better in all of them."""
    entry = merged(_results(), "")
    entry["rows"] = [
        {**row("separate", 0.5, "segmentation", 0.5 + 0.01 * number + 0.02 * seed, seed), "task": f"task-{number}"}
        for number in range(7)
        for seed in (0, 1)
    ]
    expected = "| miou of 7 tasks (higher is better) | separate | - | 0.540 ± 0.014 | - | - | 2 |"
    assert expected in tables(entry)


def test_every_current_result_on_the_disk_is_found_whatever_its_seed(tmp_path: Path) -> None:
    kept = [Job("redkitchen", "default", 7), Job("redkitchen", "default", 0), Job("camvid", "ci-kd", 1)]
    for job in (*kept, Job("scenes", "default", 0)):
        save(tmp_path, job, {"rows": [job.name]})
    old = json.loads((tmp_path / "camvid-ci-kd-1.json").read_text())
    (tmp_path / "camvid-strong-ci-kd-1.json").write_text(json.dumps(old))
    found = current(tmp_path, ("redkitchen", "camvid"))
    assert {job.name: entry["rows"] for job, entry in found.items()} == {job.name: [job.name] for job in kept}


def test_the_command_names_what_a_file_holds_and_nothing_else() -> None:
    jobs = [Job(data, method, seed) for data in ("a", "b") for method in ("m", "n") for seed in (1, 0)]
    assert command_of(jobs, "x", "test") == "python -m x --data a b --methods m n --seeds 0 1 --split test"
    assert command_of([*jobs, Job("b", "n", 2)], "x", "test") == (
        "python -m x --data a --methods m n --seeds 0 1 --split test && "
        "python -m x --data b --methods m --seeds 0 1 --split test && "
        "python -m x --data b --methods n --seeds 0 1 2 --split test"
    )


def test_a_run_of_the_small_version_leaves_the_file_of_the_day_to_the_real_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for job, entry in _results().items():
        save(tmp_path / "training", job, {key: entry[key] for key in entry if key not in ("hardware", "date")})
    small = Job("scenes", "default", 0)
    rows = [{**row("default", 1.0, "depth", 0.5), "data": "scenes"}]
    save(tmp_path / "training", small, {"rows": rows, "seconds": 1.0, "macs": 1, "parameter_bytes": 1, "curves": []})
    places = ["--results", str(tmp_path), "--work", str(tmp_path / "work")]
    asked = ["bench", "--data", "scenes", "--methods", "default", "--seeds", "0", *places]
    monkeypatch.setattr("sys.argv", asked)
    assert main() == 0
    (path,) = tmp_path.glob("training-*.json")
    written = json.loads(path.read_text())
    assert {job["data"] for job in written["jobs"]} == {"redkitchen"}
    assert "--data redkitchen --methods default separate no-distillation --seeds 0 1" in written["command"]
    printed = capsys.readouterr().out
    assert "### scenes" in printed
    assert "### redkitchen" not in printed


def test_a_lever_is_compared_with_the_default_of_the_same_seeds(tmp_path: Any) -> None:
    """One seed of the lever, two of the default, whose other seed is far better: that one does not count."""
    entry = merged(_results(), "")
    lever = [row("ema", width, task, 0.5, 0) for width in WIDTHS for task in TASKS]
    entry["rows"] = [
        *(
            {**each, "value": each["value"] * 2} if each["seed"] and each["method"] == "default" else each
            for each in entry["rows"]
        ),
        *lever,
    ]
    assert _levers(entry, "redkitchen") == {"ema (1)": pytest.approx([-4.0] * len(WIDTHS))}
    plot(entry, tmp_path / "plot.png")
    assert (tmp_path / "plot.png").stat().st_size > 10_000


def test_a_page_without_its_markers_is_left_alone(tmp_path: Path) -> None:
    page, result = tmp_path / "page.md", tmp_path / "training.json"
    page.write_text("no markers\n")
    result.write_text(json.dumps(merged(_results(), "")))
    with pytest.raises(ValueError, match="markers of training"):
        put_report(page, "training", result, tables)
    assert page.read_text() == "no markers\n"
