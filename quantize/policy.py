"""Which layers run in int8: a policy, frozen and versioned."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from fnmatch import fnmatchcase
from typing import Any

from ..devices.errors import QuantizeError

VERSION = 1
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,31}")


@dataclass(frozen=True)
class Policy:
    """A precision policy of one subnet.

    `name` is the precision that a suite states, `int8` for the usual policy; small letters, digits and `._-`.
    `exclude`: shell patterns of layer names (`decoders.depth.*`) that stay in fp32. `heads`: also quantize the last
    layer of each head, whose errors nothing averages out.
    """

    name: str = "int8"
    exclude: tuple[str, ...] = ()
    heads: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "exclude", tuple(self.exclude))
        # It becomes a part of subnets' ids, and nothing that runs on integers may be taken for fp32.
        if not isinstance(self.name, str) or not _NAME.fullmatch(self.name) or self.name in ("fp32", "fp16"):
            raise QuantizeError(
                f"a policy cannot be called {self.name!r}: use up to 32 small letters, digits and ._-, as in 'careful'"
            )

    def excludes(self, layer: str) -> bool:
        """Whether a layer is told to stay in fp32."""
        return any(fnmatchcase(layer, pattern) for pattern in self.exclude)

    def check(self, layers: Iterable[str]) -> None:
        """Raise QuantizeError where a pattern names no layer of the network."""
        known = sorted(layers)
        for pattern in self.exclude:
            if not any(fnmatchcase(layer, pattern) for layer in known):
                near = get_close_matches(pattern, known, n=1, cutoff=0.0)
                hint = f"; the nearest is {near[0]!r}" if near else ""
                raise QuantizeError(f"policy {self.name!r} excludes {pattern!r}, which names no layer{hint}")

    def to_json(self) -> dict[str, Any]:
        """JSON object; `from_json` gives back an equal policy."""
        return {"_version": VERSION, "name": self.name, "exclude": list(self.exclude), "heads": self.heads}

    @classmethod
    def from_json(cls, entry: Any) -> Policy:
        """Read what `to_json` wrote; unknown keys and versions are refused with QuantizeError."""
        if not isinstance(entry, dict) or entry.get("_version") != VERSION:
            raise QuantizeError(f"not a precision policy of version {VERSION}")
        try:
            return cls(**{key: value for key, value in entry.items() if key != "_version"})
        except TypeError as error:
            raise QuantizeError(f"not a precision policy: {error}") from error
