"""Which precision each layer has: a policy, frozen and versioned, that says nothing of any engine."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from fnmatch import fnmatchcase
from typing import Any

from ..devices.errors import QuantizeError

VERSION = 2
PRECISIONS = ("fp32", "fp16", "int8")
MIXED = "mixed"
"""The precision that a suite states for a subnet in int8 with blocks in fp32."""
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,31}")


@dataclass(frozen=True)
class Policy:
    """A precision policy of one subnet.

    `name` is the precision that a suite states, `int8` for the usual policy; small letters, digits and `._-`.
    `layers` are pairs of a shell pattern of layer names (`decoders.depth.*`) and a precision; of those that match, the
    last counts. A layer that none matches has the `default`, the last of each head, whose errors nothing averages
    out, that of `heads`.
    """

    name: str = "int8"
    layers: tuple[tuple[str, str], ...] = ()
    default: str = "int8"
    heads: str = "fp32"

    def __post_init__(self) -> None:
        object.__setattr__(self, "layers", tuple((str(pattern), precision) for pattern, precision in self.layers))
        for precision in (self.default, self.heads, *(precision for _, precision in self.layers)):
            if precision not in PRECISIONS:
                raise QuantizeError(f"there is no precision {precision!r}: choose among {', '.join(PRECISIONS)}")
        # It becomes a part of subnets' ids, and nothing of low precision may be taken for fp32.
        if not isinstance(self.name, str) or not _NAME.fullmatch(self.name) or self.name == "fp32":
            raise QuantizeError(
                f"a policy cannot be called {self.name!r}: use up to 32 small letters, digits and ._-, as in 'careful'"
            )

    @classmethod
    def halves(cls) -> Policy:
        """The usual policy of fp16: all layers."""
        return cls("fp16", default="fp16", heads="fp16")

    def of(self, layer: str, head: bool = False) -> str:
        """The precision of a layer, or of any other node by its name; `head`: it is the last layer of one."""
        for pattern, precision in reversed(self.layers):
            if fnmatchcase(layer, pattern):
                return precision
        return self.heads if head else self.default

    def check(self, layers: Iterable[str]) -> None:
        """Raise QuantizeError where a pattern names no layer of the network."""
        known = sorted(layers)
        for pattern, _ in self.layers:
            if not any(fnmatchcase(layer, pattern) for layer in known):
                near = get_close_matches(pattern, known, n=1, cutoff=0.0)
                hint = f"; the nearest is {near[0]!r}" if near else ""
                raise QuantizeError(f"policy {self.name!r} speaks of {pattern!r}, which names no layer{hint}")

    def to_json(self) -> dict[str, Any]:
        """JSON object; `from_json` gives back an equal policy."""
        layers = [list(pair) for pair in self.layers]
        return {"_version": VERSION, "name": self.name, "layers": layers, "default": self.default, "heads": self.heads}

    @classmethod
    def from_json(cls, entry: Any) -> Policy:
        """Read what `to_json` wrote; unknown keys and versions are refused with QuantizeError."""
        if not isinstance(entry, dict) or entry.get("_version") != VERSION:
            raise QuantizeError(f"not a precision policy of version {VERSION}")
        try:
            return cls(**{key: value for key, value in entry.items() if key != "_version"})
        except (TypeError, ValueError) as error:
            raise QuantizeError(f"not a precision policy: {error}") from error
