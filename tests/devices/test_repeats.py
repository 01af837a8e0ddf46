"""What repeats of measurements say of a machine, and that it is kept."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import pliant
from pliant.devices.cache import MeasurementCache
from pliant.devices.fingerprint import read_fingerprint
from pliant.devices.measure import Measurement, summarize
from pliant.devices.profile import DeviceProfile
from pliant.devices.repeats import APART, ENOUGH, KEPT, MOST, NEAREST, SHARE, UNKNOWN, Repeat, drift, latest, repeats_of

MACHINE = read_fingerprint()
RATIOS = st.lists(st.floats(0.2, 5.0), max_size=100)


def _repeats(ratios: list[float], quantile: float = 0.5) -> list[Repeat]:
    return [Repeat("cpu", quantile, ratio, float(index)) for index, ratio in enumerate(ratios)]


def _taken(value: float, when: float, runs: int = 60, quantile: float = 0.5) -> Measurement:
    return replace(summarize([value] * runs, quantile), taken=when)


@given(RATIOS)
def test_nearly_all_repeats_differ_by_no_more_than_the_drift(ratios: list[float]) -> None:
    found = drift(_repeats(ratios), "cpu", 0.5)
    assert 0.0 <= found <= MOST
    further = sum(max(ratio, 1.0 / ratio) > (1.0 + found) * (1.0 + 1e-9) for ratio in ratios)
    assert found == MOST or further <= (1.0 - SHARE) * len(ratios)
    assert drift(_repeats([1.0 / ratio for ratio in ratios]), "cpu", 0.5) == pytest.approx(found)


def test_a_quiet_machine_needs_little_room_once_that_is_known() -> None:
    assert drift([], "cpu", 0.5) == UNKNOWN
    assert drift(_repeats([1.01] * (ENOUGH - 1)), "cpu", 0.5) == UNKNOWN
    assert drift(_repeats([1.01] * ENOUGH), "cpu", 0.5) == pytest.approx(0.01)
    assert drift(_repeats([1.3]), "cpu", 0.5) == pytest.approx(0.3), "one that was seen counts at once"
    assert drift(_repeats([1.01] * ENOUGH), "cuda", 0.5) == drift(_repeats([1.01] * ENOUGH), "cpu", 0.95) == UNKNOWN


def test_of_many_repeats_those_of_a_like_latency_count() -> None:
    narrow, wide = (
        [Repeat("cpu", 0.5, ratio, 0.0, ms) for _ in range(NEAREST)] for ratio, ms in ((1.3, 1.5), (1.02, 40.0))
    )
    for mixed in (narrow + wide, wide + narrow):
        assert drift(mixed, "cpu", 0.5, 2.0) == pytest.approx(0.3)
        assert drift(mixed, "cpu", 0.5, 30.0) == pytest.approx(0.02)
    unknown = [replace(each, latency=None) for each in narrow]
    assert drift(unknown + wide, "cpu", 0.5, 30.0) == pytest.approx(0.02), "those of unknown latency come last"
    assert Repeat.from_json({k: v for k, v in narrow[0].to_json().items() if k != "latency"}).latency is None


def test_a_repeat_is_of_two_sittings_and_of_thorough_measurements() -> None:
    earlier = _taken(10.0, 1000.0)
    assert repeats_of("cpu", None, earlier) == []
    assert repeats_of("cpu", earlier, _taken(11.0, 1000.0 + APART / 2)) == []
    assert repeats_of("cpu", earlier, _taken(11.0, 2000.0, runs=6)) == [], "a glance"
    for when in (2000.0, 0.0):  # a clock that jumped back
        assert repeats_of("cpu", earlier, _taken(11.0, when)) == [Repeat("cpu", 0.5, 11.0 / 10.0, when, 10.0)]
    tail = repeats_of("cpu", earlier, _taken(12.0, 2000.0, quantile=0.95))
    assert [each.quantile for each in tail] == [0.5, 0.95]


@given(
    st.lists(
        st.tuples(st.sampled_from(["cpu", "cuda"]), st.sampled_from([0.5, 0.95]), st.floats(0.0, 9.0)), max_size=300
    )
)
def test_the_latest_of_each_kind_are_kept_once(made: list[tuple[str, float, float]]) -> None:
    repeats = [Repeat(provider, quantile, 1.0, taken) for provider, quantile, taken in made]
    found = latest((*repeats, *repeats))
    assert len(set(found)) == len(found)
    for provider, quantile in {(each.provider, each.quantile) for each in repeats}:
        like = [each for each in dict.fromkeys(repeats) if (each.provider, each.quantile) == (provider, quantile)]
        kept = [each for each in found if (each.provider, each.quantile) == (provider, quantile)]
        assert kept == like[-KEPT:], "whatever the clock said"


def test_repeats_are_kept_and_what_is_forgotten_is_gone(tmp_path: Path) -> None:
    cache = MeasurementCache(tmp_path)
    cache.add(MACHINE, latency={"a": _taken(1.0, 1.0), "b": _taken(2.0, 1.0)}, repeats=_repeats([1.1]))
    cache.add(MACHINE, repeats=_repeats([1.1, 1.2]))
    assert MeasurementCache(tmp_path).forget(MACHINE, ["a"]).latency.keys() == {"b"}
    kept = MeasurementCache(tmp_path).profile(MACHINE)
    assert kept.latency.keys() == {"b"}
    assert [each.ratio for each in kept.repeats] == [1.1, 1.2]


def test_what_could_not_be_written_is_done_when_it_can_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = MeasurementCache(tmp_path)
    cache.add(MACHINE, latency={"a": _taken(1.0, 1.0), "b": _taken(2.0, 1.0)})
    with monkeypatch.context() as full:
        full.setattr("pliant.devices.cache.write_atomically", _full)
        assert cache.forget(MACHINE, ["a"]).latency.keys() == {"b"}
        assert cache.profile(MACHINE).latency.keys() == {"b"}
    assert "not kept" in cache.note
    assert cache.add(MACHINE, latency={"z": _taken(3.0, 1.0)}).latency.keys() == {"b", "z"}
    assert MeasurementCache(tmp_path).profile(MACHINE).latency.keys() == {"b", "z"}


def _full(*_: object) -> None:
    raise OSError(28, "No space left on device")


def test_profiles_of_before_have_no_repeats() -> None:
    entry = DeviceProfile(MACHINE).to_json()
    del entry["repeats"]
    assert DeviceProfile.from_json(entry).repeats == ()


@pytest.mark.parametrize(
    "broken",
    [
        7,
        [7],
        [{"provider": "cpu"}],
        [{"provider": 3, "quantile": 0.5, "ratio": 1.0, "taken": 0.0}],
        [{"provider": "cpu", "quantile": 0.5, "ratio": 0.0, "taken": 0.0}],
        [{"provider": "cpu", "quantile": 0.5, "ratio": True, "taken": 0.0}],
        [{"provider": "cpu", "quantile": 0.5, "ratio": 5e-324, "taken": 0.0}],
    ],
)
def test_broken_repeats_are_refused(broken: Any) -> None:
    entry = json.loads(json.dumps(DeviceProfile(MACHINE).to_json()))
    with pytest.raises(pliant.PliantError, match=r"repeat|parts"):
        DeviceProfile.from_json({**entry, "repeats": broken})
