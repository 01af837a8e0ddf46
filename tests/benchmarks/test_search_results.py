from __future__ import annotations

import json
import sys
from argparse import Namespace
from pathlib import Path
from typing import Any

import pytest

from pliant import InputError, PliantError
from pliant.benchmarks.search import __main__ as bench
from pliant.benchmarks.search import results
from pliant.benchmarks.search.results import new_entry, read_results, result_path, with_kept, write_results
from pliant.benchmarks.search.subjects import NotTrained


def row(data: str, method: str, seed: int = 0, control: float = 0.1) -> dict[str, Any]:
    numbers = {"evaluations": 40, "hypervolume": 0.2, "uniformity": 0.9, "response": 0.5, "control": control}
    return {"data": data, "method": method, "seed": seed, "control_by_budget": [control] * 10, **numbers}


def run(data: str, *rows: dict[str, Any], evaluations: int = 40) -> dict[str, Any]:
    entry = new_entry(f"search --data {data}", "cpu", "2026-11-27", evaluations)
    fit = {"held_out_error": 0.1, "held_out_tau": 0.9}
    return {**entry, "rows": list(rows), "latency": {data: {"fp32": fit}}, "quality": {data: fit}}


def test_runs_on_two_data_sets_of_one_day_share_a_file(tmp_path: Path) -> None:
    one, two = run("camvid", row("camvid", "joint")), run("redkitchen", row("redkitchen", "joint"))
    assert write_results(one, tmp_path) == write_results(two, tmp_path) == tmp_path / "search-cpu-2026-11-27.json"
    found = read_results(tmp_path / "search-cpu-2026-11-27.json")
    assert found["rows"] == [*one["rows"], *two["rows"]]
    assert found["latency"] == {**one["latency"], **two["latency"]}
    assert found["command"] == "search --data camvid && search --data redkitchen"


def test_what_is_measured_again_replaces_its_row_and_no_other(tmp_path: Path) -> None:
    kept = [row("camvid", "joint"), row("camvid", "random"), row("redkitchen", "joint")]
    write_results(run("camvid", *kept), tmp_path)
    again = row("camvid", "joint", control=0.7)
    for _ in range(2):  # a run is written again and again while it grows
        path = write_results(run("camvid", again, row("camvid", "joint", 1)), tmp_path)
    found = read_results(path)
    assert found["rows"] == [again, kept[1], row("camvid", "joint", 1), kept[2]]
    assert found["command"] == "search --data camvid"


def test_runs_of_other_evaluations_are_not_mixed_and_what_is_there_stays(tmp_path: Path) -> None:
    path = write_results(run("camvid", row("camvid", "joint")), tmp_path)
    before = path.read_bytes()
    with pytest.raises(InputError, match="results of evaluations 40 already, and these are of 8: move them away"):
        with_kept(run("camvid", evaluations=8), tmp_path)
    assert path.read_bytes() == before


@pytest.mark.parametrize("content", ["", "{", "[]", '{"rows": 3}', '{"rows": [{}]}'])
def test_a_file_that_is_no_result_is_one_line_and_stays(tmp_path: Path, content: str) -> None:
    path = result_path(run("camvid"), tmp_path)
    path.write_text(content)
    with pytest.raises(InputError, match="is no result of this benchmark"):
        write_results(run("camvid", row("camvid", "joint")), tmp_path)
    assert path.read_text() == content


def test_files_of_a_day_are_brought_together_by_the_tool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = []
    for data in ("camvid", "redkitchen"):
        files.append(tmp_path / f"{data}.json")
        files[-1].write_text(json.dumps(run(data, row(data, "uniform-width"), row(data, "ecmt"))))
    monkeypatch.setattr(sys, "argv", ["results", *map(str, files), "--results", str(tmp_path / "out")])
    assert results.main() == 0
    assert len(read_results(tmp_path / "out" / "search-cpu-2026-11-27.json")["rows"]) == 4
    assert (tmp_path / "out" / "search-cpu-2026-11-27.png").stat().st_size > 10_000


@pytest.mark.parametrize(
    ("happens", "code"),
    [
        ({"camvid": None, "redkitchen": NotTrained("train it")}, 0),
        ({"camvid": NotTrained("train it"), "redkitchen": NotTrained("train it")}, 1),
        ({"camvid": None, "redkitchen": PliantError("another supernet")}, 1),
        ({"camvid": None, "redkitchen": RuntimeError("a bug")}, None),
    ],
)
def test_what_is_not_trained_is_left_out_and_what_was_measured_is_kept_whatever_happens_then(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    happens: dict[str, Exception | None],
    code: int | None,
) -> None:
    def run_on(data: str, chosen: Namespace, entry: dict[str, Any]) -> None:
        if (error := happens[data]) is not None:
            raise error
        entry["latency"][data] = {"fp32": {"held_out_error": 0.1, "held_out_tau": 0.9}}
        bench.add(entry, row(data, "uniform-width"), chosen.results)

    monkeypatch.setattr(bench, "_run", run_on)
    monkeypatch.setattr(sys, "argv", ["search", "--data", *happens, "--results", str(tmp_path)])
    if code is None:
        with pytest.raises(RuntimeError):
            bench.main()
    else:
        assert bench.main() == code
        assert "is left out: " in capsys.readouterr().err
    kept = [each["data"] for path in tmp_path.glob("*.json") for each in read_results(path)["rows"]]
    assert kept == (["camvid"] if happens["camvid"] is None else [])
