"""Which subnets a step trains: the sandwich rule (US-Nets, ICCV 2019) on ECMT's space.

Every step trains the widest and the narrowest subnet, which bound all others, and `count` drawn between them. The draw
depends on (seed, step) only, so a resumed run trains the same subnets. Half of the draws have one width for the whole
encoder and independent decoders: drawing every stage independently almost never gives the uniform encoders, which
searches favour and people compare.
"""

from __future__ import annotations

import random

from ..models.space import SearchSpace, SubnetConfig


def step_subnets(space: SearchSpace, seed: int, step: int, count: int, alone: int = 0) -> list[SubnetConfig]:
    """Widest, narrowest and `count` random subnets, in the order in which they are trained; deterministic.

    The first `alone` steps train the widest only: a curriculum (Scala, NeurIPS 2024) that also spares their cost.
    """
    if step < alone:
        return [space.widest]
    rng = random.Random(f"subnets/{seed}/{step}")
    subnets = [space.widest]
    if space.narrowest != space.widest:
        subnets.append(space.narrowest)
    return [*subnets, *(_draw(space, rng) for _ in range(count))]


def _draw(space: SearchSpace, rng: random.Random) -> SubnetConfig:
    drawn = space.sample(rng)
    if rng.random() < 0.5:
        return drawn
    return SubnetConfig((rng.choice(space.encoder_widths),) * space.stages, drawn.decoders)


def label(space: SearchSpace, config: SubnetConfig) -> str:
    """A short name of a subnet for messages: `widest`, `narrowest`, or its widths."""
    if config == space.widest:
        return "widest"
    if config == space.narrowest:
        return "narrowest"
    encoder = "-".join(f"{width:g}" for width in config.encoder)
    return f"encoder {encoder}, " + ", ".join(f"{task} {width:g}" for task, width in config.decoders)
