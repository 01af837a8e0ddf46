"""One small suite for all tests that only read it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import pliant

from .making import Made, make


@pytest.fixture(scope="session")
def made() -> Made:
    return make()


@pytest.fixture(scope="session")
def suite_path(made: Made, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made.write(tmp_path_factory.mktemp("suite") / "made.pliant")


@pytest.fixture
def suite(suite_path: Path) -> Iterator[pliant.Suite]:
    with pliant.open_suite(suite_path) as opened:
        yield opened
