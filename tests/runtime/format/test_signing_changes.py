"""Signed suites that are changed: without the key it is told, in whichever part of the file."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from pliant.runtime.format.signing import SIGNATURE

from .signatures import Opened, swap, verified


def reshape(suite: Opened) -> None:
    suite.header["weights/mix.weight"]["shape"].reverse()


def retype(suite: Opened) -> None:
    suite.header["weights/norm.bias"]["dtype"] = "I32"


def rename(suite: Opened) -> None:
    for part in (suite.header, suite.data):
        part["weights/other"] = part.pop("weights/norm.bias")


def add(suite: Opened) -> None:
    suite.header["weights/more"] = {"dtype": "U8", "shape": [4]}
    suite.data["weights/more"] = b"more"


def praise(suite: Opened) -> None:
    suite.texts["pliant"] = suite.texts["pliant"].replace('"value": 0.5', '"value": 0.9', 1)


def text(suite: Opened) -> None:
    suite.texts["note"] = "trust me"


def exchange(suite: Opened) -> None:
    """Two subnets answer to each other's names."""
    manifest = json.loads(suite.texts["pliant"])
    first, second = manifest["subnets"][0], manifest["subnets"][2]
    first["id"], second["id"] = second["id"], first["id"]
    suite.texts["pliant"] = json.dumps(manifest)


@pytest.mark.parametrize(
    "change",
    [
        swap("weights/mix.weight"),
        swap("int8/mix.weight"),
        swap("record/s01-fp32"),
        swap("witness/input"),
        swap("witness/depth/indices"),
        reshape,
        retype,
        rename,
        add,
        praise,
        text,
        exchange,
    ],
)
def test_a_change_with_digests_put_right_is_told(
    signed: Path, keys: tuple[Path, Path], tmp_path: Path, change: Callable[[Opened], None]
) -> None:
    opened = Opened(signed)
    change(opened)
    (said,) = verified(opened.write(tmp_path / "changed.pliant"), keys[1])
    assert "changed after it was signed" in said


@pytest.mark.parametrize("section", ["weights/", "int8/", "graph/", "record/", "witness/", "digests"])
def test_a_change_that_leaves_the_digests_is_told_by_them(
    signed: Path, keys: tuple[Path, Path], tmp_path: Path, section: str
) -> None:
    opened = Opened(signed)
    swap(next(name for name in opened.data if name.startswith(section)))(opened)
    (said,) = verified(opened.write(tmp_path / "changed.pliant", digests=False), keys[1])
    assert "digest" in said


def test_every_byte_of_a_signature_counts(signed: Path, keys: tuple[Path, Path], tmp_path: Path) -> None:
    for place in range(0, 128, 9):
        opened = Opened(signed)
        entry = json.loads(opened.texts[SIGNATURE])
        digit = entry["signature"][place]
        other = "0" if digit != "0" else "1"
        entry["signature"] = entry["signature"][:place] + other + entry["signature"][place + 1 :]
        opened.texts[SIGNATURE] = json.dumps(entry)
        assert verified(opened.write(tmp_path / "changed.pliant", digests=False), keys[1]) != []


@pytest.mark.parametrize(
    ("entry", "says"),
    [
        ("[]", "object"),
        ("{", "JSON"),
        ('{"algorithm": "rsa"}', "does not know"),
        ('{"algorithm": "ed25519", "public_key": "00", "signature": "", "note": "me"}', "says more"),
        ('{"algorithm": "ed25519", "public_key": "00", "signature": ""}', "32"),
        ('{"algorithm": "ed25519", "public_key": "' + "0" * 64 + '", "signature": 7}', "64 bytes"),
    ],
)
def test_what_is_no_signature_is_a_suite_error(
    signed: Path, keys: tuple[Path, Path], tmp_path: Path, entry: str, says: str
) -> None:
    opened = Opened(signed)
    opened.texts[SIGNATURE] = entry
    (said,) = verified(opened.write(tmp_path / "changed.pliant", digests=False), keys[1])
    assert says in said
