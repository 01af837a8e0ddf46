"""Addresses that are refused: unsafe, damaged or too large, another file than was asked for, no room to keep it."""

from __future__ import annotations

import contextlib
import hashlib
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

import pliant
from pliant.runtime import remote
from pliant.runtime.remote import fetch

from .making import make
from .served import Server


def test_led_elsewhere_it_must_be_safe_there_too(server: Server, good: bytes) -> None:
    server.files["/kitchen.pliant"] = good
    server.moved["/here"] = "/kitchen.pliant"
    assert fetch(f"{server.address}/here").read_bytes() == good
    port = server.server_address[1]
    server.moved["/away"] = f"http://127.0.0.2:{port}/kitchen.pliant"
    with pytest.raises(pliant.InputError, match=r"anybody's answer \(it leads to http://127\.0\.0\.2"):
        fetch(f"{server.address}/away")


def test_others_can_put_nothing_into_the_cache(server: Server, good: bytes, own_cache: Path) -> None:
    server.files["/kitchen.pliant"] = good
    fetch(f"{server.address}/kitchen.pliant")
    (own_cache / "suites").chmod(0o777)
    with pytest.raises(pliant.PliantError, match="chmod go-w"):
        fetch(f"{server.address}/kitchen.pliant")


FULL = """
import resource, sys, pliant
resource.setrlimit(resource.RLIMIT_FSIZE, (300, 300))
try:
    pliant.open_suite(sys.argv[1])
except pliant.InputError as error:
    print(error)
"""


def test_a_disk_without_room_for_the_suite_is_told_from_a_server_that_fails(
    server: Server, good: bytes, own_cache: Path
) -> None:
    pytest.importorskip("resource")
    server.files["/kitchen.pliant"] = good
    address = f"{server.address}/kitchen.pliant"
    command = [sys.executable, "-c", FULL, address]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout.startswith(f"{address} cannot be kept: {own_cache}"), done.stderr
    assert done.stdout.endswith("kitchen.pliant: File too large; PLIANT_CACHE names another cache\n")


def test_damage_on_the_way_is_told_and_not_kept(server: Server, good: bytes, own_cache: Path) -> None:
    address = f"{server.address}/kitchen.pliant"
    raw = bytearray(good)
    raw[len(raw) // 2] ^= 1
    server.files["/kitchen.pliant"] = bytes(raw)
    with pytest.raises(pliant.SuiteError, match=r"http://.*kitchen.pliant is damaged"):
        fetch(address)
    server.files["/kitchen.pliant"] = good
    server.cut = 1000
    with pytest.raises((pliant.InputError, pliant.SuiteError), match=r"kitchen\.pliant"):
        fetch(address)
    assert not list(own_cache.glob("suites/*/*.pliant"))
    assert not list(own_cache.glob("suites/*/.*"))
    server.cut = 0
    assert fetch(address).read_bytes() == good


def test_a_digest_is_of_the_whole_file(server: Server, good: bytes, suite_path: Path) -> None:
    server.files["/kitchen.pliant"] = good
    digest, other = hashlib.sha256(good).hexdigest(), "0" * 64
    address = f"{server.address}/kitchen.pliant"
    with pytest.raises(pliant.SuiteError, match="another file than asked for"):
        pliant.open_suite(f"{address}#sha256={other}")
    pliant.open_suite(f"{address}#sha256={digest}").close()
    # What was kept without a digest must have it too.
    with pytest.raises(pliant.SuiteError, match="another file than asked for"):
        pliant.open_suite(address, sha256=other)
    pliant.open_suite(suite_path, sha256=digest.upper()).close()
    with pytest.raises(pliant.SuiteError, match="another file than asked for"):
        pliant.open_suite(suite_path, sha256=other)
    for wrong in ("abc", ""):
        with pytest.raises(pliant.InputError, match="64 hex digits"):
            pliant.open_suite(suite_path, sha256=wrong)
    with pytest.raises(pliant.InputError, match="another sha256 than the one that was given"):
        pliant.open_suite(f"{address}#sha256={digest}", sha256=other)
    for fragment in ("#sha256=", "#sha256=12", f"#SHA256={digest}", f"#sha512={digest}", "#top"):
        with pytest.raises(pliant.InputError, match="64 hex digits"):
            pliant.open_suite(address + fragment)


def test_what_has_the_digest_is_what_is_opened_also_where_the_file_is_swapped_meanwhile(
    good: bytes, tmp_path: Path
) -> None:
    path, ended = tmp_path / "kitchen.pliant", threading.Event()
    bad = make(seed=9).write(tmp_path / "bad.pliant").read_bytes()
    path.write_bytes(good)

    def swap() -> None:
        while not ended.is_set():
            for data in (bad, good):
                (tmp_path / "next").write_bytes(data)
                os.replace(tmp_path / "next", path)

    digest, opened = hashlib.sha256(good).hexdigest(), 0
    swapping = threading.Thread(target=swap)
    swapping.start()
    try:
        for _ in range(300):
            with contextlib.suppress(pliant.SuiteError), pliant.open_suite(path, sha256=digest) as suite:
                opened += 1
                assert b"".join(suite.container.all_bytes()) == good
    finally:
        ended.set()
        swapping.join()
    assert opened, "the file that was asked for was never there"


def test_what_is_too_large_is_left_on_its_server(
    server: Server, good: bytes, own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.files["/kitchen.pliant"] = good
    monkeypatch.setattr(remote, "_MOST_BYTES", len(good) - 1)
    with pytest.raises(pliant.InputError, match="fetch it yourself"):
        pliant.open_suite(f"{server.address}/kitchen.pliant")
    assert not [path for path in (own_cache / "suites").rglob("*") if path.is_file()]


@pytest.mark.parametrize(
    ("address", "says"),
    [
        ("hf://owner/file.pliant", "names no file"),
        ("hf://owner/repo", "names no file"),
        ("ftp://host/x.pliant", "not fetched"),
        ("file:///etc/passwd", "not fetched"),
        ("http://example.org/x.pliant", "anybody's answer"),
        ("https://127.0.0.1:1/x.pliant", "cannot be fetched: .*connect"),
        ("https:///x.pliant", "cannot be fetched"),
        ("https://", "cannot be fetched"),
        ("https://[::1/x.pliant", "no address"),
        ("https://127.0.0.1:1/\ud800.pliant", "cannot be fetched"),
    ],
)
def test_addresses_that_lead_nowhere(address: str, says: str) -> None:
    with pytest.raises(pliant.InputError, match=says) as caught:
        pliant.open_suite(address)
    assert "\n" not in str(caught.value)


def test_without_the_extra_the_message_says_what_to_install(monkeypatch: pytest.MonkeyPatch, server: Server) -> None:
    import sys

    for name in ("aiohttp", "huggingface_hub"):
        monkeypatch.setitem(sys.modules, name, None)
    for address in (f"{server.address}/x.pliant", "hf://owner/repo/x.pliant"):
        with pytest.raises(pliant.EngineUnavailable, match=r"pip install '\.\[remote\]'"):
            remote.fetch(address)
