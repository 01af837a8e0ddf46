"""Budgets: what is read, what is refused and in which words; formatting reads back."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import pliant
from pliant.runtime.planning.budget import (
    BYTES,
    ENERGY,
    LATENCY,
    MACS,
    MEMORY,
    Budget,
    Quantity,
    format_bytes,
    make_budget,
)

from .paper import TASKS

QUANTITIES = (LATENCY, MEMORY, BYTES, MACS, ENERGY)


@pytest.mark.parametrize(
    ("quantity", "text", "value"),
    [
        (LATENCY, "15 ms", 15.0),
        (LATENCY, "15ms", 15.0),
        (LATENCY, " 0.015 s ", 15.0),
        (LATENCY, "900 us", 0.9),
        (LATENCY, "900 µs", 0.9),
        (LATENCY, "1.5e1ms", 15.0),
        (LATENCY, ".5 ms", 0.5),
        (MEMORY, "50 MB", 50e6),
        (MEMORY, "50 MiB", 50 * 2.0**20),
        (MEMORY, "1.5GB", 1.5e9),
        (MEMORY, "512 kib", 512 * 1024.0),
        (BYTES, "20mb", 20e6),
        (BYTES, "7 B", 7.0),
        (MACS, "2 G", 2e9),
        (MACS, "2G", 2e9),
        (MACS, "1.2 GMACs", 1.2e9),
        (MACS, "350 M", 350e6),
        (MACS, "2e9", 2e9),
        (MACS, "1000000", 1e6),
        (ENERGY, "30 mJ", 30.0),
        (ENERGY, "0.03 J", 30.0),
    ],
)
def test_units_are_read(quantity: Quantity, text: str, value: float) -> None:
    assert quantity.parse(text) == pytest.approx(value, rel=1e-12)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ({"latency": "15 parsecs"}, r"'parsecs': use one of us, ms, s"),
        ({"latency": "15"}, r"has no unit: write, for example, 15 ms"),
        ({"latency": 15}, r"15 has no unit: write, for example, '15 ms'"),
        ({"latency": np.float32(15)}, r"has no unit"),
        ({"latency": "fast"}, r"cannot read the latency 'fast'"),
        ({"latency": "1,5 ms"}, r"cannot read|cannot be in"),
        ({"latency": "0 ms"}, r"more than 0"),
        ({"latency": "-3 ms"}, r"more than 0"),
        ({"latency": "1e999 ms"}, r"finite"),
        ({"latency": "nan ms"}, r"cannot read"),
        ({"latency": "inf ms"}, r"cannot read"),
        ({"latency": math.inf}, r"finite"),
        ({"latency": True}, r"cannot read"),
        ({"latency": ["15 ms"]}, r"cannot read"),
        ({"latency": "30 MS"}, r"'MS'"),
        ({"memory": "50 Mb"}, r"'Mb': use one of B, kB, MB, GB, KiB, MiB, GiB"),
        ({"memory": 50_000_000}, r"no unit"),
        ({"memory": "50 ms"}, r"memory cannot be in 'ms'"),
        ({"bytes": "20"}, r"no unit"),
        ({"macs": 0}, r"more than 0"),
        ({"macs": math.nan}, r"more than 0|finite"),
        ({"macs": "2 m"}, r"'m'"),
        ({"macs": True}, r"cannot read"),
        ({"energy": "30 MJ"}, r"'MJ'"),
        ({"energy": 30}, r"no unit"),
        ({"prefer": {"dept": 2.0}}, r"no task 'dept': did you mean 'depth'\? It has depth, edges, floor"),
        ({"floors": {"zzz": 1.0}}, r"no task 'zzz': it has depth"),
        ({"only": ["depth", "eges"]}, r"did you mean 'edges'"),
        ({"only": []}, r"no task is asked for"),
        ({"only": ["depth"], "prefer": {"edges": 1.0}}, r"not among the tasks asked for"),
        ({"prefer": {"depth": -1.0}}, r"must not be negative"),
        ({"prefer": {"depth": math.nan}}, r"must be a number"),
        ({"prefer": {"depth": "2"}}, r"must be a number"),
        ({"prefer": {"depth": 0.0, "edges": 0.0, "floor": 0.0}}, r"nothing is left"),
        ({"floors": {"depth": math.inf}}, r"must be a number"),
        ({"floors": {"depth": 10**400}}, r"not an enormous number"),
        ({"prefer": {"depth": 10**400}}, r"at most 1e\+09, not an enormous number"),
        ({"prefer": {"depth": 1e308}}, r"at most 1e\+09"),
        ({"prefer": {"depth": 1e-300}}, r"use 0, or 1e-09"),
        ({"prefer": ["depth"]}, r"a task and a number, as in \{'depth': 2.0\}"),
        ({"latency": 10**400}, r"finite, not an enormous number"),
        ({"macs": 10**400}, r"cannot read the macs|finite"),
        ({"macs": 10**5000}, r"cannot read the macs|finite"),
        ({"only": 5}, r"tasks are names"),
        ({"only": [["depth"]]}, r"no task"),
        ({"only": "depth,eges"}, r"did you mean 'edges'"),
        ({"provider": "bogus"}, r"no provider 'bogus': use cpu, cuda, "),
        ({"provider": 3}, r"no provider 3"),
        ({"quantile": 0.6}, r"use one of 0\.1"),
        ({"threads": -1}, r"whole number"),
        ({"threads": 2.0}, r"whole number"),
        ({"provider": ""}, r"provider"),
    ],
)
def test_what_cannot_be_understood_says_what_to_write(words: dict[str, Any], says: str) -> None:
    with pytest.raises(pliant.BudgetError, match=says) as caught:
        make_budget(TASKS, **words)
    assert "\n" not in str(caught.value)


@given(st.sampled_from(QUANTITIES), st.floats(1.0, 1e13))
def test_what_is_formatted_reads_back(quantity: Quantity, value: float) -> None:
    text = quantity.format(value)
    again = quantity.parse(text)
    assert again == pytest.approx(value, rel=6e-4)
    assert quantity.format(again) == text


@given(st.floats(1e-3, 1e6, allow_nan=False))
def test_latencies_below_a_millisecond_read_back_too(value: float) -> None:
    assert LATENCY.parse(LATENCY.format(value)) == pytest.approx(value, rel=6e-4)


@given(st.sampled_from(QUANTITIES), st.text(max_size=12))
def test_any_text_is_read_or_refused_in_one_line(quantity: Quantity, text: str) -> None:
    try:
        value = quantity.parse(text)
    except pliant.BudgetError as error:
        said = str(error)
        value = 1.0
    else:
        said = quantity.name
    assert said.startswith(quantity.name) or f"the {quantity.name}" in said
    assert 0.0 < value < math.inf


@pytest.mark.parametrize(("value", "text"), [(8123456, "8.123 MB"), (999, "999 B"), (1e6, "1 MB"), (999_996, "1 MB")])
def test_bytes_for_people(value: float, text: str) -> None:
    assert format_bytes(value) == text


def test_a_whole_budget() -> None:
    budget = make_budget(
        TASKS,
        latency="15 ms",
        memory="50 MB",
        macs=2e9,
        bytes="20 MB",
        prefer={"edges": 2},
        floors={"depth": np.float64(0.5)},
        only="floor, depth, edges",
        quantile=0.95,
        provider="CPU",
        threads=0,
    )
    assert budget == Budget(
        latency_ms=15.0,
        memory_bytes=50_000_000,
        macs=2_000_000_000,
        bytes=20_000_000,
        quantile=0.95,
        prefer=(("edges", 2.0),),
        floors=(("depth", 0.5),),
        tasks=None,
        provider="cpu",
        threads=None,
    )
    assert json.loads(json.dumps(budget.to_json()))["floors"] == {"depth": 0.5}
    assert "15 ms at p95" in str(budget)


def test_tasks_come_in_the_suites_order_and_all_of_them_are_no_restriction() -> None:
    assert make_budget(TASKS, only=["floor", "depth"]).tasks == ("depth", "floor")
    assert make_budget(TASKS, only=["floor", "edges", "depth"]).tasks is None
    assert make_budget(TASKS, only="depth").tasks == ("depth",)
