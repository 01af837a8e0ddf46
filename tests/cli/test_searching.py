"""What the table of a front says in words."""

from __future__ import annotations

from typing import cast

import pytest

from pliant.cli.searching import _best_for
from pliant.search.entries import FrontEntry

NAMES = ("equal", "depth=2", "edges=2", "normals=2", "surfaces=2")


class Entry:
    def __init__(self, preferences: tuple[str, ...]):
        self.preferences = preferences


@pytest.mark.parametrize(
    ("best", "said"),
    [
        (NAMES, "all"),
        (NAMES[:4], "all but surfaces=2"),
        (NAMES[:3], "all but normals=2; surfaces=2"),
        (NAMES[:2], "equal; depth=2"),
        (("edges=2",), "edges=2"),
        ((), ""),
    ],
)
def test_preferences_are_said_in_few_words(best: tuple[str, ...], said: str) -> None:
    assert _best_for(cast(FrontEntry, Entry(best)), NAMES) == said
