"""What a plan measures, and in which order, from scripts instead of machines: quiet, noisy, busy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import pliant
from pliant.devices.measure import Effort, Progress, runs_needed, summarize
from pliant.devices.repeats import UNKNOWN
from pliant.runtime.format.manifest import Cost, SubnetInfo, Widths
from pliant.runtime.planning.budget import make_budget
from pliant.runtime.planning.choice import narrower, rank
from pliant.runtime.planning.deciding import make_plan
from pliant.runtime.planning.judge import Judge
from pliant.runtime.planning.measuring import measure_what_decides
from pliant.runtime.planning.plan import Plan
from pliant.runtime.planning.reasons import nothing_fits

from .paper import TASKS, ladder
from .scripted import Scripted


@given(
    st.integers(1, 40),
    st.lists(st.floats(-0.3, 0.3), min_size=40, max_size=40),
    st.floats(0.5, 45.0),
    st.sampled_from([0.5, 0.95]),
)
@settings(max_examples=40)
def test_measuring_ends_and_the_choice_is_confirmed(
    count: int, noises: list[float], limit: float, quantile: float
) -> None:
    suite = ladder(count)
    truth = {item.id: 1.0 + index for index, item in enumerate(suite.subnets)}
    book = Scripted(suite, truth, dict(zip(truth, noises, strict=False)))
    judge = Judge(make_budget(TASKS, latency=f"{limit!r} ms", quantile=quantile), book)
    ranked = rank(suite.subnets, tuple(TASKS), judge.budget)
    measure_what_decides(judge, ranked, None)
    chosen = next((item for item in ranked if not judge.misses(item)), None)
    if chosen is None:
        assert min(truth.values()) * 1.06 >= limit
        return
    found = book.latency(chosen.subnet)
    assert found is not None
    assert found.runs >= 42
    assert (found.at(quantile) or 1e9) <= limit
    assert not judge.unknown(chosen)
    for item in ranked[: ranked.index(chosen)]:
        rough, narrow = book.latency(item.subnet), judge.beyond(item)
        if rough is None:
            assert narrow is not None, "out, but not by a measurement"
            rough = book.latency(narrow)
            assert rough is not None
        over_by_median = rough.settled(0.5) and (rough.p50 or 0.0) > limit
        assert rough.settled(quantile) or rough.min > 1.25 * limit or over_by_median


def test_of_many_subnets_few_are_glanced_at_and_fewer_measured_well() -> None:
    suite = ladder(100)
    truth = {item.id: 0.3 * (1.0 + index) for index, item in enumerate(suite.subnets)}
    book = Scripted(suite, truth)
    judge = Judge(make_budget(TASKS, latency="15.1 ms"), book)
    ranked = rank(suite.subnets, tuple(TASKS), judge.budget)
    measure_what_decides(judge, ranked, None)
    assert next(item.subnet.id for item in ranked if not judge.misses(item)) == "s49-fp32"
    assert sum(len(ids) for runs, ids in book.calls if runs == 6) <= 20
    assert sum(len(ids) for runs, ids in book.calls if runs == 21) <= 30
    assert [ids for runs, ids in book.calls if runs == 42] == [("s49-fp32",)]


def _planned(book: Scripted, limit: str, measure: str) -> Plan:
    words: dict[str, Any] = {"latency": limit, "measure": measure, "cache": book.cache}
    return make_plan(book.suite, **words)


def test_after_the_first_use_a_switch_chooses_among_what_was_measured() -> None:
    suite = ladder(100)
    truth = {item.id: 0.3 * (1.0 + index) for index, item in enumerate(suite.subnets)}
    book = Scripted(suite, truth, drift=UNKNOWN)
    judge = Judge(make_budget(TASKS, latency="16.3 ms"), book)
    measure_what_decides(judge, rank(suite.subnets, tuple(TASKS), judge.budget), None)
    there = _planned(book, "16.3 ms", "known")
    assert there.subnet.id == "s49-fp32"
    assert not there.notes or "rank above" not in there.notes[-1]
    known = {item.id for item in suite.subnets if book.latency(item)}
    assert len(known) < 50
    elsewhere = _planned(book, "26 ms", "known")
    assert elsewhere.subnet.id == max(name for name in known if truth[name] * (1.0 + UNKNOWN) <= 26.0)
    assert elsewhere.latency_ms is not None
    assert elsewhere.latency_ms.kind == "measured"
    above = sum(elsewhere.subnet.id < name and truth[name] <= 27.0 for name in truth)
    assert any("rank above it were not measured here" in note for note in elsewhere.notes), above
    with pytest.raises(pliant.BudgetError, match="not measured here"):
        _planned(book, "26 ms", "never")
    unmeasured = [item for item in there.rejected if item.id not in known and truth[item.id] > 16.3]
    assert unmeasured
    assert all("which is nowhere wider, takes at least" in item.reason for item in unmeasured)


def test_nothing_fits_by_a_few_measurements_and_the_nearest_is_a_measured_one() -> None:
    suite = ladder(100)
    truth = {item.id: 10.0 + index for index, item in enumerate(suite.subnets)}
    book = Scripted(suite, truth)
    judge = Judge(make_budget(TASKS, latency="4 ms"), book)
    ranked = rank(suite.subnets, tuple(TASKS), judge.budget)
    measure_what_decides(judge, ranked, None)
    assert sum(len(ids) for _, ids in book.calls) <= 20
    error = nothing_fits(ranked, judge)
    assert error.nearest == "s00-fp32"


def test_a_subnet_that_is_wider_somewhere_is_not_ruled_out_by_another() -> None:
    one, other = ladder(2).subnets
    thin = other._replace(decoders={**other.decoders, "depth": Cost(1, 1)})
    assert narrower(one, other, tuple(TASKS))
    assert not narrower(one, thin, tuple(TASKS))
    assert narrower(one, thin, ("edges", "floor")), "a decoder that is not asked for does not count"
    assert not narrower(one, other._replace(precision="int8"), tuple(TASKS))
    assert not narrower(one._replace(widths=Widths((1.5,), one.widths.decoders)), other, tuple(TASKS))


def test_a_choice_that_misses_when_looked_at_again_steps_down() -> None:
    suite = ladder(4)
    truth = {"s00-fp32": 1.0, "s01-fp32": 2.0, "s02-fp32": 3.0, "s03-fp32": 4.0}
    # At first sight the third takes 2.57 ms, with 42 runs 2.79 ms.
    book = Scripted(suite, truth, {**dict.fromkeys(truth, 0.0), "s02-fp32": -0.5})
    judge = Judge(make_budget(TASKS, latency="2.7 ms"), book)
    ranked = rank(suite.subnets, tuple(TASKS), judge.budget)
    measure_what_decides(judge, ranked, None)
    assert next(item.subnet.id for item in ranked if not judge.misses(item)) == "s01-fp32"
    assert [ids for runs, ids in book.calls if runs == 42] == [("s02-fp32",), ("s01-fp32",)]


class Disturbed(Scripted):
    """Measures through other work on the machine: all but the quickest runs take thrice as long, for `spells` calls."""

    spells = 1

    def measure(
        self, subnets: Sequence[SubnetInfo], quantile: float, effort: Effort, progress: Progress | None = None
    ) -> None:
        super().measure(subnets, quantile, effort, progress)
        self.spells -= bool(subnets)
        if self.spells < 0:
            return
        runs = max(effort.runs, runs_needed(quantile))
        keys = {self.key(item).text: self.truth[item.id] for item in subnets}
        times = {key: summarize([value] * 2 + [3.0 * value] * (runs - 2), quantile) for key, value in keys.items()}
        self.profile = self.profile.merged(self.cache.add(self.fingerprint, latency=times))


def busy(spells: int, limit: str, count: int = 12, threads: int = 2) -> tuple[Disturbed, list[str], Judge]:
    suite = ladder(count)
    book = Disturbed(suite, {item.id: 1.0 + index for index, item in enumerate(suite.subnets)}, {})
    book.noise = dict.fromkeys(book.truth, 0.0)
    book.spells, book.threads = spells, threads
    judge = Judge(make_budget(TASKS, latency=limit), book)
    ranked = rank(suite.subnets, tuple(TASKS), judge.budget)
    measure_what_decides(judge, ranked, None)
    return book, [item.subnet.id for item in ranked if not judge.misses(item)], judge


def test_a_subnet_that_a_busy_machine_put_over_the_limit_gets_another_look() -> None:
    book, fitting, _ = busy(1, "5.6 ms")
    assert fitting[0] == "s04-fp32"
    assert book.calls[-1][0] == 42


def test_where_nothing_fits_on_a_busy_machine_the_quickest_get_another_look() -> None:
    book, fitting, _ = busy(1, "1.2 ms", count=3)
    assert fitting == ["s00-fp32"]
    assert book.calls[-1] == (42, ("s00-fp32", "s01-fp32", "s02-fp32"))


def test_a_machine_that_stays_busy_ends_the_plan_and_is_said() -> None:
    book, fitting, judge = busy(1000, "2.3 ms")
    assert fitting == []
    assert len(book.calls) <= 4
    ranked = rank(ladder(12).subnets, tuple(TASKS), judge.budget)
    assert "the machine was busy (its median run took 3.0 times the quickest, 1 ms)" in str(nothing_fits(ranked, judge))


def test_one_thread_is_the_way_out_where_several_met_a_busy_machine() -> None:
    for threads, advised in ((2, True), (1, False)):
        _, _, judge = busy(1000, "2.3 ms", threads=threads)
        said = str(nothing_fits(rank(ladder(12).subnets, tuple(TASKS), judge.budget), judge))
        assert "plan again when it is quiet" in said
        assert ("or with threads=1 (`--threads 1`)" in said) is advised


def test_glances_of_a_busy_machine_do_not_outlive_it() -> None:
    """All were measured while everything took eight times as long; on the quiet machine the right one is found."""
    suite = ladder(40)
    truth = {item.id: 1.0 + index for index, item in enumerate(suite.subnets)}
    book = Scripted(suite, truth)
    slow = {book.key(item).text: summarize([8.0 * truth[item.id]] * 6) for item in suite.subnets}
    book.profile = book.cache.add(book.fingerprint, latency=slow)
    for limit, chosen in (("1.5 ms", "s00-fp32"), ("20.5 ms", "s19-fp32")):
        judge = Judge(make_budget(TASKS, latency=limit), book)
        ranked = rank(suite.subnets, tuple(TASKS), judge.budget)
        measure_what_decides(judge, ranked, None)
        assert next(item.subnet.id for item in ranked if not judge.misses(item)) == chosen


def test_a_hopeless_limit_is_not_measured_twice() -> None:
    suite = ladder(40)
    truth = {item.id: 1.0 + index for index, item in enumerate(suite.subnets)}
    book = Scripted(suite, truth)
    for _ in range(2):
        judge = Judge(make_budget(TASKS, latency="0.6 ms"), book)
        measure_what_decides(judge, rank(suite.subnets, tuple(TASKS), judge.budget), None)
    assert [runs for runs, _ in book.calls] == [6, 42]
