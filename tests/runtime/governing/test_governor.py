"""Governed models: real switches by slow calls, by heat and by new budgets; what is kept, and the log."""

from __future__ import annotations

import logging
import time
from pathlib import Path
from typing import Any

import pytest

import pliant
from pliant.runtime.governing.governor import Governor

from ...devices.test_vitals import THERMAL
from ...devices.trees import ORIN_NANO, files
from ..making import images
from ..network import HEIGHT, WIDTH
from .governed import PATIENCE_S, Suite, feed, governor, load, threads


def test_slow_calls_make_it_step_down_and_quick_ones_up(suite: Suite, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "pliant.governor"), load(suite) as model:
        kept = governor(model)
        assert [rung.id for rung in kept.ladder] == ["s01-fp32", "s02-fp32", "s03-fp32"], "s01-int8 is no better"
        assert (model.subnet.id, kept.target_ms, kept.quantile) == ("s03-fp32", 11.0, 0.5)
        feed(model, 16.0, lambda: kept.steps)
        assert model.subnet.id == "s02-fp32", "at 1.6 times the profile it takes 9.6 ms"
        assert model(images(1)[0])["depth"].shape == (HEIGHT, WIDTH)
        feed(model, 6.1, lambda: len(kept.steps) == 2)
        assert model.subnet.id == "s03-fp32"
        down, up = kept.steps
    assert (down.source, down.target, up.target) == ("s03-fp32", "s02-fp32", "s03-fp32")
    assert abs(down.when - time.time()) < 2 * PATIENCE_S
    assert "p50 16 ms in " in down.reason
    assert down.reason.endswith("calls over 11 ms, 1.60 times the profile; such a call of s02-fp32 should take 9.6 ms")
    assert down.to_json()["from"] == "s03-fp32"
    assert [record.getMessage() for record in caplog.records] == [str(down), str(up)]


def test_a_window_tells_what_it_judges_by(suite: Suite) -> None:
    with load(suite) as model:
        feed(model, 5.0, lambda: governor(model).window.calls >= 40)
        window = governor(model).window
    assert window.latency_ms == pytest.approx(5.0)
    assert window.over == 0.0
    assert 0.0 < window.seconds < PATIENCE_S


def test_real_calls_are_watched_also_raw_ones_of_some_tasks(suite: Suite) -> None:
    with load(suite, tasks="floor", raw=True, quantile=0.95) as model:
        start = time.perf_counter()
        while governor(model).window.calls < 20:
            assert time.perf_counter() - start < PATIENCE_S
            assert model(images(1)[0])["floor"].shape == (3, HEIGHT, WIDTH)
        assert governor(model).quantile == 0.95
        feed(model, 50.0, lambda: governor(model).steps)
        assert model(images(1)[0])["floor"].shape == (3, HEIGHT, WIDTH)
        assert model.tasks == ("floor",)


def test_calls_whose_images_stay_on_their_device_are_watched_too(suite: Suite) -> None:
    with load(suite) as model:
        start = time.perf_counter()
        while governor(model).window.calls < 20:
            assert time.perf_counter() - start < PATIENCE_S, "the governor sees none of them"
            assert set(model.on_device(images(1))) == set(suite.tasks)
        assert governor(model).window.latency_ms is not None


@pytest.mark.parametrize("words", [{"latency": None}, {"latency": None, "macs": "1 G"}])
def test_without_a_latency_there_is_nothing_to_keep(suite: Suite, words: dict[str, Any]) -> None:
    asked = {key: value for key, value in words.items() if value}
    with pytest.raises(pliant.BudgetError, match=r"write, for example, suite.load\(latency='15 ms', govern=True\)$"):
        suite.load(threads=1, govern=True, **asked)
    with pytest.raises(pliant.BudgetError, match="keeps a latency budget"):
        suite.load("s01-fp32", threads=1, govern=True)
    assert threads() == []


def test_a_plan_is_governed_and_an_ungoverned_model_has_no_governor(suite: Suite) -> None:
    plan = suite.plan(latency="7 ms", threads=1, measure="never")
    with suite.load(plan, govern=True) as model:
        assert (governor(model).target_ms, model.subnet.id) == (7.0, "s02-fp32")
        assert [rung.id for rung in governor(model).ladder] == ["s01-fp32", "s02-fp32", "s03-fp32"]
    with suite.load(plan) as model:
        assert model.governor is None
        model(images(1))


def test_other_limits_of_the_budget_bound_the_ladder(suite: Suite) -> None:
    with load(suite, bytes=f"{suite.subnet('s02-fp32').bytes} B") as model:
        assert [rung.id for rung in governor(model).ladder] == ["s01-fp32", "s02-fp32"]


def test_a_switch_by_a_budget_is_the_new_target_and_a_named_subnet_lets_it_rest(suite: Suite) -> None:
    with load(suite) as model:
        report = model.switch(latency="3 ms")
        assert (report.target, governor(model).target_ms) == ("s01-fp32", 3.0)
        feed(model, 2.0, lambda: governor(model).window.calls > 20)
        model.switch("s03-fp32")
        assert (governor(model).target_ms, governor(model).ladder) == (None, ())
        for _ in range(30):
            governor(model).watch((model.subnet.id, time.perf_counter(), time.perf_counter() + 9.0))
            time.sleep(0.01)
        assert (model.subnet.id, governor(model).steps) == ("s03-fp32", ())
        model.switch(suite.plan(latency="7 ms", threads=1))
        feed(model, 20.0, lambda: governor(model).steps)
        assert governor(model).steps[0].source == "s02-fp32"


def test_a_switch_that_fails_leaves_the_old_subnet_and_is_logged(
    suite: Suite, caplog: pytest.LogCaptureFixture
) -> None:
    with load(suite) as model:
        suite.close()  # nothing can be read any more
        feed(model, 16.0, lambda: len(caplog.records) >= 2)
        assert model.subnet.id == "s03-fp32"
        assert model(images(1)[0])["depth"].shape == (HEIGHT, WIDTH)
        assert governor(model).running
        assert governor(model).steps == ()
    first, second = caplog.records[:2]
    assert first.levelno == logging.WARNING
    assert first.getMessage().startswith("s03-fp32 stays, s02-fp32 cannot be loaded: ")
    assert "s01-fp32 cannot be loaded" in second.getMessage(), "the other rung comes next"


def test_a_narrowest_subnet_that_misses_is_said_once(suite: Suite, caplog: pytest.LogCaptureFixture) -> None:
    with load(suite, latency="3 ms") as model:
        feed(model, 9.0, lambda: caplog.records)
        count = governor(model).window.calls
        feed(model, 9.0, lambda: governor(model).window.calls > count + 20)
        assert model.subnet.id == "s01-fp32"
    (record,) = caplog.records
    assert "no narrower subnet is left" in record.getMessage()


def test_a_hot_board_steps_down_before_it_is_slowed_down(suite: Suite, tmp_path: Path) -> None:
    root = files(tmp_path / "board", {**ORIN_NANO, **THERMAL, "sys/class/thermal/thermal_zone0/temp": "97000\n"})
    plan = suite.plan(latency="11 ms", threads=1)
    with suite.load(plan) as model:
        model.governor = Governor(model, plan, root)
        model.governor._steering._moved -= 60.0  # type: ignore[union-attr]  # heat waits before its first step too
        feed(model, 5.0, lambda: governor(model).steps)
        assert model.subnet.id == "s02-fp32"
        reason = governor(model).steps[0].reason
    assert reason == (
        "cpu-thermal 97.0 °C, 6.0 W, the machine is slowed down from 99 °C on; s02-fp32 takes 60 % of the time"
    )
