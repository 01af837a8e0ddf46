"""Key pairs, suites taken apart by whoever has no key, and what verifying says of them."""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import serialization

import pliant


def written(key: Any, folder: Path, name: str = "key") -> tuple[Path, Path]:
    """A key pair as PEM files."""
    private, public = folder / f"{name}.pem", folder / f"{name}.pub.pem"
    pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    private.write_bytes(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain))
    public.write_bytes(key.public_key().public_bytes(pem, serialization.PublicFormat.SubjectPublicKeyInfo))
    return private, public


def verified(path: Path, key: Path) -> list[str]:
    """What is wrong with the file itself."""
    with pliant.open_suite(path) as suite:
        return [result.detail for result in suite.verify([], key=key) if not result.ok]


class Opened:
    """A suite taken apart by whoever has no key: header, and data by tensor; written with digests put right."""

    def __init__(self, path: Path):
        raw = path.read_bytes()
        size = int.from_bytes(raw[:8], "little")
        self.header: dict[str, Any] = json.loads(raw[8 : 8 + size])
        self.texts = self.header.pop("__metadata__")
        data = raw[8 + size :]
        self.data = {name: data[slice(*entry["data_offsets"])] for name, entry in self.header.items()}

    def write(self, path: Path, digests: bool = True) -> Path:
        manifest = json.loads(self.texts["pliant"])
        if digests:
            found = {name: hashlib.sha256(raw).hexdigest() for name, raw in self.data.items() if name != "digests"}
            self.data["digests"] = zlib.compress(json.dumps(found).encode())
            self.header["digests"]["shape"] = [len(self.data["digests"])]
            manifest["digests_sha256"] = hashlib.sha256(self.data["digests"]).hexdigest()
            self.texts["pliant"] = json.dumps(manifest)
        at = 0
        for name, raw in self.data.items():
            self.header[name]["data_offsets"] = [at, at + len(raw)]
            at += len(raw)
        header = json.dumps({"__metadata__": self.texts, **self.header}).encode()
        path.write_bytes(len(header).to_bytes(8, "little") + header + b"".join(self.data.values()))
        return path


def swap(name: str) -> Callable[[Opened], None]:
    def change(suite: Opened) -> None:
        raw = bytearray(suite.data[name])
        raw[len(raw) // 2] ^= 1
        suite.data[name] = bytes(raw)

    return change
