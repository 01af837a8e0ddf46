"""A key pair, and the small suite signed with it."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519

import pliant
from pliant.runtime.format.signing import sign_suite

from .signatures import written


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return written(ed25519.Ed25519PrivateKey.generate(), tmp_path_factory.mktemp("keys"))


@pytest.fixture(scope="module")
def signed(suite_path: Path, keys: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("signed") / "signed.pliant"
    with pliant.open_suite(suite_path) as suite:
        sign_suite(suite, keys[0], path)
    return path
