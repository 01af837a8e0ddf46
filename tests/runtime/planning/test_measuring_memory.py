"""Whose memory a plan measures: that takes a process each, so that of many subnets few are measured."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pliant.runtime.planning.budget import make_budget
from pliant.runtime.planning.choice import rank
from pliant.runtime.planning.judge import PEAKS, Judge
from pliant.runtime.planning.measuring import measure_what_decides
from pliant.runtime.planning.reasons import close

from .paper import TASKS, ladder
from .scripted import Scripted

BASE, STEP = 40_000_000, 3_000_000


def _weighed(count: int, limit: int, wobble: list[int] | None = None) -> tuple[list[str], Scripted]:
    """What fits of a ladder whose memory grows by a megabyte or so each, and the book."""
    suite = ladder(count)
    book = Scripted(suite, dict.fromkeys((item.id for item in suite.subnets), 1.0))
    extra = wobble or [0] * count
    book.peaks = {item.id: BASE + STEP * index + extra[index] for index, item in enumerate(suite.subnets)}
    judge = Judge(make_budget(TASKS, memory=f"{limit} B"), book)
    ranked = rank(suite.subnets, tuple(TASKS), judge.budget)
    judge = measure_what_decides(judge, ranked, None)
    return [item.subnet.id for item in ranked if judge.fits(item)], book


@pytest.mark.parametrize("limit", [35_000_000, 41_000_000, 100_000_000, 200_000_000, 900_000_000])
def test_of_a_hundred_subnets_the_memory_of_few_is_measured(limit: int) -> None:
    fitting, book = _weighed(100, limit)
    assert fitting[:1] == _best(book, limit)
    assert len(book.weighed) == len(set(book.weighed)) <= 16, "each takes a second"


@given(
    st.integers(1, 30),
    st.integers(30_000_000, 150_000_000),
    st.lists(st.integers(-1_000_000, 1_000_000), min_size=30, max_size=30),
)
def test_the_best_that_fits_is_found_though_processes_differ(count: int, limit: int, wobble: list[int]) -> None:
    fitting, book = _weighed(count, limit, wobble)
    assert fitting[:1] == _best(book, limit)


def test_a_peak_leaves_the_room_that_peaks_differ_by_and_says_where_it_cannot() -> None:
    """Twelve processes of one and the same subnet took 81.9 to 89.9 MB."""
    _, book = _weighed(3, 45_000_000)
    suite, best, judge = book.suite, book.suite.subnets[1], Judge(make_budget(TASKS, memory="45 MB"), book)
    (candidate,) = (item for item in rank(suite.subnets, tuple(TASKS), judge.budget) if item.subnet.id == best.id)
    (miss,) = judge.memory_miss(candidate)
    assert "43 MB and 10 % that peaks differ by" in miss.text
    eased = replace(judge, eased=frozenset({"memory"}))
    assert eased.fits(candidate)
    assert "peaks of memory differ by up to 10 %" in close(eased, candidate)
    assert close(judge, candidate) == ""


@pytest.mark.parametrize(
    ("times", "peaks", "chosen", "eased"),
    [
        ((5.0, 9.9), (44.0, 44.2), "s00-fp32", {"memory"}),
        ((9.9, 9.95), (40.0, 44.2), "s00-fp32", {"latency"}),
        ((9.9, 9.95), (44.0, 44.2), "s01-fp32", {"latency", "memory"}),
        ((5.0, 9.9), (40.0, 44.2), "s00-fp32", set()),
    ],
)
def test_room_is_given_up_only_under_the_limit_that_nothing_leaves_it_under(
    times: tuple[float, float], peaks: tuple[float, float], chosen: str, eased: set[str]
) -> None:
    suite = ladder(2)
    names = [item.id for item in suite.subnets]
    book = Scripted(suite, dict(zip(names, times, strict=True)), drift=0.08)
    book.peaks = {name: int(peak * 1e6) for name, peak in zip(names, peaks, strict=True)}
    judge = Judge(make_budget(TASKS, latency="10ms", memory="45 MB"), book)
    ranked = rank(suite.subnets, tuple(TASKS), judge.budget)
    judge = measure_what_decides(judge, ranked, None)
    assert judge.eased == eased
    assert next(item.subnet.id for item in ranked if judge.fits(item)) == chosen


def _best(book: Scripted, limit: int) -> list[str]:
    """The widest that leaves room, or where none does that is within the limit; its weights have to be too."""
    bytes_of = {item.id: item.bytes for item in book.suite.subnets}
    for room in (PEAKS, 0.0):
        within = [name for name, peak in book.peaks.items() if peak * (1 + room) <= limit and bytes_of[name] <= limit]
        if within:
            return [max(within)]
    return []
