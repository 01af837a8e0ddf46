from __future__ import annotations

import dataclasses

import pytest

from pliant.devices.errors import BudgetError
from pliant.search.assemble import make_front
from pliant.search.explain import explain
from pliant.search.factorized import Factorized
from pliant.search.front import Front, Latency, Provenance
from pliant.search.preference import Preference
from pliant.search.score import Yardstick
from pliant.search.selection import Chooser

from .making import formula_problem

PROBLEM, _ = formula_problem(20)
FOUND = Factorized().search(PROBLEM)
FRONT = make_front(PROBLEM, FOUND, (0.25, 0.5, 1.0), 12, Provenance("", "", "", "", 1, 1, 0, 0, 0, 0.0, {}))


@pytest.mark.parametrize("number", range(1, len(FRONT.entries) + 1))
def test_a_subnet_is_chosen_at_the_budgets_that_are_said_and_at_no_others(number: int) -> None:
    found = explain(FRONT, number)
    candidates = {each.config: each for each in FOUND.candidates}
    shipped = [candidates[entry.config] for entry in FRONT.entries]
    choose = Chooser(shipped, Yardstick(FRONT.tasks, FRONT.widest.quality))
    for name, weights in FRONT.preferences.items():
        preference = Preference.of(weights, weights)
        chosen = {
            macs
            for macs in sorted({entry.macs for entry in FRONT.entries})
            if (best := choose(preference, macs)) and best.config == found.entry.config
        }
        low, high = found.best.get(name, (1.0, 0.0))
        said = {entry.macs for entry in FRONT.entries if low <= entry.macs and (high is None or entry.macs < high)}
        assert chosen == said, name


def test_the_text_names_neighbours_and_what_is_beaten() -> None:
    text = explain(FRONT, 3).text
    assert text.startswith("3: encoder ")
    assert "against 2, the next cheaper (" in text
    assert "against 4, the next dearer (" in text
    assert f"of {len(FOUND.candidates)} measured subnets: they cost no less and are nowhere better" in text
    assert "as the narrowest" in explain(FRONT, 1).text
    assert "without limit" in explain(FRONT, len(FRONT.entries)).text


def test_what_is_beaten_is_counted_by_comparing_all() -> None:
    by_config = {each.config: each for each in FOUND.candidates}
    for entry in FRONT.entries:
        mine = by_config[entry.config]
        beaten = [
            other
            for other in FOUND.candidates
            if other is not mine
            and other.macs >= mine.macs
            and all(
                (other.quality[task.name] <= mine.quality[task.name])
                if task.higher_is_better
                else (other.quality[task.name] >= mine.quality[task.name])
                for task in FRONT.tasks
            )
        ]
        assert entry.beats == len(beaten)


def test_where_all_latencies_are_known_budgets_are_times() -> None:
    timed = dataclasses.replace(
        FRONT,
        entries=tuple(
            dataclasses.replace(entry, latency=Latency(entry.macs / 1000, "measured", "here"))
            for entry in FRONT.entries
        ),
    )
    assert Front.from_json(timed.to_json()) == timed
    assert " ms (measured), " in explain(timed, 4).text
    assert "multiply-adds" not in explain(timed, 4).text


@pytest.mark.parametrize("number", [0, 13, -1])
def test_a_number_that_is_not_on_the_front_is_one_line(number: int) -> None:
    with pytest.raises(BudgetError, match=f"the front has subnets 1 to 12, and no {number}"):
        explain(FRONT, number)


def test_a_front_of_an_earlier_version_is_read() -> None:
    entry = FRONT.to_json()
    for each in entry["entries"]:
        del each["beats"]
    assert {each.beats for each in Front.from_json(entry).entries} == {None}
    assert "beats" not in explain(Front.from_json(entry), 2).text
