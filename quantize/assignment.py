"""A precision for each part of a network, the encoder and every decoder: its name, and the policy that it stands for.

Tasks share the encoder and nothing else: what a decoder's precision costs its task does not depend on other decoders.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from ..models.space import SubnetConfig
from .policy import MIXED, Policy

FP32 = "fp32"
PARTS = (FP32, "int8", MIXED)
"""Precisions that a part may have; each has an initial of its own."""
MOST_TASKS = 24
"""Decoders that an assignment can tell apart, for its name is short. A network of more has one precision as a whole."""


@dataclass(frozen=True)
class Assignment:
    """The encoder's precision and each decoder's, these in the order of the tasks' names."""

    encoder: str
    decoders: tuple[str, ...]

    @property
    def precision(self) -> str:
        """Its name: `int8` where all parts have that, else `int8-fiif`, with the initials of the decoders'."""
        if set(self.decoders) <= {self.encoder}:
            return self.encoder
        return f"{self.encoder}-{''.join(each[0] for each in self.decoders)}"

    @classmethod
    def of(cls, precision: str, tasks: int) -> Assignment:
        """What a name says of a network of so many tasks; a name that is no assignment's is one for all parts."""
        encoder, _, initials = precision.partition("-")
        decoders = tuple(each for initial in initials for each in PARTS if each[0] == initial)
        if encoder in PARTS and len(decoders) == len(initials) == tasks:
            return cls(encoder, decoders)
        return cls(precision, (precision,) * tasks)

    def describe(self, tasks: Sequence[str]) -> str:
        """In words: `int8, depth and edges fp32`, or `fp32, all decoders int8`."""
        others: dict[str, list[str]] = {}
        for task, each in zip(tasks, self.decoders, strict=True):
            if each != self.encoder:
                others.setdefault(each, []).append(task)
        if len(tasks) > 1 and list(others.values()) == [list(tasks)]:
            others = {each: ["all decoders"] for each in others}
        return ", ".join([self.encoder, *(f"{' and '.join(names)} {each}" for each, names in others.items())])


def assigned_to(config: SubnetConfig) -> Assignment:
    """The precision of each part of a subnet."""
    return Assignment.of(config.precision, len(config.decoders))


def may_differ(tasks: int, parts: Sequence[str]) -> bool:
    """Whether the parts of a network can have different ones of some precisions."""
    return len(parts) > 1 and tasks <= MOST_TASKS


def even_assignments(tasks: int, parts: Sequence[str]) -> list[Assignment]:
    """One precision for the encoder and one for all decoders, in every pair; of many tasks the same for both."""
    if not may_differ(tasks, parts):
        return [Assignment(each, (each,) * tasks) for each in parts]
    pairs = sorted(itertools.product(parts, repeat=2), key=lambda pair: pair[0] != pair[1])
    return [Assignment(one, (other,) * tasks) for one, other in pairs]


def policy_of(precision: str, tasks: Sequence[str], policies: Mapping[str, Policy]) -> Policy:
    """The policy that a precision other than fp32 stands for: one of the `policies`, or put together from them.

    `tasks` are in the order of their names.
    """
    if precision in policies:
        return policies[precision]
    assigned = Assignment.of(precision, len(tasks))
    layers = list(_layers("encoder", assigned.encoder, policies))
    for task, each in zip(tasks, assigned.decoders, strict=True):
        layers += _layers(f"decoders.{task}", each, policies)
    low = next(policies[each] for each in (assigned.encoder, *assigned.decoders) if each != FP32)
    return Policy(precision, tuple(layers), low.default, low.heads)


def _layers(part: str, precision: str, policies: Mapping[str, Policy]) -> Iterator[tuple[str, str]]:
    if precision == FP32:
        yield f"{part}.*", FP32
    else:
        yield from (layer for layer in policies[precision].layers if layer[0].startswith(f"{part}."))
