from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from pliant import BudgetError
from pliant.models.space import SearchSpace
from pliant.search.preference import Preference, decoder_widths, rule_variants, snap, standard_preferences

TASKS = ("depth", "edges", "normals", "surfaces")
SPACE = SearchSpace(4, TASKS)
weights = st.floats(0.01, 100.0)
preferences = st.tuples(*[weights] * len(TASKS)).map(lambda ws: Preference(tuple(zip(TASKS, ws, strict=True))))
allowed = st.sampled_from(SPACE.decoder_widths)


@given(preferences, allowed)
def test_the_most_preferred_gets_the_ceiling_and_all_widths_are_allowed(preference: Preference, ceiling: float) -> None:
    widths = dict(decoder_widths(SPACE, preference, ceiling))
    most = max(preference.weights, key=lambda pair: pair[1])[0]
    assert widths[most] == ceiling == max(widths.values())
    assert set(widths.values()) <= set(SPACE.decoder_widths)


@given(preferences, st.floats(0.1, 1000.0), st.sampled_from(TASKS), st.floats(1.0, 50.0))
def test_raising_a_preference_narrows_no_decoder_of_its_own_and_widens_none_of_others(
    preference: Preference, ceiling: float, task: str, factor: float
) -> None:
    raised = Preference(tuple((name, w * factor if name == task else w) for name, w in preference.weights))
    before, after = (dict(decoder_widths(SPACE, each, ceiling)) for each in (preference, raised))
    assert after[task] >= before[task]
    assert all(after[other] <= before[other] for other in TASKS if other != task)


@given(preferences, allowed, st.sampled_from([0.5, 2.0, 4.0]))
def test_only_ratios_of_weights_matter(preference: Preference, ceiling: float, factor: float) -> None:
    scaled = Preference(tuple((task, w * factor) for task, w in preference.weights))
    assert decoder_widths(SPACE, scaled, ceiling) == decoder_widths(SPACE, preference, ceiling)


@given(preferences)
def test_ceilings_lead_from_all_narrowest_to_all_widest_and_never_back(preference: Preference) -> None:
    found = [dict(decoders) for decoders in rule_variants(SPACE, [preference])]
    narrow, wide = SPACE.decoder_widths[0], SPACE.decoder_widths[-1]
    assert found[0] == dict.fromkeys(TASKS, narrow)
    assert found[-1] == dict.fromkeys(TASKS, wide)
    for before, after in pairwise(found):
        assert after != before
        assert all(after[task] >= before[task] for task in TASKS)
    weights = dict(preference.weights)
    for widths in found:
        assert all(widths[a] >= widths[b] for a in TASKS for b in TASKS if weights[a] > weights[b])


@given(preferences, st.floats(0.05, 20.0))
def test_no_ceiling_gives_what_is_not_among_them(preference: Preference, ceiling: float) -> None:
    at_edge = {round(ceiling * weight / max(w for _, w in preference.weights), 6) for _, weight in preference.weights}
    assume(not at_edge & {0.375, 0.625, 0.875})
    assert decoder_widths(SPACE, preference, ceiling) in rule_variants(SPACE, [preference])


def test_one_decoder_width_has_one_ceiling() -> None:
    space = SearchSpace(4, TASKS, decoder_widths=(1.0,))
    assert rule_variants(space, [Preference.of(TASKS)]) == [tuple((task, 1.0) for task in TASKS)]


def test_a_preference_makes_a_difference() -> None:
    depth = dict(decoder_widths(SPACE, Preference.of(TASKS, {"depth": 2.0}), 1.0))
    assert depth == {"depth": 1.0, "edges": 0.5, "normals": 0.5, "surfaces": 0.5}


@pytest.mark.parametrize(
    ("width", "snapped"), [(0.375, 0.25), (0.38, 0.5), (0.01, 0.25), (7.0, 1.0), (0.1 + 0.2, 0.25)]
)
def test_snap_takes_the_nearest_and_of_two_the_narrower(width: float, snapped: float) -> None:
    assert snap(width, (0.25, 0.5, 0.75, 1.0)) == snapped


@given(preferences)
def test_simplex_sums_to_one(preference: Preference) -> None:
    assert sum(preference.simplex.values()) == pytest.approx(1.0)


def test_standard_preferences_favour_each_task_once() -> None:
    found = standard_preferences(("a", "b"), [{"a": 2.0}, {"b": 5.0}, {"a": 3.0, "b": 3.0}])
    assert [each.name for each in found] == ["equal", "a=2", "b=2", "b=5"]


@pytest.mark.parametrize("weight", [0.0, -1.0, float("nan"), float("inf"), 1e308, 1e-300, 10**400])
def test_weights_that_are_none_are_refused(weight: float) -> None:
    with pytest.raises(BudgetError, match="number over 0"):
        Preference.of(TASKS, {"depth": weight})


def test_an_unknown_task_is_named() -> None:
    with pytest.raises(BudgetError, match=r"'dpeth'.*depth, edges"):
        Preference.of(TASKS, {"dpeth": 2.0})
