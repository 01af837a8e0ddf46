"""What an engine wants a graph of low precision to look like: `dialects/`, one JSON file each.

A board says in its descriptor which engines it has (targets.py); how each of them spells int8 and fp16 stands here, as
data that lowering follows and that a checker holds graphs against.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from .checked import each, flag, nothing_or, text, whole
from .errors import ConfigError
from .target import Source
from .target_reading import only, read_folder, read_source

VERSION = 1
_CLAIMS = ("activations", "symmetric", "bias", "additions", "results", "operators", "fp16", "adopts", "shallow")


@dataclass(frozen=True)
class Dialect:
    """How an engine spells low precision.

    `activations` is the type of quantized activations (`uint8`, `int8`, None: no integers), `symmetric` whether their
    zero points must be 0. `bias` is the type that a quantized convolution's bias is stored in. Of an addition's inputs
    `both` stand behind Q/DQ pairs, or `one`: the residual, so that the other fuses with the convolution that makes it.
    `results`: an integer operator's result goes into a Q even where floats are wanted. `operators` run on integers.
    `fp16`: whether the engine gains by it. `adopts`: whether it rounds the weights of a layer in floats that stands
    between integers, by rules of its own. `shallow`: with fewer multiply-adds for each value that it makes, a layer
    that reads images, or a depthwise one after it, runs no faster on integers.
    """

    name: str
    title: str
    activations: str | None
    symmetric: bool
    bias: str
    additions: str
    results: bool
    operators: tuple[str, ...]
    fp16: bool
    adopts: bool
    shallow: int
    sources: tuple[Source, ...]


@lru_cache(maxsize=1)
def all_dialects() -> dict[str, Dialect]:
    """Every dialect, by name."""
    return {dialect.name: dialect for dialect in read_folder("dialects", read_dialect)}


def get_dialect(name: str) -> Dialect:
    """The dialect of a name; ConfigError lists those that exist."""
    dialects = all_dialects()
    if name not in dialects:
        raise ConfigError(f"no engine's dialect is called {name!r}: there are {', '.join(dialects)}")
    return dialects[name]


def read_dialect(entry: Any) -> Dialect:
    """A dialect from the JSON of one file; ConfigError says what is wrong with it."""
    name = entry.get("name") if isinstance(entry, dict) else None
    try:
        dialect = _dialect(entry)
    except ValueError as error:
        raise ConfigError(f"dialect {name!r}: {error}") from error
    covered = {claim for source in dialect.sources for claim in source.about}
    missing = [claim for claim in _CLAIMS if claim not in covered]
    if missing:
        raise ConfigError(f"dialect {name!r} cites no source for {', '.join(missing)}")
    return dialect


def _dialect(entry: Any) -> Dialect:
    only(entry, Dialect, "_version")
    if whole(entry["_version"]) != VERSION:
        raise ValueError(f"version {entry['_version']!r}; this pliant reads {VERSION}")
    return Dialect(
        name=text(entry["name"]),
        title=text(entry["title"]),
        activations=nothing_or(entry["activations"], lambda value: _one_of(value, "uint8", "int8")),
        symmetric=flag(entry["symmetric"]),
        bias=_one_of(entry["bias"], "int32", "float32"),
        additions=_one_of(entry["additions"], "both", "one"),
        results=flag(entry["results"]),
        operators=each(entry["operators"], text),
        fp16=flag(entry["fp16"]),
        adopts=flag(entry["adopts"]),
        shallow=whole(entry["shallow"]),
        sources=each(entry["sources"], read_source),
    )


def _one_of(value: Any, *known: str) -> str:
    if value not in known:
        raise ValueError(f"{value!r} is none of {', '.join(known)}")
    return str(value)
