"""Plans of suites on paper: the rule against a brute-force oracle, limits, refusals, what a plan says."""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast

import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import pliant
from pliant.devices.cache import MeasurementCache
from pliant.devices.fingerprint import Fingerprint
from pliant.devices.measure import summarize
from pliant.devices.repeats import UNKNOWN
from pliant.runtime.engine import PROVIDERS
from pliant.runtime.format.manifest import Quality, SubnetInfo
from pliant.runtime.planning.book import Book
from pliant.runtime.planning.choice import over, rank, relative
from pliant.runtime.planning.figures import Figure
from pliant.runtime.planning.plan import Plan

from .paper import MACHINE, TASKS, Paper, in_memory, ladder, papers, plan, unwanted

limits = st.fixed_dictionaries(
    {
        "macs": st.none() | st.integers(4, 24),
        "bytes": st.none() | st.integers(4, 24).map(lambda count: f"{count} B"),
        "floors": st.dictionaries(st.sampled_from(list(TASKS)), st.sampled_from([0.125, 0.25, 0.5, 1.0]), max_size=2),
        "prefer": st.dictionaries(st.sampled_from(list(TASKS)), st.sampled_from([0.5, 2.0, 4.0]), max_size=2),
        "tasks": st.just(None),
    }
)


def planned(suite: Paper, **words: Any) -> Plan | None:
    try:
        return plan(suite, **words)
    except pliant.NoSubnetFits:
        return None


def cost_of(item: SubnetInfo, tasks: Sequence[str]) -> tuple[int, int]:
    parts = [item.encoder, *(item.decoders[task] for task in tasks)]
    return sum(part.macs for part in parts), sum(part.bytes for part in parts)


def oracle(suite: Paper, words: dict[str, Any]) -> tuple[str, float] | None:
    """The rule of the design, written out plainly: filter, score, cheapest of the best."""
    tasks = words["tasks"] or tuple(TASKS)
    fp32 = [item for item in suite.subnets if item.precision == "fp32"] or list(suite.subnets)
    top = fp32[0]
    for item in fp32:
        top = item if item.macs > top.macs else top
    fits = []
    for item in suite.subnets:
        macs, size = cost_of(item, tasks)
        if words["macs"] is not None and macs > words["macs"]:
            continue
        if words["bytes"] is not None and size > int(words["bytes"].split()[0]):
            continue
        good, score = True, 0.0
        for task in tasks:
            mine, best = item.quality[task].value, top.quality[task].value
            weight, floor = words["prefer"].get(task, 1.0), words["floors"].get(task)
            if task == "depth":
                score += weight * best / mine
                good &= floor is None or mine <= floor
            else:
                score += weight * mine / best
                good &= floor is None or mine >= floor
        if good:
            fits.append((-score, macs, size, item.id))
    if not fits:
        return None
    # Of subnets that tie in everything, the first in the suite.
    first = min(entry[:3] for entry in fits)
    return next((entry[3], -entry[0]) for entry in fits if entry[:3] == first)


@given(papers(), limits)
@settings(max_examples=150)
def test_the_choice_is_that_of_a_brute_force_oracle(suite: Paper, words: dict[str, Any]) -> None:
    found, expected = planned(suite, **words), oracle(suite, words)
    if expected is None:
        assert found is None
        return
    assert found is not None
    assert (found.subnet.id, found.score) == expected
    assert {item.id for item in found.rejected} == {item.id for item in suite.subnets} - {found.subnet.id}
    assert all(item.reason for item in found.rejected)


@given(papers(), limits, st.sampled_from([subset for size in (1, 2) for subset in itertools.combinations(TASKS, size)]))
def test_a_subset_of_the_tasks_counts_only_their_parts(
    suite: Paper, words: dict[str, Any], tasks: tuple[str, ...]
) -> None:
    words = {**words, "tasks": tasks, "floors": {}, "prefer": {}}
    found, expected = planned(suite, **words), oracle(suite, words)
    assert (found and (found.subnet.id, found.score)) == expected
    if found:
        assert (found.macs, found.bytes) == cost_of(found.subnet, tasks)


@given(papers(), limits, st.integers(0, 12), st.integers(0, 12))
def test_a_looser_budget_never_gives_a_lower_score(suite: Paper, words: dict[str, Any], macs: int, size: int) -> None:
    tight = planned(suite, **words)
    looser = dict(words)
    if words["macs"] is not None:
        looser["macs"] = words["macs"] + macs
    if words["bytes"] is not None:
        looser["bytes"] = f"{int(words['bytes'].split()[0]) + size} B"
    looser["floors"] = dict(list(words["floors"].items())[:1])
    loose = planned(suite, **looser)
    if tight is not None:
        assert loose is not None
        assert loose.score >= tight.score


@given(papers(most=6), st.lists(st.floats(1.0, 40.0), min_size=6, max_size=6), st.floats(1.0, 40.0))
def test_a_latency_limit_is_met_by_the_kept_numbers(suite: Paper, times: list[float], limit: float) -> None:
    cache = in_memory(suite, {item.id: [time] * 30 for item, time in zip(suite.subnets, times, strict=False)})
    taken = {item.id: time for item, time in zip(suite.subnets, times, strict=False)}
    text = f"{limit!r} ms"
    if min(taken.values()) > limit:
        with pytest.raises(pliant.NoSubnetFits) as caught:
            plan(suite, latency=text, measure="never", cache=cache)
        assert taken[caught.value.nearest or ""] == min(taken.values())
        assert caught.value.misses == {"latency": pytest.approx(min(taken.values()) / limit)}
        return
    found = plan(suite, latency=text, measure="never", cache=cache)
    assert found.latency_ms is not None
    assert found.latency_ms.value == pytest.approx(taken[found.subnet.id])
    assert found.latency_ms.value <= limit
    assert found.latency_ms.kind == "measured"
    # Under the limit by the room that repeats may need, unless none is.
    with_room = limit / (1.0 + UNKNOWN)
    allowed = with_room if min(taken.values()) <= with_room else limit
    assert found.latency_ms.value <= allowed
    assert any("it is close" in note for note in found.notes) == (allowed == limit)
    better = [item for item in rank(suite.subnets, tuple(TASKS), found.budget) if item.score > found.score]
    assert all(taken[item.subnet.id] > allowed for item in better)


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


@pytest.mark.parametrize(
    ("value", "shown"), [(4_943_360, "4,943,360 times it"), (2.5, "2.5 times it"), (1.034, "3.4 % over")]
)
def test_how_far_over_a_limit_is_a_plain_number(value: float, shown: str) -> None:
    assert over("macs", value, 1.0, str(value), "1").text.endswith(f"limit 1 ({shown})")


def test_ratios_of_quality_stay_finite() -> None:
    high, least = Quality("miou", 1e30, True), Quality("miou", 1e-300, True)
    assert relative(high, least) == relative(least._replace(higher_is_better=False), high) == 1e9
    assert relative(high._replace(value=-1e30), least) == -1e9


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
