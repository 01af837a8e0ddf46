"""A suite that governors can plan with, without measuring."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import pliant
from pliant.devices.cache import MeasurementCache
from pliant.devices.measure import summarize
from pliant.runtime.planning.book import Book

from ..making import make
from .governed import Suite

PROFILE = {"s01-fp32": 2.0, "s01-int8": 2.5, "s02-fp32": 6.0, "s03-fp32": 10.0}
QUALITY = {"s01-fp32": 0.3, "s01-int8": 0.2, "s02-fp32": 0.4, "s03-fp32": 0.5}


@pytest.fixture
def suite(tmp_path: Path) -> Iterator[Suite]:
    """A suite that was profiled here before, with made-up times."""
    made = make()
    for entry in made.manifest["subnets"]:
        entry["quality"]["floor"]["value"] = QUALITY[entry["id"]]
    with pliant.open_suite(made.write(tmp_path / "made.pliant")) as opened:
        for tasks in (tuple(opened.tasks), ("floor",)):
            book = Book(opened, tasks, threads=1)
            times = {book.key(opened.subnet(name)).text: summarize([took] * 300) for name, took in PROFILE.items()}
            MeasurementCache().add(book.fingerprint, latency=times)
        yield opened
