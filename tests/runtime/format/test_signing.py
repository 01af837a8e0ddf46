"""Signing a suite: it stays the same suite; keys of ours, of others and of openssl; what is not signed."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

import pliant
from pliant.runtime.format.header import kind_of
from pliant.runtime.format.signing import SIGNATURE, check_signature, fingerprint, sign_suite, signer

from ..making import Made
from .signatures import Opened, swap, verified, written


def test_a_signed_suite_is_the_same_suite(suite_path: Path, signed: Path, keys: tuple[Path, Path]) -> None:
    with pliant.open_suite(suite_path) as before, pliant.open_suite(signed) as after:
        assert signer(before) is None
        assert signer(after) == check_signature(after, keys[1])
        assert before.manifest == after.manifest
        for name, entry in before.container.entries.items():
            assert after.container.entry(name)[:2] == entry[:2]
            assert before.container.read(name).tobytes() == after.container.read(name).tobytes()
        assert all(result.ok for result in after.verify(key=keys[1]))
    assert verified(signed, keys[1]) == []


def test_another_keys_signature_is_told_with_its_name(signed: Path, suite_path: Path, tmp_path: Path) -> None:
    private, public = written(ed25519.Ed25519PrivateKey.generate(), tmp_path, "other")
    with pliant.open_suite(signed) as suite:
        name = signer(suite)
        with pytest.raises(pliant.SuiteError, match=f"it says that {name} signed it"):
            check_signature(suite, public)
        # Signing again replaces the signature, in place.
        copy = tmp_path / "copy.pliant"
        shutil.copy(signed, copy)
        with pliant.open_suite(copy) as again:
            assert sign_suite(again, private) != name
    assert verified(copy, public) == []
    (said,) = verified(suite_path, public)
    assert "is not signed" in said


def test_keys_that_are_none(suite_path: Path, signed: Path, keys: tuple[Path, Path], tmp_path: Path) -> None:
    elliptic, half = written(ec.generate_private_key(ec.SECP256R1()), tmp_path, "elliptic")
    (tmp_path / "text").write_text("my key")
    with pliant.open_suite(suite_path) as suite:
        for path, says in (
            (tmp_path / "absent", "cannot be read: No such file"),
            (tmp_path / "text", "openssl genpkey -algorithm ed25519"),
            (elliptic, "no Ed25519 key"),
            (keys[1], "no private key"),
        ):
            with pytest.raises(pliant.InputError, match=says):
                sign_suite(suite, path, tmp_path / "out.pliant")
    with pliant.open_suite(signed) as suite:
        for path, says in ((tmp_path / "text", "openssl pkey"), (half, "no Ed25519"), (keys[0], "no public key")):
            with pytest.raises(pliant.InputError, match=says):
                check_signature(suite, path)
    assert not (tmp_path / "out.pliant").exists()


def test_signing_replaces_neither_its_key_nor_what_it_cannot_write(
    suite_path: Path, keys: tuple[Path, Path], tmp_path: Path
) -> None:
    copy, link = tmp_path / "copy.pliant", tmp_path / "link.pliant"
    shutil.copy(suite_path, copy)
    copy.chmod(0o600)
    link.symlink_to(copy)
    key = tmp_path / "key.pem"
    shutil.copy(keys[0], key)
    with pliant.open_suite(link) as suite:
        with pytest.raises(pliant.InputError, match="is the key"):
            sign_suite(suite, key, key)
        sign_suite(suite, key)
    assert key.read_bytes() == keys[0].read_bytes()
    assert link.is_symlink()
    assert copy.stat().st_mode & 0o777 == 0o600
    assert verified(copy, keys[1]) == []


def test_text_that_ascii_would_lengthen_is_written_as_it_was(
    keys: tuple[Path, Path], tmp_path: Path, made: Made
) -> None:
    opened = Opened(made.write(tmp_path / "made.pliant"))
    manifest = json.loads(opened.texts["pliant"])
    manifest["provenance"] = {f"{index}": "é" * 900 for index in range(900)}
    opened.texts["pliant"] = json.dumps(manifest, ensure_ascii=False)
    path = opened.write(tmp_path / "long.pliant")
    header = {"__metadata__": opened.texts, **opened.header}
    raw = json.dumps(header, ensure_ascii=False).encode()
    path.write_bytes(len(raw).to_bytes(8, "little") + raw + b"".join(opened.data.values()))
    with pliant.open_suite(path) as suite:
        sign_suite(suite, keys[0])
    assert path.stat().st_size < 1.1 * len(raw) + sum(map(len, opened.data.values())) + 1000
    assert verified(path, keys[1]) == []


def test_a_damaged_suite_is_not_signed(suite_path: Path, keys: tuple[Path, Path], tmp_path: Path) -> None:
    opened = Opened(suite_path)
    swap("weights/mix.weight")(opened)
    path = opened.write(tmp_path / "damaged.pliant", digests=False)
    with pliant.open_suite(path) as suite, pytest.raises(pliant.SuiteError, match=r"digest of 'weights/mix\.weight'"):
        sign_suite(suite, keys[0])
    assert Opened(path).texts.keys() == {"pliant", "format"}


@pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl here")
def test_keys_of_openssl_and_its_own_check(suite_path: Path, tmp_path: Path) -> None:
    """As the help says to make them; what is signed is what docs/suite-format.md says, as openssl reckons."""
    subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", "key.pem"], cwd=tmp_path, check=True)
    subprocess.run(["openssl", "pkey", "-in", "key.pem", "-pubout", "-out", "pub.pem"], cwd=tmp_path, check=True)
    path = tmp_path / "signed.pliant"
    with pliant.open_suite(suite_path) as suite:
        name = sign_suite(suite, tmp_path / "key.pem", path)
    opened = Opened(path)
    entry = json.loads(opened.texts.pop(SIGNATURE))
    tensors = {key: [value["dtype"], value["shape"]] for key, value in opened.header.items()}
    listed = json.dumps({"metadata": opened.texts, "tensors": tensors}, sort_keys=True, separators=(",", ":"))
    (tmp_path / "message").write_bytes(b"pliant suite 1\0" + hashlib.sha256(listed.encode()).digest())
    (tmp_path / "signature").write_bytes(bytes.fromhex(entry["signature"]))
    check = ["openssl", "pkeyutl", "-verify", "-pubin", "-inkey", "pub.pem", "-rawin", "-in", "message"]
    done = subprocess.run([*check, "-sigfile", "signature"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert name == fingerprint(bytes.fromhex(entry["public_key"]))


def test_element_types_are_called_as_in_the_file(signed: Path) -> None:
    header = Opened(signed).header
    with pliant.open_suite(signed) as suite:
        for name, entry in suite.container.entries.items():
            assert kind_of(entry.dtype) == header[name]["dtype"]
