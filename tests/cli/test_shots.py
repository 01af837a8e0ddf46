"""Pictures of a run never overwrite one another, and stay in their folder."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pliant.cli.shots import distinct, picture_names

NAMES = st.lists(st.sampled_from(["a", "A", "a-1", "a-2", "a-1-1", "all", "b"]), max_size=6)


@given(NAMES)
def test_names_are_distinct_on_any_file_system(names: list[str]) -> None:
    found = distinct(names, ("all",))
    assert len({name.casefold() for name in found} | {"all"}) == len(names) + 1


@pytest.mark.parametrize(
    ("given_names", "found"),
    [
        (["photo", "other"], ["photo", "other"]),
        (["photo", "photo"], ["photo-1", "photo-2"]),
        (["photo", "photo", "photo-1"], ["photo-2", "photo-3", "photo-1"]),
    ],
)
def test_only_names_that_clash_are_numbered(given_names: list[str], found: list[str]) -> None:
    assert distinct(given_names) == found


def test_a_task_names_no_place_and_no_other_tasks_picture() -> None:
    names = picture_names(["../../etc/passwd", "a b", "a_b", "all"])
    assert len({*names.values(), "all"}) == 5
    assert all(Path(name).name == name and "." not in name for name in names.values())
