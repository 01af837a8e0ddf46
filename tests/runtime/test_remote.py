"""Suites by address, from a server on this machine: fetched once, checked, kept, and used when it is gone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import pliant
from pliant.cli import main
from pliant.runtime.opening import is_address
from pliant.runtime.remote import fetch

from .served import Server


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
