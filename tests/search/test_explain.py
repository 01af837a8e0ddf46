from __future__ import annotations

import dataclasses
from typing import Literal

import pytest

from pliant.devices.errors import BudgetError
from pliant.runtime.planning.budget import LATENCY, MACS
from pliant.search.algorithms.factorized import Factorized
from pliant.search.algorithms.selection import Chooser
from pliant.search.entries import Latency
from pliant.search.front.assemble import make_front
from pliant.search.front.explain import explain
from pliant.search.front.front import Front
from pliant.search.front.provenance import Provenance
from pliant.search.preference import Preference
from pliant.search.score import Yardstick

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
    whole = f"{len(FOUND.candidates)} subnets of {FOUND.evaluations} evaluated encoders"
    assert f"of {whole}: they cost no less and are nowhere better" in text
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


def in_time(front: Front, kind: Literal["measured", "estimated"]) -> Front:
    """A millisecond for a thousand multiply-adds."""
    entries = tuple(
        dataclasses.replace(entry, latency=Latency(entry.macs / 1000, kind, "here")) for entry in front.entries
    )
    origin = dataclasses.replace(front.provenance, cost=f"{kind} latency")
    return dataclasses.replace(front, entries=entries, provenance=origin)


def test_the_two_nearest_of_those_that_are_beaten_are_named_and_by_what() -> None:
    widest = FRONT.widest.macs
    for number, entry in enumerate(FRONT.entries, 1):
        lines = [line for line in explain(FRONT, number).lines if line.startswith("the nearest of them, ")]
        assert len(lines) == len(entry.beaten) == min(2, entry.beats or 0)
        for line, other in zip(lines, entry.beaten, strict=True):
            (found,) = [each for each in FOUND.candidates if each.config == other.config]
            assert (other.quality, other.cost) == (found.quality, found.macs / widest)
            assert f": cost {found.macs / entry.macs - 1:+.1%}, surfaces " in line
            assert all(found.quality[name] <= entry.quality[name] for name in ("surfaces", "edges"))
    assert len(FRONT.entries[3].beaten) == 2


def test_a_subnet_and_its_twin_in_another_precision_are_told_apart() -> None:
    entry = FRONT.entries[4]
    twin = dataclasses.replace(entry, config=dataclasses.replace(entry.config, precision="int8"))
    front = dataclasses.replace(FRONT, entries=(*FRONT.entries[:5], twin, *FRONT.entries[5:]))
    assert ", in int8; " in explain(front, 6).lines[0]
    assert "int8" not in explain(front, 5).lines[0]


def test_that_no_other_is_cheaper_and_nowhere_worse_is_said_only_where_it_is_true() -> None:
    """The fifth as it is, and once more, a little dearer and a little worse."""
    entry = FRONT.entries[4]
    config = dataclasses.replace(entry.config, precision="int8")
    quality = {**entry.quality, "surfaces": entry.quality["surfaces"] * 0.99}
    beaten = dataclasses.replace(entry, config=config, quality=quality, macs=entry.macs + 1)
    front = dataclasses.replace(FRONT, entries=(*FRONT.entries[:5], beaten, *FRONT.entries[5:]))
    assert f"and 5 ({MACS.format(entry.macs)} multiply-adds) is no dearer and nowhere worse" in explain(front, 6).text
    guessed = explain(in_time(front, "estimated"), 6).text
    assert (
        f"and 5 ({LATENCY.format(entry.macs / 1000)} (estimated)) is no dearer and nowhere worse, as far as" in guessed
    )
    better = dataclasses.replace(beaten, quality={**quality, "depth": entry.quality["depth"] * 0.999})
    front = dataclasses.replace(front, entries=(*FRONT.entries[:5], better, *FRONT.entries[5:]))
    assert "is no dearer" not in explain(front, 6).text


def test_what_others_cost_is_said_to_be_estimated_where_it_is() -> None:
    text = explain(in_time(FRONT, "measured"), 4).text
    assert "evaluated encoders: they cost no less by their estimated latencies and are nowhere better" in text
    assert "% (estimated), surfaces " in text
    assert "estimated" not in explain(FRONT, 4).text


def test_where_all_latencies_are_known_budgets_are_times() -> None:
    timed = in_time(FRONT, "measured")
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
        del each["beats"], each["beaten"]
    del entry["provenance"]["cost"]
    assert {each.beats for each in Front.from_json(entry).entries} == {None}
    assert "beats" not in explain(Front.from_json(entry), 2).text


def test_what_a_front_was_chosen_from_is_said_by_what_was_evaluated() -> None:
    origin = dataclasses.replace(FRONT.provenance, candidates=561, evaluations=12)
    assert dataclasses.replace(origin, algorithm="factorized").chosen_of == "561 subnets of 12 evaluated encoders"
    assert dataclasses.replace(origin, algorithm="joint").chosen_of == "561 evaluated subnets"
