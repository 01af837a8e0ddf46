"""Whose memory a plan measures: that takes a process each, so that of many subnets few are measured."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pliant.runtime.planning.budget import make_budget
from pliant.runtime.planning.choice import rank
from pliant.runtime.planning.judge import Judge
from pliant.runtime.planning.measuring import measure_what_decides

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
    measure_what_decides(judge, ranked, None)
    return [item.subnet.id for item in ranked if judge.fits(item)], book


@pytest.mark.parametrize("limit", [35_000_000, 41_000_000, 100_000_000, 200_000_000, 900_000_000])
def test_of_a_hundred_subnets_the_memory_of_few_is_measured(limit: int) -> None:
    fitting, book = _weighed(100, limit)
    best = (limit - BASE) // STEP
    assert fitting[:1] == ([f"s{min(best, 99):02d}-fp32"] if best >= 0 else [])
    assert len(book.weighed) == len(set(book.weighed)) <= 14, "each takes a second"


@given(
    st.integers(1, 30),
    st.integers(30_000_000, 150_000_000),
    st.lists(st.integers(-1_000_000, 1_000_000), min_size=30, max_size=30),
)
def test_the_best_that_fits_is_found_though_processes_differ(count: int, limit: int, wobble: list[int]) -> None:
    fitting, book = _weighed(count, limit, wobble)
    # Weights alone rule out what has more than the limit.
    bytes_of = {item.id: item.bytes for item in book.suite.subnets}
    within = [name for name, peak in book.peaks.items() if peak <= limit and bytes_of[name] <= limit]
    assert fitting[:1] == ([max(within)] if within else [])
