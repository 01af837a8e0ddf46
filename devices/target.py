"""What a target is: the facts of one class of machines, each with the public source that says so."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .fingerprint import Fingerprint

# What a descriptor may claim; each claim that is not null or empty needs a source, or is named as our own choice.
CLAIMS = ("memory", "gpu", "engines", "precisions", "int8", "channel_multiple", "jetpack", "power_modes")
# Boards of older ones have Python 3.8 or less.
OLDEST_JETPACK = 6


@dataclass(frozen=True)
class Source:
    """Where a claim can be read: which claims it is about, its address, and what it says."""

    about: tuple[str, ...]
    url: str
    says: str


@dataclass(frozen=True)
class Match:
    """Which machines are of the class: any of `machine`, and any of `boards` (in the device tree's name) or `parts`
    (module part numbers) where there are any, and each of `isa` (`a|b` means either). `gpu` descriptors are
    for graphics cards, beside the descriptor of the machine itself.
    """

    machine: tuple[str, ...]
    boards: tuple[str, ...] = ()
    parts: tuple[str, ...] = ()
    isa: tuple[str, ...] = ()
    gpu: bool = False

    @property
    def names_a_board(self) -> bool:
        """Whether the class is one kind of board rather than any machine with these instructions."""
        return bool(self.boards or self.parts)

    def fits(self, fingerprint: Fingerprint) -> bool:
        """Whether a machine is of this class."""
        isa, has = set(fingerprint.isa), dict(fingerprint.settings)
        if fingerprint.machine not in self.machine or not all(isa & set(need.split("|")) for need in self.isa):
            return False
        if self.gpu and not (fingerprint.gpus and "l4t" not in has):
            return False
        modules = set(has.get("module", "").split())
        named = any(name in fingerprint.board for name in self.boards) or bool(modules & set(self.parts))
        return named or not self.names_a_board


@dataclass(frozen=True)
class Int8:
    """How int8 is laid out for a target: types of activations and weights, and whether weights have 7 bits."""

    activations: str
    weights: str
    reduce_range: bool


@dataclass(frozen=True)
class Memory:
    """Sizes that the board is sold with, in bytes, and whether processor and graphics share them."""

    bytes: tuple[int, ...]
    shared: bool


@dataclass(frozen=True)
class Gpu:
    """Graphics of a board: architecture, CUDA compute capability, and the number of deep learning accelerators."""

    architecture: str
    compute_capability: str
    dla: int


@dataclass(frozen=True)
class PowerModes:
    """nvpmodel's modes of one variant of a board: number -> name."""

    of: str
    names: dict[int, str]


@dataclass(frozen=True)
class Target:
    """A class of machines. What is unknown is None or empty; `tried` says whether pliant was run on one.

    `channel_multiple` is the multiple of channels that the hardware rewards; `jetpack` the versions that the
    board has had; `our_choice` names claims that rest on no source; of the `engines` the first choice stands first.
    """

    name: str
    title: str
    match: Match
    memory: Memory | None
    gpu: Gpu | None
    engines: tuple[str, ...]
    precisions: tuple[str, ...]
    int8: Int8 | None
    channel_multiple: int | None
    jetpack: tuple[str, ...]
    power_modes: tuple[PowerModes, ...]
    tried: bool
    our_choice: tuple[str, ...]
    notes: str
    sources: tuple[Source, ...]

    def matches(self, fingerprint: Fingerprint) -> bool:
        """Whether a machine is of this class."""
        return self.match.fits(fingerprint)

    @property
    def extract_only(self) -> bool:
        """Whether no JetPack of the board is new enough for pliant: it takes plain ONNX made on another machine."""
        return bool(self.jetpack) and all(int(version.partition(".")[0]) < OLDEST_JETPACK for version in self.jetpack)

    def unsourced(self) -> list[str]:
        """Claims without a source that are not named as our own choice."""
        covered = {claim for source in self.sources for claim in source.about} | set(self.our_choice)
        claims: dict[str, Any] = {claim: getattr(self, claim) for claim in CLAIMS}
        return [claim for claim, value in claims.items() if value not in (None, ()) and claim not in covered]
