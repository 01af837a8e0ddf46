"""Signatures: a suite says by whose key it was signed, and nothing in it can be changed without the key (Ed25519).

What is signed are the header's texts (the manifest among them, which has the digest of the list of digests) and, of
every tensor, name, type and shape. The digests answer for the bytes. So a signature alone is checked without reading
weights; `Suite.verify` with a key checks both, and is what tells that every byte is the signer's.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...devices.errors import EngineUnavailable, InputError, SuiteError
from ...devices.writing import beside, onto_disk
from .bounded import mapping, parse_json
from .container import Container
from .digests import check_file
from .header import Entry, kind_of
from .suite_file import SuiteFile

SIGNATURE = "signature"
"""The entry of the header's metadata that holds it, and that it does not cover."""
_DOMAIN = b"pliant suite 1\0"
_MOST_OF_A_KEY = 10_000
_MAKE_ONE = "make one with: openssl genpkey -algorithm ed25519 -out key.pem"
_PUBLIC_HALF = "openssl pkey -in key.pem -pubout -out key.pub.pem"


def sign_suite(suite: SuiteFile, key: str | os.PathLike[str], out: str | os.PathLike[str] | None = None) -> str:
    """Sign with the private key in the PEM file `key`, in place or into `out`; the public key's fingerprint.

    A signature that was there is replaced. Raises SuiteError where the file is damaged already, InputError for what is
    no Ed25519 key or cannot be written, EngineUnavailable without the extra `signing`.
    """
    private = _private_key(Path(key))
    check_file(suite)
    container = suite.container
    public = _raw(private.public_key())
    signature = private.sign(message(container))
    entry = {"algorithm": "ed25519", "public_key": public.hex(), "signature": signature.hex()}
    texts = {**container.metadata, SIGNATURE: json.dumps(entry)}
    path = (suite.path if out is None else Path(out)).resolve()
    if path.exists() and path.samefile(key):
        raise InputError(f"{path} is the key: name another file to write")
    try:
        with beside(path) as file:
            file.write(_header(texts, container.entries))
            for name, _ in _in_order(container.entries):
                for chunk in container.chunks(name):
                    file.write(chunk)
            container.check_unchanged()
            onto_disk(file)
            SuiteFile(file.name).close()  # nothing takes a suite's place that cannot be opened
            shutil.copymode(suite.path, file.name)
            os.replace(file.name, path)
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror}") from error
    return fingerprint(public)


def check_signature(suite: SuiteFile, key: str | os.PathLike[str]) -> str:
    """The fingerprint of the public key in the PEM file `key`, by which the suite is signed; SuiteError otherwise."""
    public = _public_key(Path(key))
    from cryptography.exceptions import InvalidSignature

    signature = _signature(suite)
    if signature is None:
        raise SuiteError(f"{suite.path} is not signed: `pliant sign` signs it")
    try:
        public.verify(signature["signature"], message(suite.container))
    except InvalidSignature:
        other = fingerprint(signature["public_key"])
        mine = fingerprint(_raw(public))
        why = "it was changed after it was signed" if other == mine else f"it says that {other} signed it"
        raise SuiteError(f"{suite.path} is not signed by {mine}: {why}") from None
    return fingerprint(_raw(public))


def signer(suite: SuiteFile) -> str | None:
    """The fingerprint of the key that a suite says it is signed by, unchecked; None where it is not signed.

    Where the signature cannot be read, that is what is said.
    """
    try:
        signature = _signature(suite)
    except SuiteError as error:
        return f"an unreadable signature ({str(error)[:200]})"
    return None if signature is None else fingerprint(signature["public_key"])


def fingerprint(public: bytes) -> str:
    """A public key's 32 bytes as people compare them: the first 32 hex digits of their sha256."""
    return f"ed25519:{hashlib.sha256(public).hexdigest()[:32]}"


