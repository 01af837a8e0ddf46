"""The room that a plan leaves for what measurements differ by from one time to another, and machines that change."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import pliant
from pliant.devices.measure import summarize
from pliant.runtime.planning.budget import make_budget
from pliant.runtime.planning.choice import rank
from pliant.runtime.planning.judge import Judge
from pliant.runtime.planning.measuring import measure_what_decides

from .paper import TASKS, in_memory, ladder, plan
from .scripted import Scripted


def test_a_choice_leaves_the_room_that_repeats_need() -> None:
    suite = ladder(20)
    truth = {item.id: 1.0 + index for index, item in enumerate(suite.subnets)}
    for drift, chosen in ((0.0, "s09-fp32"), (0.02, "s09-fp32"), (0.1, "s08-fp32"), (0.3, "s07-fp32")):
        judge = Judge(make_budget(TASKS, latency="10.5 ms"), Scripted(suite, truth, drift=drift))
        ranked = rank(suite.subnets, tuple(TASKS), judge.budget)
        measure_what_decides(judge, ranked, None)
        assert next(item.subnet.id for item in ranked if judge.fits(item)) == chosen, drift


def _earlier(book: Scripted, slower: float, ago: float = 3600.0) -> None:
    """All was measured an hour ago, when everything took `slower` times what it takes now."""
    times = {name: summarize([value * slower] * 60) for name, value in book.truth.items()}
    latency = {book.key(item).text: times[item.id] for item in book.suite.subnets}
    aged = {key: replace(found, taken=found.taken - ago) for key, found in latency.items()}
    book.profile = book.cache.add(book.fingerprint, latency=aged)


def _choose(book: Scripted, limit: str) -> str:
    judge = Judge(make_budget(TASKS, latency=limit), book)
    ranked = rank(book.suite.subnets, tuple(TASKS), judge.budget)
    measure_what_decides(judge, ranked, None)
    return next(item.subnet.id for item in ranked if judge.fits(item))


@pytest.mark.parametrize("slower", [1.0, 1.03, 0.98])
def test_numbers_of_earlier_are_looked_at_again_before_they_are_promised(slower: float) -> None:
    suite = ladder(30)
    book = Scripted(suite, {item.id: 1.0 + index for index, item in enumerate(suite.subnets)}, drift=None)
    _earlier(book, slower)
    assert _choose(book, "13.6 ms") == "s11-fp32"
    assert book.calls == [(0, ("s11-fp32",))]
    assert [each.ratio for each in book.profile.repeats] == [pytest.approx(1.0 / slower)]
    assert _choose(Scripted(suite, book.truth, drift=0.0), "12.9 ms") == "s11-fp32"


def test_where_no_room_is_left_a_look_that_comes_out_over_the_limit_counts() -> None:
    suite = ladder(5)
    book = Scripted(suite, {item.id: 1.0 + index for index, item in enumerate(suite.subnets)}, drift=0.1)
    _earlier(book, 0.95)  # a lucky minute: within what repeats differ by, and under the limit of the narrowest
    judge = Judge(make_budget(TASKS, latency="0.98 ms"), book)
    ranked = rank(suite.subnets, tuple(TASKS), judge.budget)
    judge = measure_what_decides(judge, ranked, None)
    assert not any(judge.fits(one) for one in ranked)


def test_what_was_refused_a_while_ago_is_looked_at_again_before_it_is_refused() -> None:
    suite = ladder(5)
    book = Scripted(suite, {item.id: 1.0 + index for index, item in enumerate(suite.subnets)}, drift=0.1)
    _earlier(book, 1.05)
    judge = Judge(make_budget(TASKS, latency="1.02 ms"), book)
    ranked = rank(suite.subnets, tuple(TASKS), judge.budget)
    judge = measure_what_decides(judge, ranked, None)
    assert [one.subnet.id for one in ranked if judge.fits(one)] == ["s00-fp32"]


@pytest.mark.parametrize("drift", [0.0, None])
@pytest.mark.parametrize("slower", [0.5, 0.7, 1.5, 3.0])
def test_on_a_machine_that_has_changed_all_is_measured_anew(slower: float, drift: float | None) -> None:
    suite = ladder(30)
    book = Scripted(suite, {item.id: 1.0 + index for index, item in enumerate(suite.subnets)}, drift=drift)
    _earlier(book, slower)
    assert _choose(book, "12.99 ms") == "s11-fp32"
    assert book.profile.repeats == (), "what was learned of two machines is none of either"
    kept = book.cache.profile(book.fingerprint).latency
    now = {book.key(item).text: book.truth[item.id] for item in suite.subnets}
    assert all(found.p50 == now[key] for key, found in kept.items()), "what held no longer is forgotten for good"


@given(
    st.floats(0.3, 4.0),
    st.floats(2.0, 30.0),
    st.lists(st.floats(-0.5, 3.0), min_size=30, max_size=30),
    st.sampled_from([0.0, 0.1, None]),
    st.sampled_from([0.5, 0.95]),
)
@settings(max_examples=60)
def test_measuring_ends_on_whatever_was_kept(
    slower: float, limit: float, noises: list[float], drift: float | None, quantile: float
) -> None:
    suite = ladder(30)
    truth = {item.id: 1.0 + index for index, item in enumerate(suite.subnets)}
    book = Scripted(suite, truth, dict(zip(truth, noises, strict=True)), drift=drift)
    _earlier(book, slower)
    judge = Judge(make_budget(TASKS, latency=f"{limit!r} ms", quantile=quantile), book)
    ranked = rank(suite.subnets, tuple(TASKS), judge.budget)
    measure_what_decides(judge, ranked, None)
    assert len(book.calls) < 60


def test_where_no_subnet_leaves_room_the_best_under_the_limit_is_taken_and_said() -> None:
    suite = ladder(5)
    times = {item.id: [4.9 + index] * 60 for index, item in enumerate(suite.subnets)}
    found = plan(suite, latency="5 ms", measure="never", cache=in_memory(suite, times))
    assert found.subnet.id == "s00-fp32"
    assert any("it is close: latencies measured again come out up to 8 % higher" in note for note in found.notes)
    with pytest.raises(pliant.BudgetError, match="not measured here"):
        plan(suite, latency="5 ms", measure="never", cache=in_memory(suite, {"s00-fp32": [4.9] * 60}))
    with pytest.raises(pliant.NoSubnetFits, match=r"2\.1 % over"):
        plan(suite, latency="4.8 ms", measure="never", cache=in_memory(suite, times))
