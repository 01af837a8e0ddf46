"""Plans of suites on paper: limits and floors, what is known or missing, refusals, what a plan says."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any, cast

import onnxruntime
import pytest

import pliant
from pliant.devices.cache import MeasurementCache
from pliant.devices.fingerprint import Fingerprint
from pliant.devices.measure import summarize
from pliant.devices.repeats import UNKNOWN
from pliant.runtime.engine import PROVIDERS
from pliant.runtime.format.manifest import SubnetInfo
from pliant.runtime.planning.book import Book
from pliant.runtime.planning.figures import Figure

from .paper import MACHINE, TASKS, Paper, in_memory, ladder, plan, unwanted


def test_never_refuses_what_was_not_measured_and_names_the_command() -> None:
    suite = ladder(3)
    cache = in_memory(suite, {"s00-fp32": [1.0] * 30})
    with pytest.raises(
        pliant.BudgetError, match=r"2 of 3 subnets is not measured here: run `pliant profile paper\.pliant"
    ):
        plan(suite, latency="5 ms", measure="never", cache=cache)


def test_never_is_content_when_what_is_missing_cannot_matter() -> None:
    suite = ladder(3)
    cache = in_memory(suite, {"s02-fp32": [1.0] * 30})
    found = plan(suite, latency="5 ms", measure="never", cache=cache)
    assert found.subnet.id == "s02-fp32"
    assert all("did not need measuring" in item.reason for item in found.rejected)


def test_too_few_runs_for_a_quantile_refuse_or_reject_but_never_accept() -> None:
    suite = ladder(2)
    cache = in_memory(suite, {"s00-fp32": [1.0] * 30, "s01-fp32": [9.0] * 30})
    with pytest.raises(pliant.BudgetError, match="p95"):
        plan(suite, latency="5 ms", quantile=0.95, measure="never", cache=cache)
    cache = in_memory(suite, {"s00-fp32": [1.0] * 80, "s01-fp32": [9.0] * 30})
    found = plan(suite, latency="5 ms", quantile=0.95, measure="never", cache=cache)
    assert found.subnet.id == "s00-fp32"
    assert "at least 9 ms at p95" in found.rejected[0].reason


def test_p95_is_stricter_than_the_median() -> None:
    suite = ladder(2)
    cache = in_memory(suite, {"s00-fp32": [1.0] * 100, "s01-fp32": [4.0] * 90 + [9.0] * 10})
    assert plan(suite, latency="5 ms", measure="never", cache=cache).subnet.id == "s01-fp32"
    assert plan(suite, latency="5 ms", quantile=0.95, measure="never", cache=cache).subnet.id == "s00-fp32"


def test_memory_is_met_by_measured_peaks_and_weights_alone_can_reject() -> None:
    suite = ladder(4)
    cache = in_memory(suite, {}, {"s00-fp32": 20_000_000, "s01-fp32": 30_000_000, "s02-fp32": 40_000_000})
    found = plan(
        suite,
        memory="12.5 MB",
        measure="never",
        cache=in_memory(suite, {}, {"s00-fp32": 9_000_000, "s01-fp32": 12_600_000, "s02-fp32": 40_000_000}),
    )
    assert found.subnet.id == "s00-fp32"
    assert found.memory_bytes is not None
    assert found.memory_bytes.kind == "measured"
    reasons = {item.id: item.reason for item in found.rejected}
    assert "at least 13 MB of weights" in reasons["s03-fp32"]
    assert "memory 12.6 MB, limit 12.5 MB" in reasons["s01-fp32"]
    with pytest.raises(pliant.BudgetError, match="memory of 1 of 4"):
        plan(suite, memory="50 MB", measure="never", cache=cache)


def test_no_subnet_fits_names_the_nearest_and_by_how_much() -> None:
    suite = ladder(4)
    with pytest.raises(
        pliant.NoSubnetFits, match=r"none of 4 subnets fits; the nearest is s00-fp32: macs 130"
    ) as caught:
        plan(suite, macs=100)
    assert caught.value.nearest == "s00-fp32"
    assert caught.value.misses == {"macs": pytest.approx(1.3)}


def test_a_floor_of_an_error_is_the_most_that_is_allowed() -> None:
    suite = ladder(4)
    found = plan(suite, macs=200, floors={"depth": 1.5})
    assert found.subnet.id == "s02-fp32"
    assert "asked at most 1.5" in next(item.reason for item in found.rejected if item.id == "s01-fp32")
    with pytest.raises(pliant.NoSubnetFits, match=r"asked at most 0\.5"):
        plan(suite, floors={"depth": 0.5})


def test_energy_is_refused_where_nothing_measures_it() -> None:
    with pytest.raises(pliant.BudgetError, match="no energy sensor"):
        plan(ladder(2), energy="30 mJ")


def test_without_limits_the_widest_is_chosen_and_nothing_is_measured() -> None:
    found = plan(ladder(5), progress=unwanted)
    assert found.subnet.id == "s04-fp32"
    assert found.score == found.full_score == pytest.approx(3.0)
    assert found.latency_ms is None
    assert found.to_json()["latency_ms"] is None


def test_a_subnet_that_the_provider_has_no_graph_of_is_not_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its precision cost too much there, so it was not exported for it."""
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: list(PROVIDERS.values()))
    *others, widest = ladder(4).subnets
    both = [replace_graphs(each, "onnxruntime", "tensorrt") for each in others]
    found = plan(Paper((*both, widest)), provider="onnxruntime-tensorrt")
    assert found.subnet.id == "s02-fp32"
    assert "no graph of it for tensorrt" in str(found)
    assert plan(Paper((*both, widest))).subnet.id == widest.id
    with pytest.raises(pliant.NoSubnetFits, match="no graph of it for tensorrt"):
        plan(Paper((widest,)), provider="onnxruntime-tensorrt")


