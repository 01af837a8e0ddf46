"""Budgets of energy: kept by what a sensor saw, refused where there is none.

The sensor is RAPL's, read from files as on any x86; what they count here is this process's own processor time.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import pliant
from pliant.cli import main
from pliant.devices import energy
from pliant.devices.sensors import Sensor, find_sensors
from pliant.runtime.planning import book
from pliant.runtime.planning.book import Book
from pliant.runtime.planning.profiling import profile_suite

from ...devices.trees import RAPL, files

WATTS = 10.0


@pytest.fixture
def sensor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sensor]:
    root = files(tmp_path, RAPL)
    counter = root / "sys/class/powercap/intel-rapl:0/energy_uj"
    (root / "sys/class/powercap/intel-rapl:0/max_energy_range_uj").write_text("1000000000000\n")
    stop = threading.Event()

    def count() -> None:
        while not stop.wait(0.002):
            written = counter.with_suffix(".new")
            written.write_text(f"{int(time.process_time() * WATTS * 1e6)}\n")
            written.replace(counter)

    thread = threading.Thread(target=count)
    counter.write_text(f"{int(time.process_time() * WATTS * 1e6)}\n")
    thread.start()
    (found,) = find_sensors(root)
    monkeypatch.setattr(energy, "find_sensors", lambda root: [found])
    monkeypatch.setattr(book, "energy_of", lambda call, sensor: energy.energy_of(call, sensor, seconds=0.2))
    yield found
    stop.set()
    thread.join()


def test_a_plan_keeps_its_energy_by_what_was_measured(sensor: Sensor, suite: pliant.Suite) -> None:
    free = suite.plan(energy="1 J", threads=1)
    assert free.energy_mj is not None
    assert (free.energy_mj.kind, free.latency_ms) == ("measured", None)
    assert "by the processor package" in free.why
    assert free.energy_mj.value > 0
    spent = free.energy_mj.value
    # Measured once, kept: no sensor is asked again.
    known = suite.plan(energy="1 J", threads=1, measure="never")
    assert known.energy_mj == free.energy_mj
    assert f'"value": {spent}' in json.dumps(known.to_json()["energy_mj"])
    with pytest.raises(pliant.NoSubnetFits, match=r"energy .* limit 1 uJ"):
        suite.plan(energy="1 uJ", threads=1)


def test_the_best_that_keeps_the_limit_is_chosen(sensor: Sensor, suite: pliant.Suite) -> None:
    book = Book(suite, tuple(suite.tasks), threads=1)
    book.measure_energy(suite.subnets)
    uses = {subnet.id: use.millijoules for subnet in suite.subnets if (use := book.energy(subnet))}
    assert uses.keys() == {subnet.id for subnet in suite.subnets}
    limit = sorted(uses.values())[len(uses) // 2]
    plan = suite.plan(energy=f"{limit} mJ", threads=1, measure="never")
    assert uses[plan.subnet.id] <= limit
    scores = {plan.subnet.id: plan.score}
    for name, spent in uses.items():
        if spent <= limit and name not in scores:
            reason = next(each.reason for each in plan.rejected if each.id == name)
            assert reason.startswith("scores "), f"{name} fits and ranks above"


def test_never_measuring_says_how_to(suite: pliant.Suite) -> None:
    with pytest.raises(pliant.BudgetError, match=r"energy of .* not measured here: run `pliant profile .* --energy"):
        suite.plan(energy="30 mJ", measure="never")


def test_a_sensor_that_fails_is_an_error_of_one_line(
    sensor: Sensor, suite: pliant.Suite, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails() -> float:
        raise OSError("no reading in /sys/class/powercap")

    broken = Sensor(sensor.name, sensor.domain, sensor.covers, sensor.counter, fails)
    monkeypatch.setattr(energy, "find_sensors", lambda root: [broken])
    with pytest.raises(pliant.EngineUnavailable, match="the energy sensor RAPL fails: no reading"):
        suite.plan(energy="1 J", threads=1)


def test_a_profile_tells_energy(
    sensor: Sensor, suite_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "profile.json"
    asked = ["profile", str(suite_path), "--out", str(out), "--threads", "1", "--seconds", "0", "--energy"]
    assert main(asked) == 0
    shown = capsys.readouterr().out
    assert " mJ |" in shown
    assert "the processor package, without memory" in shown
    assert len(json.loads(out.read_text())["energy"]) >= 3


def test_a_profile_without_a_sensor_is_refused_before_anything_is_measured(
    suite: pliant.Suite, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(energy, "find_sensors", lambda root: [])
    done: list[str] = []
    with pytest.raises(pliant.BudgetError, match="no energy sensor of the processor"):
        profile_suite(suite, energy=True, threads=1, progress=lambda what, *_: done.append(what))
    assert done == []
