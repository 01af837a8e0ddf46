"""Suites by address, from a server on this machine: fetched once, checked, kept, and used when it is gone."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

import pliant
from pliant.cli import main
from pliant.runtime import remote
from pliant.runtime.opening import is_address
from pliant.runtime.remote import fetch

from .making import make

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class Server(ThreadingHTTPServer):
    """Files by path, counted; a Hub's headers for those below /owner/repo/resolve."""

    def __init__(self) -> None:
        super().__init__(("0.0.0.0", 0), Handler)
        self.files: dict[str, bytes] = {}
        self.asked: list[str] = []
        self.cut = 0
        self.moved: dict[str, str] = {}
        self.versioned = True

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_HEAD(self) -> None:
        self._answer(send=False)

    def do_GET(self) -> None:
        self._answer(send=True)

    def log_message(self, format: str, *arguments: object) -> None:
        pass

    def _answer(self, send: bool) -> None:
        self.server.asked.append(f"{self.command} {self.path}")
        data = self.server.files.get(self.path, b"" if self.path in self.server.moved else None)
        if data is None:
            self.send_response(404)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        if self.path in self.server.moved:
            self.send_response(302)
            self.send_header("Location", self.server.moved[self.path])
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        if self.server.versioned:
            self.send_header("ETag", f'"{hashlib.sha256(data).hexdigest()}"')
        self.send_header("X-Repo-Commit", COMMIT)
        self.end_headers()
        if send:
            self.wfile.write(data[: len(data) - self.server.cut])


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
    return suite_path.read_bytes()


def gets(server: Server) -> int:
    return sum(asked.startswith("GET") for asked in server.asked)


def test_a_suite_is_fetched_once(server: Server, good: bytes) -> None:
    server.files["/kitchen.pliant"] = good
    told: list[tuple[str, int, int]] = []
    address = f"{server.address}/kitchen.pliant"
    with pliant.open_suite(address, progress=lambda *step: told.append(step)) as suite:
        assert suite.path.name == "kitchen.pliant"
        assert suite.path.read_bytes() == good
        with suite.load("s01-fp32", threads=1) as model:
            assert model.subnet.id == "s01-fp32"
    assert told[-1] == ("fetching kitchen.pliant", len(good), len(good))
    before = gets(server)
    pliant.open_suite(address).close()
    assert gets(server) == before


def test_a_newer_one_is_fetched_anew(server: Server, good: bytes, tmp_path: Path) -> None:
    from .making import make

    address = f"{server.address}/kitchen.pliant"
    server.files["/kitchen.pliant"] = good
    pliant.open_suite(address).close()
    server.files["/kitchen.pliant"] = make(seed=1).write(tmp_path / "newer.pliant").read_bytes()
    assert fetch(address).read_bytes() == server.files["/kitchen.pliant"]


def test_what_was_fetched_is_used_when_the_server_is_gone(server: Server, good: bytes) -> None:
    address = f"{server.address}/kitchen.pliant"
    server.files["/kitchen.pliant"] = good
    path = fetch(address)
    with pytest.raises(pliant.InputError, match=r"other\.pliant cannot be fetched: .*404"):
        fetch(f"{server.address}/other.pliant")
    # Taken back is another thing than out of reach.
    withdrawn = server.files.pop("/kitchen.pliant")
    with pytest.raises(pliant.InputError, match="cannot be fetched"):
        fetch(address)
    server.files["/kitchen.pliant"] = withdrawn
    server.shutdown()
    server.server_close()
    assert fetch(address) == path


def test_a_server_that_names_no_version_is_asked_each_time(server: Server, good: bytes, tmp_path: Path) -> None:
    address, server.versioned = f"{server.address}/kitchen.pliant", False
    server.files["/kitchen.pliant"] = good
    fetch(address)
    other = bytearray(good)
    at = good.index(b'\\"value\\": 0.5')
    other[at : at + 14] = b'\\"value\\": 0.6'
    server.files["/kitchen.pliant"] = bytes(other)
    assert fetch(address).read_bytes() == bytes(other)


def test_a_name_of_ours_does_no_harm(server: Server, good: bytes) -> None:
    server.files["/fetched.json"] = good
    for _ in range(2):
        assert fetch(f"{server.address}/fetched.json").read_bytes() == good
    long = "/" + "x" * 300 + ".pliant"
    server.files[long] = good
    assert fetch(f"{server.address}{long}").read_bytes() == good


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


def test_a_kept_copy_that_was_changed_is_fetched_anew(server: Server, good: bytes) -> None:
    address = f"{server.address}/kitchen.pliant"
    server.files["/kitchen.pliant"] = good
    path = fetch(address)
    raw = bytearray(good)
    raw[-5] ^= 1
    path.write_bytes(raw)
    # The server has it still; without the server there is nothing to use.
    assert fetch(address).read_bytes() == good
    path.write_bytes(raw)
    server.shutdown()
    server.server_close()
    with pytest.raises(pliant.SuiteError, match="is damaged"):
        fetch(address)


def test_a_hub(server: Server, good: bytes, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """huggingface_hub itself, against a server that answers as the Hub does."""
    import huggingface_hub.constants as hub
    import huggingface_hub.file_download as downloads

    monkeypatch.setattr(hub, "ENDPOINT", server.address)
    monkeypatch.setattr(hub, "HUGGINGFACE_CO_URL_TEMPLATE", server.address + "/{repo_id}/resolve/{revision}/{filename}")
    monkeypatch.setattr(hub, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(downloads.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    for revision in ("main", "v2"):
        server.files[f"/owner/repo/resolve/{revision}/nets/kitchen.pliant"] = good
    with pliant.open_suite("hf://owner/repo/nets/kitchen.pliant") as suite:
        assert suite.path.read_bytes() == good
    with pliant.open_suite("hf://owner/repo@v2/nets/kitchen.pliant") as suite:
        assert suite.name == "made"
    assert any("/resolve/v2/" in asked for asked in server.asked)
    with pytest.raises(pliant.InputError, match=r"hf://owner/repo/absent\.pliant cannot be fetched"):
        fetch("hf://owner/repo/absent.pliant")
    raw = bytearray(good)
    raw[len(raw) // 2] ^= 1
    server.files["/owner/repo/resolve/main/bad.pliant"] = bytes(raw)
    with pytest.raises(pliant.SuiteError, match=r"hf://owner/repo/bad.pliant is damaged"):
        fetch("hf://owner/repo/bad.pliant")


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


def test_verbs_take_addresses(server: Server, good: bytes, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    server.files["/kitchen.pliant"] = good
    address = f"{server.address}/kitchen.pliant"
    assert main(["inspect", address, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["name"] == "made"
    assert main(["extract", address, "s01-fp32", "--out", str(tmp_path / "s01.onnx")]) == 0
    assert main(["sign", address, "--key", "key.pem"]) == 1
    assert "say where to write with --out" in capsys.readouterr().err


def test_paths_are_no_addresses(tmp_path: Path) -> None:
    assert not is_address("a/b.pliant")
    assert not is_address(tmp_path)
    assert is_address("https://host/x")


def test_without_the_extra_the_message_says_what_to_install(monkeypatch: pytest.MonkeyPatch, server: Server) -> None:
    import sys

    for name in ("aiohttp", "huggingface_hub"):
        monkeypatch.setitem(sys.modules, name, None)
    for address in (f"{server.address}/x.pliant", "hf://owner/repo/x.pliant"):
        with pytest.raises(pliant.EngineUnavailable, match=r"pip install '\.\[remote\]'"):
            remote.fetch(address)