def replace_graphs(item: SubnetInfo, *targets: str) -> SubnetInfo:
    return item._replace(graphs=dict.fromkeys(targets, item.graphs["onnxruntime"]))


def test_json_is_what_the_contract_says() -> None:
    suite = ladder(3)
    cache = in_memory(suite, {item.id: [5.0 * (index + 1)] * 30 for index, item in enumerate(suite.subnets)})
    found = plan(suite, latency="11 ms", measure="never", cache=cache)
    entry = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert entry["chosen"] == "s01-fp32"
    assert entry["latency_ms"]["value"] == 10.0
    assert entry["latency_ms"]["kind"] == "measured"
    assert entry["latency_ms"]["room"] == UNKNOWN
    assert [set(item) for item in entry["rejected"]] == [{"id", "reason"}] * 2
    assert "10 ms of 11 ms at p50 (room for the 8 % that repeats differ by)" in entry["why"]
    text = str(found)
    assert "s01-fp32" in text
    assert "latency 15 ms at p50, limit 11 ms (36 % over)" in text
    assert "scores less" in text


@pytest.mark.parametrize("measure", ["always", None, True])
def test_another_way_of_measuring_is_refused(measure: Any) -> None:
    with pytest.raises(pliant.BudgetError, match="'auto', 'never' or 'known'"):
        plan(ladder(1), measure=measure)


def test_profiles_of_other_machines_do_not_count() -> None:
    suite = ladder(1)
    cache = MeasurementCache("/dev/null/cache")
    other: Fingerprint = replace(MACHINE, cores=MACHINE.cores + 1)
    key = Book(cast(pliant.Suite, suite), tuple(TASKS), cache=cache).key(suite.subnets[0]).text
    cache.add(other, latency={key: summarize([1.0] * 30)})
    with pytest.raises(pliant.BudgetError, match="not measured here"):
        plan(suite, latency="5 ms", measure="never", cache=cache)


@pytest.mark.parametrize(("spread", "shown"), [(6.6, "660 %"), (0.157, "16 %"), (0.034, "3.4 %"), (0.0, "0 %")])
def test_a_spread_is_a_plain_number(spread: float, shown: str) -> None:
    found = replace(plan(ladder(3)), latency_ms=Figure(2.0, "measured", 0.5, spread, 21))
    assert f"2 ms at p50, measured in 21 runs, spread {shown}\n" in str(found)


def test_a_provider_that_is_not_there_is_refused_though_nothing_is_measured() -> None:
    with pytest.raises(pliant.BudgetError, match="no provider 'bogus'"):
        plan(ladder(3), macs=8, provider="bogus")
    for name in ("cuda", "onnxruntime-tensorrt"):
        if PROVIDERS[name] not in onnxruntime.get_available_providers():
            with pytest.raises(pliant.EngineUnavailable, match=f"no {name} provider: pip uninstall onnxruntime, then"):
                plan(ladder(3), macs=8, provider=name)


@pytest.mark.parametrize("ask", ["plan", "load"])
def test_a_budgets_word_that_is_none_is_told_with_the_nearest(suite: pliant.Suite, ask: str) -> None:
    with pytest.raises(pliant.BudgetError, match=r"no word 'latncy': did you mean 'latency'\?"):
        getattr(suite, ask)(latncy="5 ms")


def test_more_threads_than_cores_are_worth_a_note() -> None:
    suite = ladder(2)
    crowded, roomy = (
        plan(suite, macs="1 T", threads=threads, measure="never") for threads in (MACHINE.cores + 1, MACHINE.cores)
    )
    assert any(f"{MACHINE.cores + 1} threads share" in note for note in crowded.notes)
    assert not any("threads share" in note for note in roomy.notes)
