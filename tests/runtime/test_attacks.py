"""Every known attack is a SuiteError of one line: in a second, and in little more memory than the file has."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

import pliant

from ..attacks import Attack, attacks
from ..fuzz.reading import SPARE, read_all
from ..fuzz.watch import Peak
from .making import make


@pytest.mark.parametrize("attack", list(attacks()), ids=str)
def test_an_attack_is_refused_in_one_line(attack: Attack, tmp_path: Path) -> None:
    path = tmp_path / "attack.pliant"
    attack.write(path)
    # Of this process: a busy machine is no fault of the reader's.
    start, peak = time.process_time(), Peak()
    with pytest.raises(pliant.SuiteError, match=attack.says) as caught:
        read_all(path, engine=True)
    assert time.process_time() - start < 1
    assert peak.grown() <= 2 * path.stat().st_size + SPARE
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 1000


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="what memory was in use is read from /proc")
def test_the_watch_sees_memory_that_was_given_back() -> None:
    """Or the bound above would hold whatever the reader does."""
    peak = Peak()
    taken = bytearray(32 << 20)
    taken[::4096] = b"x" * len(taken[::4096])
    del taken
    assert peak.grown() > 24 << 20


def test_no_two_attacks_have_one_name() -> None:
    names = [attack.name for attack in attacks()]
    assert len(set(names)) == len(names) > 100


def test_records_that_become_much_are_not_kept(tmp_path: Path) -> None:
    """Each is small in the file and within every bound; a reader of all of them holds one at a time."""
    made = make()
    flood = {
        f"\U0001f600{index:0200}": {"tensor": "weights/mix.weight", "ranges": [[[0, 16]]]} for index in range(12_000)
    }
    for name in made.records:
        made.set_views(name, made.views(name) | flood)
    path = made.write(tmp_path / "flood.pliant")
    peak = Peak()
    with pliant.open_suite(path) as suite:
        found = list(suite.verify(threads=1))
        assert peak.grown() <= 2 * path.stat().st_size + SPARE
        assert not suite._records
    assert [each.ok for each in found] == [True, False, False, False, False]
    assert all("does not use" in each.detail for each in found[1:])
