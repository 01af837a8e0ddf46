"""Which subnets exist: `SubnetConfig` names one, `SearchSpace` holds the choices (ECMT, ICCV 2023)."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ..devices.checked import by_name, each, real, text, whole
from ..devices.errors import ConfigError

VERSION = 1


@dataclass(frozen=True)
class SubnetConfig:
    """One subnet: a width (0 < w <= 1) per encoder stage and per task decoder, and a precision policy.

    Hashable and immutable; it is passed as an argument and never stored in a module.
    `decoders` is a tuple of (task, width) sorted by task, so that equal configurations are equal.
    """

    encoder: tuple[float, ...]
    decoders: tuple[tuple[str, float], ...]
    precision: str = "fp32"

    def __post_init__(self) -> None:
        object.__setattr__(self, "encoder", tuple(float(width) for width in self.encoder))
        pairs = self.decoders.items() if isinstance(self.decoders, Mapping) else self.decoders
        object.__setattr__(self, "decoders", tuple(sorted((str(t), float(w)) for t, w in pairs)))
        for width in (*self.encoder, *(w for _, w in self.decoders)):
            if not 0.0 < width <= 1.0:
                raise ConfigError(f"width {width} is not in (0, 1]")

    @cached_property
    def is_widest(self) -> bool:
        """Whether this is the supernet itself."""
        return all(width == 1.0 for width in self._widths.values())

    @cached_property
    def _widths(self) -> dict[str, float]:
        # Every layer of a forward pass asks.
        stages = {f"encoder.{stage}": width for stage, width in enumerate(self.encoder)}
        return stages | {f"decoder.{task}": width for task, width in self.decoders}

    def width(self, group: str) -> float:
        """Width of a group: `encoder.<stage>` or `decoder.<task>`."""
        try:
            return self._widths[group]
        except KeyError:
            raise ConfigError(f"the configuration has no width for {group!r}") from None

    def to_json(self) -> dict[str, Any]:
        """JSON object; `from_json` gives back an equal configuration."""
        return {
            "_version": VERSION,
            "encoder": list(self.encoder),
            "decoders": dict(self.decoders),
            "precision": self.precision,
        }

    @classmethod
    def from_json(cls, entry: Any) -> SubnetConfig:
        """Read what `to_json` wrote; unknown keys and versions are refused with ConfigError."""
        _refuse_unknown(entry, {"_version", "encoder", "decoders", "precision"}, "subnet configuration")
        try:
            decoders = tuple(by_name(entry["decoders"], real).items())
            return cls(each(entry["encoder"], real), decoders, text(entry["precision"]))
        except (KeyError, ValueError) as error:
            raise ConfigError(f"not a subnet configuration: {error!r}") from error


@dataclass(frozen=True)
class SearchSpace:
    """The allowed widths of `stages` encoder stages and of each task's decoder.

    Widths are ascending and end at 1. `multiple` is the channel multiple that widths are snapped to.
    """

    stages: int
    tasks: tuple[str, ...]
    encoder_widths: tuple[float, ...] = (0.25, 0.5, 0.75, 1.0)
    decoder_widths: tuple[float, ...] = (0.25, 0.5, 0.75, 1.0)
    precisions: tuple[str, ...] = ("fp32", "int8")
    multiple: int = 8

    def __post_init__(self) -> None:
        for name in ("encoder_widths", "decoder_widths"):
            widths = tuple(float(width) for width in getattr(self, name))
            object.__setattr__(self, name, widths)
            if not widths or list(widths) != sorted(set(widths)) or widths[-1] != 1.0 or widths[0] <= 0.0:
                raise ConfigError(f"{name} must ascend within (0, 1] and end at 1, not {list(widths)}")
        if self.stages < 1 or self.multiple < 1:
            raise ConfigError(
                f"a space has a stage and a multiple of 1 at least, not {self.stages} and {self.multiple}"
            )
        object.__setattr__(self, "tasks", tuple(sorted(self.tasks)))

    def uniform(self, encoder: float, decoder: float | None = None) -> SubnetConfig:
        """The same width everywhere, or one for the encoder and one for all decoders."""
        width = encoder if decoder is None else decoder
        return SubnetConfig((encoder,) * self.stages, tuple((task, width) for task in self.tasks))

    def even(self, width: float) -> SubnetConfig:
        """One width of the encoder everywhere, and decoders of the allowed width nearest to it, the narrower of two."""
        return self.uniform(width, min(self.decoder_widths, key=lambda each: abs(each - width)))

    @property
    def widest(self) -> SubnetConfig:
        """The supernet itself."""
        return self.uniform(1.0)

    @property
    def narrowest(self) -> SubnetConfig:
        """The smallest subnet."""
        return self.uniform(self.encoder_widths[0], self.decoder_widths[0])

    def sample(self, rng: random.Random) -> SubnetConfig:
        """One configuration, every width drawn independently."""
        encoder = tuple(rng.choice(self.encoder_widths) for _ in range(self.stages))
        return SubnetConfig(encoder, tuple((task, rng.choice(self.decoder_widths)) for task in self.tasks))

    def encoders(self) -> Iterator[tuple[float, ...]]:
        """Every combination of encoder widths."""
        return itertools.product(self.encoder_widths, repeat=self.stages)

    def __contains__(self, config: object) -> bool:
        return (
            isinstance(config, SubnetConfig)
            and len(config.encoder) == self.stages
            and set(config.encoder) <= set(self.encoder_widths)
            and tuple(task for task, _ in config.decoders) == self.tasks
            and {width for _, width in config.decoders} <= set(self.decoder_widths)
        )

    @property
    def size(self) -> int:
        """Number of width configurations, precisions not counted; of many tasks more than `len` can say."""
        return int(len(self.encoder_widths) ** self.stages * len(self.decoder_widths) ** len(self.tasks))

    def to_json(self) -> dict[str, Any]:
        """JSON object; `from_json` gives back an equal space."""
        return {
            "_version": VERSION,
            "stages": self.stages,
            "tasks": list(self.tasks),
            "encoder_widths": list(self.encoder_widths),
            "decoder_widths": list(self.decoder_widths),
            "precisions": list(self.precisions),
            "multiple": self.multiple,
        }

    @classmethod
    def from_json(cls, entry: Any) -> SearchSpace:
        """Read what `to_json` wrote; unknown keys and versions are refused with ConfigError."""
        keys = {"_version", "stages", "tasks", "encoder_widths", "decoder_widths", "precisions", "multiple"}
        _refuse_unknown(entry, keys, "search space")
        try:
            return cls(
                whole(entry["stages"]),
                each(entry["tasks"], text),
                each(entry["encoder_widths"], real),
                each(entry["decoder_widths"], real),
                each(entry["precisions"], text),
                whole(entry["multiple"]),
            )
        except (KeyError, ValueError) as error:
            raise ConfigError(f"not a search space: {error!r}") from error


def _refuse_unknown(entry: Any, keys: set[str], what: str) -> None:
    if not isinstance(entry, dict):
        raise ConfigError(f"not a {what}: {type(entry).__name__} instead of an object")
    if entry.get("_version") != VERSION:
        raise ConfigError(f"this {what} is of version {entry.get('_version')!r}; this pliant reads {VERSION}")
    unknown = set(entry) - keys
    if unknown:
        raise ConfigError(f"unknown key {sorted(unknown)[0]!r} in a {what}")
