"""One small suite for all tests that only read it, and a server that it can be fetched from."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

import pliant

from .making import Made, make
from .served import Server


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


@pytest.fixture
def server() -> Iterator[Server]:
    found = Server()
    thread = threading.Thread(target=found.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield found
    found.shutdown()
    found.server_close()
    thread.join()


@pytest.fixture
def good(suite_path: Path) -> bytes:
    """The suite's file, as a server should hand it out."""
    return suite_path.read_bytes()
