"""From a program to a suite: which layer is changed, how, and what is made right again above it.

A change deep down would be told by the first digest. So every layer is changed with all digests, sizes and offsets
above it put right, as an attacker would; only changes of the file itself stay as they are.
"""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np
from google.protobuf.message import DecodeError
from safetensors.numpy import save

from ..runtime.making import Made, make
from . import models, trees
from .choices import Choices

_SUBNETS = ("s01-fp32", "s01-int8")
_BROKEN = (ValueError, LookupError, TypeError, StopIteration, RecursionError, zlib.error, DecodeError)
"""What an earlier change broke cannot be taken apart by a later one, which then is none."""


@dataclass
class Draft:
    """A suite in pieces; each may be replaced by what a program makes of it."""

    made: Made
    tensors: dict[str, np.ndarray[Any, Any]]
    records: dict[str, bytes]
    manifest: dict[str, Any]
    edits: list[Callable[[bytes], bytes]] = field(default_factory=list)
    header: Callable[[bytes], bytes] = bytes
    listed: Callable[[bytes], bytes] = bytes
    text: Callable[[bytes], bytes] = bytes

    def file(self) -> bytes:
        """The whole file, digests put right."""
        tensors = {**self.tensors, **{f"record/{name}": _u8(blob) for name, blob in self.records.items()}}
        digests = {name: hashlib.sha256(array.tobytes()).hexdigest() for name, array in tensors.items()}
        tensors["digests"] = _u8(zlib.compress(self.listed(json.dumps(digests).encode()), 1))
        self.manifest["digests_sha256"] = hashlib.sha256(tensors["digests"].tobytes()).hexdigest()
        text = self.text(json.dumps(self.manifest).encode()).decode("utf-8", "surrogatepass")
        entries: dict[str, Any] = {"__metadata__": {"format": "pliant", "pliant": text}}
        at, parts = 0, []
        for name, array in tensors.items():
            raw = array.tobytes()
            entries[name] = {"dtype": _kind(array), "shape": list(array.shape), "data_offsets": [at, at + len(raw)]}
            at += len(raw)
            parts.append(raw)
        header = self.header(json.dumps(entries).encode("utf-8", "replace"))
        data = len(header).to_bytes(8, "little") + header + b"".join(parts)
        for edit in self.edits:
            data = edit(data)
        return data


def suite_of(program: bytes) -> bytes:
    """The suite that a program makes: at most three layers of the good one, changed."""
    draft, choices = _draft(), Choices(program)
    for _ in range(3):
        if choices.left:
            with suppress(*_BROKEN):
                choices.of(LAYERS)(draft, choices)
    return draft.file()


def _file(draft: Draft, choices: Choices) -> None:
    draft.edits.append(lambda data: edited(data, choices, near=30_000))


def _header(draft: Draft, choices: Choices) -> None:
    draft.header = lambda data: trees.changed(data, choices)


def _manifest(draft: Draft, choices: Choices) -> None:
    draft.text = lambda data: trees.changed(data, choices)


def _digests(draft: Draft, choices: Choices) -> None:
    draft.listed = lambda data: trees.changed(data, choices)


def _record(draft: Draft, choices: Choices) -> None:
    name = choices.of(_SUBNETS)
    draft.records[name] = edited(draft.records[name], choices, near=2_000)


def _record_header(draft: Draft, choices: Choices) -> None:
    name = choices.of(_SUBNETS)
    blob = draft.records[name]
    size = int.from_bytes(blob[:8], "little")
    header = trees.changed(blob[8 : 8 + size], choices)
    draft.records[name] = len(header).to_bytes(8, "little") + header + blob[8 + size :]


def _views(draft: Draft, choices: Choices) -> None:
    _pack(draft, choices, lambda data: zlib.compress(trees.changed(zlib.decompress(data), choices), 1))


def _stream(draft: Draft, choices: Choices) -> None:
    _pack(draft, choices, lambda data: edited(data, choices, near=len(data)))


def _pack(draft: Draft, choices: Choices, change: Callable[[bytes], bytes]) -> None:
    name = choices.of(_SUBNETS)
    arrays = dict(draft.made.records[name])
    arrays["views"] = _u8(change(arrays["views"].tobytes()))
    draft.records[name] = save(arrays)


def _graph(draft: Draft, choices: Choices) -> None:
    _replace(draft, choices, lambda data: models.changed(data, choices))


def _graph_bytes(draft: Draft, choices: Choices) -> None:
    _replace(draft, choices, lambda data: edited(data, choices, near=len(data)))


def _replace(draft: Draft, choices: Choices, change: Callable[[bytes], bytes]) -> None:
    name = choices.of(_SUBNETS)
    entry = next(entry for entry in draft.manifest["subnets"] if entry["id"] == name)["graphs"]["onnxruntime"]
    data = change(zlib.decompress(draft.tensors[entry["tensor"]].tobytes()))
    digest = hashlib.sha256(data).hexdigest()
    draft.tensors[f"graph/{digest[:16]}"] = _u8(zlib.compress(data, 1))
    entry.update(tensor=f"graph/{digest[:16]}", sha256=digest, size=len(data))


LAYERS: tuple[Callable[[Draft, Choices], None], ...] = (
    _file,
    _header,
    _manifest,
    _digests,
    _record,
    _record_header,
    _views,
    _stream,
    _graph,
    _graph,
    _graph_bytes,
)


def edited(data: bytes, choices: Choices, near: int) -> bytes:
    """Bytes with one to four edits, as often within the first `near` as anywhere."""
    raw = bytearray(data)
    for _ in range(1 + choices.below(4)):
        if not raw:
            break
        at = choices.below(min(near, len(raw)) if choices.below(2) else len(raw))
        kind = choices.below(6)
        if kind == 0:
            raw[at] ^= 1 << choices.below(8)
        elif kind == 1:
            raw[at] = choices.below(256)
        elif kind == 2:
            source, size = choices.below(len(raw)), 1 + choices.below(400)
            raw[at : at + size] = raw[source : source + size]
        elif kind == 3:
            raw[at:at] = choices.bytes(1 + choices.below(8))
        elif kind == 4:
            raw[at : at + 8] = (1 << choices.below(64)).to_bytes(8, "little")
        else:
            del raw[at : at + 1 + choices.below(1 << choices.below(18))]
    return bytes(raw)


@cache
def _good() -> tuple[Made, str, dict[str, bytes]]:
    made = make()
    return made, json.dumps(made.manifest), {name: save(arrays) for name, arrays in made.records.items()}


def _draft() -> Draft:
    made, manifest, records = _good()
    return Draft(made, dict(made.tensors), dict(records), json.loads(manifest))


def _u8(data: bytes) -> np.ndarray[Any, Any]:
    return np.frombuffer(data, np.uint8)


def _kind(array: np.ndarray[Any, Any]) -> str:
    return {"f": "F", "i": "I", "u": "U"}[array.dtype.kind] + str(array.dtype.itemsize * 8)
