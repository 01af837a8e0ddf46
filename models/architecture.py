"""The full-width network as data: what is built, for which input."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from ..devices.errors import ConfigError
from .encoders import ENCODERS

VERSION = 1
POOLED, CONVOLUTION = CLASSIFIERS = ("pooled", "convolution")
# What networks are whose JSON was written before these keys were there.
_BEFORE: dict[str, Any] = {"classifier": POOLED, "dilates_first": True}


@dataclass(frozen=True)
class Architecture:
    """A supernet's full-width shape.

    `height`, `width`: the input in pixels. `base`: full channels of a ResNet's first stage (None: the usual ones).
    `decoder_channels`, `skip_channels`: full channels of a dense decoder and of its skip. `mean`, `std`: RGB in 0..1.
    `classifier`: what a head that classifies has of its own, a hidden layer after pooling or a 3x3 convolution before.
    `dilates_first`: in a stage that is dilated in place of its stride, the convolution that would have the stride is
    dilated too. It reads what it always read, so pretrained weights are spoiled by it; networks of before there was a
    choice are made so.
    """

    encoder: str
    height: int
    width: int
    stem: str = "imagenet"
    base: int | None = None
    output_stride: int = 16
    decoder_channels: int = 64
    skip_channels: int = 24
    aspp_rates: tuple[int, ...] = (3, 6)
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)
    classifier: str = POOLED
    dilates_first: bool = False

    def __post_init__(self) -> None:
        for name in ("aspp_rates", "mean", "std"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        if self.encoder not in ENCODERS:
            raise ConfigError(f"unknown encoder {self.encoder!r}: choose one of {', '.join(ENCODERS)}")
        if self.stem not in ("imagenet", "cifar"):
            raise ConfigError(f"unknown stem {self.stem!r}: choose imagenet or cifar")
        if self.classifier not in CLASSIFIERS:
            raise ConfigError(f"unknown classifier {self.classifier!r}: choose {' or '.join(CLASSIFIERS)}")
        if self.output_stride not in (1, 2, 4, 8, 16, 32):
            raise ConfigError(f"output_stride must be a power of two up to 32, not {self.output_stride}")
        counts = (self.height, self.width, self.decoder_channels, self.skip_channels, self.base)
        if any(count is not None and count < 1 for count in counts):
            raise ConfigError("height, width and channel counts must be positive")

    def to_json(self) -> dict[str, Any]:
        """JSON object; `from_json` gives back an equal architecture."""
        entry = {"_version": VERSION, **asdict(self)}
        # Networks of before there was a choice keep their digests, by which evaluations are found again.
        return {key: value for key, value in entry.items() if key not in _BEFORE or value != _BEFORE[key]}

    @classmethod
    def from_json(cls, entry: Any) -> Architecture:
        """Read what `to_json` wrote; unknown keys and versions are refused with ConfigError."""
        if not isinstance(entry, dict) or entry.get("_version") != VERSION:
            raise ConfigError(f"not an architecture of version {VERSION}")
        try:
            return cls(**{**_BEFORE, **{key: value for key, value in entry.items() if key != "_version"}})
        except TypeError as error:
            raise ConfigError(f"not an architecture: {error}") from error