def message(container: Container) -> bytes:
    """What is signed: a fixed beginning, and the sha256 of canonical JSON of texts and tensors."""
    texts = {name: text for name, text in container.metadata.items() if name != SIGNATURE}
    tensors = {name: [kind_of(entry.dtype), list(entry.shape)] for name, entry in container.entries.items()}
    listed = json.dumps({"metadata": texts, "tensors": tensors}, sort_keys=True, separators=(",", ":"))
    return _DOMAIN + hashlib.sha256(listed.encode("ascii")).digest()


def _signature(suite: SuiteFile) -> dict[str, bytes] | None:
    raw = suite.container.metadata.get(SIGNATURE)
    if raw is None:
        return None
    what = f"the signature of {suite.path}"
    fields = mapping(parse_json(raw, what), what, 100)
    if fields.get("algorithm") == "ed25519" and fields.keys() != {"algorithm", "public_key", "signature"}:
        raise SuiteError(f"{what} is damaged: it says more, or less, than algorithm, public_key and signature")
    if fields.get("algorithm") != "ed25519":
        raise SuiteError(f"{what} is of a kind that this pliant does not know")
    return {name: _bytes(fields.get(name), size, what) for name, size in (("public_key", 32), ("signature", 64))}


def _bytes(value: Any, size: int, what: str) -> bytes:
    if isinstance(value, str) and len(value) == 2 * size and set(value) <= set("0123456789abcdef"):
        return bytes.fromhex(value)
    raise SuiteError(f"{what} is damaged: a key of 32 and a signature of 64 bytes, in hex, were expected")


def _header(texts: Mapping[str, str], entries: Mapping[str, Entry]) -> bytes:
    ordered = _in_order(entries)
    base = ordered[0][1].start if ordered else 0
    fields: dict[str, Any] = {"__metadata__": dict(texts)}
    for name, entry in ordered:
        offsets = [entry.start - base, entry.stop - base]
        fields[name] = {"dtype": kind_of(entry.dtype), "shape": list(entry.shape), "data_offsets": offsets}
    data = json.dumps(fields, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "surrogatepass")
    # Tensors of eight-byte numbers stand at their own size, as safetensors writes them.
    data += b" " * (-len(data) % 8)
    return len(data).to_bytes(8, "little") + data


def _in_order(entries: Mapping[str, Entry]) -> list[tuple[str, Entry]]:
    return sorted(entries.items(), key=lambda item: (item[1].start, item[1].stop))


def _private_key(path: Path) -> Any:
    serialization, ed25519 = _library()
    try:
        key = serialization.load_pem_private_key(_read(path), password=None)
    except (ValueError, TypeError, _unsupported()):
        raise InputError(f"{path} holds no private key without a password, as PEM; {_MAKE_ONE}") from None
    if not isinstance(key, ed25519.Ed25519PrivateKey):
        raise InputError(f"{path} is no Ed25519 key; {_MAKE_ONE}")
    return key


def _public_key(path: Path) -> Any:
    serialization, ed25519 = _library()
    try:
        key = serialization.load_pem_public_key(_read(path))
    except (ValueError, _unsupported()):
        raise InputError(f"{path} holds no public key as PEM; make it with: {_PUBLIC_HALF}") from None
    if not isinstance(key, ed25519.Ed25519PublicKey):
        raise InputError(f"{path} is no Ed25519 key; {_MAKE_ONE}")
    return key


def _unsupported() -> type[Exception]:
    from cryptography.exceptions import UnsupportedAlgorithm

    return UnsupportedAlgorithm


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(_MOST_OF_A_KEY)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from None


def _raw(public: Any) -> bytes:
    serialization, _ = _library()
    raw: bytes = public.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    return raw


def _library() -> tuple[Any, Any]:
    try:
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric import ed25519
    except ImportError:
        raise EngineUnavailable(
            "signatures need the package cryptography: in a checkout of pliant, pip install '.[signing]'"
        ) from None
    return serialization, ed25519
