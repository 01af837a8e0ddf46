from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from pliant import InputError
from pliant.benchmarks.search.times import StoredTimes
from pliant.models.space import SubnetConfig
from pliant.search.pace import Timed

from ..search.making import formula_problem

SPACE = formula_problem()[0].space
HERE, THERE = {"fingerprint": "here"}, {"fingerprint": "there"}


class Slower:
    """Each time it is asked the machine is slower; `dies` after so many subnets."""

    def __init__(self, dies: int = 1000) -> None:
        self.asked: list[list[SubnetConfig]] = []
        self._left = dies

    def __call__(self, configs: Sequence[SubnetConfig], *, keep: Callable[[SubnetConfig, Timed], None]) -> None:
        self.asked.append(list(configs))
        for config in configs:
            if not self._left:
                raise KeyboardInterrupt
            keep(config, Timed(2.0 * len(self.asked), 10.0 * len(self.asked)))
            self._left -= 1


def test_stored_latencies_do_not_change_when_others_are_measured_at_another_pace(tmp_path: Path) -> None:
    measure = Slower()
    times = StoredTimes(tmp_path / "times.json", HERE, measure)
    assert times([SPACE.widest]) == {SPACE.widest: 2.0}
    assert times([SPACE.widest, SPACE.narrowest]) == {SPACE.widest: 2.0, SPACE.narrowest: 2.0}
    again = StoredTimes(tmp_path / "times.json", HERE, measure)
    assert again([SPACE.narrowest, SPACE.widest]) == {SPACE.widest: 2.0, SPACE.narrowest: 2.0}
    assert measure.asked == [[SPACE.widest], [SPACE.narrowest]]


def test_another_machine_measures_for_itself_and_leaves_what_is_there(tmp_path: Path) -> None:
    here, there = Slower(), Slower()
    StoredTimes(tmp_path / "times.json", HERE, here)([SPACE.widest, SPACE.narrowest])
    StoredTimes(tmp_path / "times.json", THERE, there)([SPACE.widest])
    assert there.asked == [[SPACE.widest]]
    StoredTimes(tmp_path / "times.json", HERE, here)([SPACE.widest, SPACE.narrowest])
    StoredTimes(tmp_path / "times.json", THERE, there)([SPACE.widest])
    assert len(here.asked) == len(there.asked) == 1


def test_what_was_measured_before_a_kill_is_not_measured_again(tmp_path: Path) -> None:
    first, second = SPACE.uniform(0.5), SPACE.uniform(0.75)
    with pytest.raises(KeyboardInterrupt):
        StoredTimes(tmp_path / "times.json", HERE, Slower(dies=2))([SPACE.widest, first, second])
    measure = Slower()
    found = StoredTimes(tmp_path / "times.json", HERE, measure)([SPACE.widest, first, second])
    assert measure.asked == [[second]]
    assert found == dict.fromkeys([SPACE.widest, first, second], 2.0)


def test_a_file_of_before_there_were_several_machines_is_read(tmp_path: Path) -> None:
    rows = [{"config": SPACE.widest.to_json(), "milliseconds": 3.0, "pace": 6.0}]
    (tmp_path / "times.json").write_text(json.dumps({**HERE, "pace": 12.0, "rows": rows}))
    measure = Slower()
    assert StoredTimes(tmp_path / "times.json", HERE, measure)([SPACE.widest]) == {SPACE.widest: 6.0}
    assert StoredTimes(tmp_path / "times.json", THERE, measure)([SPACE.widest]) == {SPACE.widest: 2.0}
    assert StoredTimes(tmp_path / "times.json", HERE, measure)([SPACE.widest]) == {SPACE.widest: 6.0}
    assert len(measure.asked) == 1


@pytest.mark.parametrize(
    "content", ["", '{"machines": [{"fingerprint": "he', "[]", '{"machines": [{}]}', "[" * 100_000]
)
def test_a_damaged_file_is_one_line_and_stays(tmp_path: Path, content: str) -> None:
    (tmp_path / "times.json").write_text(content)
    with pytest.raises(InputError, match=r"times\.json is damaged: get it back") as caught:
        StoredTimes(tmp_path / "times.json", HERE, Slower())
    assert "\n" not in str(caught.value)
    assert (tmp_path / "times.json").read_text() == content
