from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pliant.devices.errors import InputError
from pliant.models.space import SearchSpace
from pliant.search.pace import Timed, at_one_pace

SPACE = SearchSpace(2, ("depth",))
CONFIGS = [SPACE.uniform(one, other) for one in SPACE.encoder_widths for other in SPACE.decoder_widths]
times = st.floats(0.01, 1e4)


@given(st.lists(times, min_size=1, max_size=len(CONFIGS)), st.data())
def test_what_slows_a_group_of_subnets_changes_none_of_their_shares(own: list[float], data: st.DataObject) -> None:
    slower = [data.draw(st.floats(0.5, 4.0)) for _ in own]
    found = {config: Timed(ms * by, 10.0 * by) for config, ms, by in zip(CONFIGS, own, slower, strict=False)}
    level = at_one_pace(found)
    first = level[CONFIGS[0]] / own[0]
    assert list(level.values()) == pytest.approx([ms * first for ms in own])


def test_milliseconds_are_those_of_the_median_pace() -> None:
    paces = [8.0, 10.0, 40.0]
    found = {config: Timed(pace / 2, pace) for config, pace in zip(CONFIGS, paces, strict=False)}
    assert list(at_one_pace(found).values()) == pytest.approx([5.0] * 3)
    assert list(at_one_pace(found, pace=20.0).values()) == pytest.approx([10.0] * 3)
    assert at_one_pace({}) == {}


@pytest.mark.parametrize("wrong", [0.0, -1.0, math.nan, math.inf])
def test_no_time_and_no_pace_are_refused(wrong: float) -> None:
    for values in ((wrong, 1.0), (1.0, wrong)):
        with pytest.raises(InputError, match="a subnet cannot take"):
            Timed(*values)
