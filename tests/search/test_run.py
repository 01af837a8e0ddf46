from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from pliant import BudgetError, CheckpointError, DataError
from pliant.search.floors import Floors
from pliant.search.front.front import Front
from pliant.search.places import log_path
from pliant.search.run import DEFAULT, run_search
from pliant.training.evaluation.recalibrate import recalibrate

from ..training.reference import evaluate
from .making import make_checkpoint, make_data

CHILD = """
import signal, sys, time
from pathlib import Path
from pliant.search.run import run_search
sys.path.insert(0, sys.argv[1])
from making import make_checkpoint, make_data
out = Path(sys.argv[2])
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may have had it ignored
given = {"algorithm": sys.argv[3], "progress": lambda *at: time.sleep(0.2)}
run_search(make_checkpoint(out.parent), data=make_data(), out=out, **given)
"""


def search(
    tmp_path: Path,
    name: str = "front.json",
    resume: bool = False,
    seed: int | None = None,
    algorithm: str = DEFAULT,
) -> Front:
    checkpoint, out = make_checkpoint(tmp_path), tmp_path / name
    return run_search(checkpoint, data=make_data(), out=out, resume=resume, seed=seed, algorithm=algorithm)


def test_a_front_holds_both_ends_and_true_numbers(tmp_path: Path) -> None:
    front = search(tmp_path)
    assert Front.load(tmp_path / "front.json") == front
    assert (tmp_path / "front.png").stat().st_size > 10_000
    assert (tmp_path / "front.html").stat().st_size > 10_000
    assert front.provenance.evaluations == 8
    supernet, data = make_checkpoint(tmp_path).supernet, make_data()
    for entry in (front.narrowest, front.widest, front.entries[len(front.entries) // 2]):
        statistics = recalibrate(supernet, entry.config, data.recalibration)
        assert entry.quality == evaluate(supernet, entry.config, data.validation, statistics)
    assert [entry.macs for entry in front.entries] == sorted(entry.macs for entry in front.entries)


def test_the_same_seed_gives_the_same_file(tmp_path: Path) -> None:
    search(tmp_path, "one.json")
    search(tmp_path, "two.json")
    search(tmp_path, "three.json", seed=7)
    one, two, three = ((tmp_path / f"{name}.json").read_bytes() for name in ("one", "two", "three"))
    assert one == two
    assert one != three


@pytest.mark.parametrize(
    ("algorithm", "lines", "how"),
    [
        ("factorized", 2, signal.SIGKILL),
        ("factorized", 5, signal.SIGINT),
        ("joint", 4, signal.SIGKILL),
    ],
)
def test_a_killed_search_goes_on_to_the_same_front(
    tmp_path: Path, algorithm: str, lines: int, how: signal.Signals
) -> None:
    search(tmp_path, "whole.json", algorithm=algorithm)
    out = tmp_path / "killed.json"
    here = Path(__file__).resolve().parent
    child = subprocess.Popen([sys.executable, "-c", CHILD, str(here), str(out), algorithm])
    wait_for(lambda: log_path(out).exists() and log_path(out).read_bytes().count(b"\n") > lines, child)
    child.send_signal(how)
    assert child.wait() == -how
    assert not out.exists()
    kept = log_path(out).read_bytes()
    search(tmp_path, "killed.json", resume=True, algorithm=algorithm)
    assert out.read_bytes() == (tmp_path / "whole.json").read_bytes()
    assert log_path(out).read_bytes() == log_path(tmp_path / "whole.json").read_bytes()
    assert log_path(out).read_bytes().startswith(kept[: kept.rfind(b"\n") + 1])


def wait_for(happened: Callable[[], bool], child: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 90
    while not happened():
        assert child.poll() is None, "the search ended before it could be killed"
        assert time.monotonic() < deadline, "the search does not get on"
        time.sleep(0.02)


def test_resuming_with_another_supernet_or_other_images_is_refused(tmp_path: Path) -> None:
    search(tmp_path)
    with pytest.raises(CheckpointError, match="another supernet"):
        run_search(make_checkpoint(tmp_path, 5), data=make_data(), out=tmp_path / "front.json", resume=True)
    with pytest.raises(CheckpointError, match="other images"):
        run_search(make_checkpoint(tmp_path), data=make_data(5), out=tmp_path / "front.json", resume=True)


def test_a_task_without_labels_is_an_error_and_nothing_is_logged(tmp_path: Path) -> None:
    data = make_data()
    blank = [
        replace(batch, targets={**batch.targets, "depth": batch.targets["depth"] * 0}) for batch in data.validation
    ]
    with pytest.raises(DataError, match="labelled for 'depth'"):
        run_search(make_checkpoint(tmp_path), data=replace(data, validation=blank), out=tmp_path / "front.json")
    assert log_path(tmp_path / "front.json").read_bytes().count(b"\n") == 1


def test_a_preference_is_searched_for_beside_the_standard_ones(tmp_path: Path) -> None:
    front = run_search(make_checkpoint(tmp_path), data=make_data(), preferences=[{"depth": 4.0}], evaluations=3)
    assert list(front.preferences) == ["equal", "depth=2", "edges=2", "surfaces=2", "depth=4"]
    assert front.provenance.evaluations == 3
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("size", [2, 5, 9])
def test_the_front_is_as_large_as_asked(tmp_path: Path, size: int) -> None:
    front = run_search(make_checkpoint(tmp_path), data=make_data(), evaluations=16, front_size=size)
    assert len(front.entries) == size
    assert front.widest != front.narrowest


def test_a_search_is_not_begun_over_another_ones_evaluations(tmp_path: Path) -> None:
    search(tmp_path)
    kept = log_path(tmp_path / "front.json").read_bytes()
    with pytest.raises(CheckpointError, match="holds a search already: go on with --resume"):
        search(tmp_path)
    assert log_path(tmp_path / "front.json").read_bytes() == kept


@pytest.mark.parametrize("name", ["front.png", "front.html"])
def test_a_front_that_its_plot_or_page_would_overwrite_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(BudgetError, match=r"call the front front\.json"):
        search(tmp_path, name)
    assert not log_path(tmp_path / name).exists()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"preferences": [{"dept": 2.0}]}, "'dept'"),
        ({"algorithm": "best"}, "'best'.*ecmt"),
        ({"floors": Floors({"dept": 1.0})}, "no task is called 'dept'"),
        ({"front_size": 1}, "front_size must be at least 2"),
        ({"evaluations": 0}, "evaluations must be at least 2"),
        ({"images": 0}, "images must be at least 1"),
    ],
)
def test_wrong_requests_are_one_line(tmp_path: Path, wrong: dict[str, object], message: str) -> None:
    out = tmp_path / "front.json"
    with pytest.raises(BudgetError, match=message):
        run_search(make_checkpoint(tmp_path), data=make_data(), out=out, **wrong)  # type: ignore[arg-type]
    assert not log_path(out).exists()


def test_a_separate_network_is_not_searched(tmp_path: Path) -> None:
    checkpoint = make_checkpoint(tmp_path)
    training = checkpoint.recipe.training.model_copy(update={"only": 0.5})
    alone = replace(checkpoint, recipe=checkpoint.recipe.model_copy(update={"training": training}))
    with pytest.raises(CheckpointError, match=r"only the width 0\.5 was trained"):
        run_search(alone, data=make_data())


def test_reading_a_front_loads_neither_pymoo_nor_matplotlib() -> None:
    code = "import sys, pliant.search.front.front; assert not {'pymoo', 'matplotlib', 'moocore'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60, env=dict(os.environ))
