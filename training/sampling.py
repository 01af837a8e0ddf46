"""Which subnets a step trains, on ECMT's space: `sandwich` or `stratified`.

Every step trains the widest and the narrowest subnet, which bound all others, and `count` drawn between them: anywhere
(`sandwich`; US-Nets, ICCV 2019, arXiv 1903.05134), or one from each of `count` brackets of equal size of the mean
encoder width (`stratified`; Scala, NeurIPS 2024), so that no step leaves a whole range out. The draw depends on
(seed, step) only, so a resumed run trains the same subnets. Half of the draws have one width for the whole encoder and
independent decoders: drawing every stage independently almost never gives the uniform encoders, which searches favour
and people compare.
"""

from __future__ import annotations

import random

from ..models.space import SearchSpace, SubnetConfig
from .recipe import TrainingRecipe

_TRIES = 200


def subnets_at(space: SearchSpace, recipe: TrainingRecipe, step: int, steps: int) -> list[SubnetConfig]:
    """The subnets of a step out of `steps`, in the order in which they are trained.

    The widest comes first. Where each is taught by the next wider one, the others follow from wide to narrow.
    """
    if recipe.only is not None:
        return [space.uniform(recipe.only)]
    alone = round(recipe.full_width * steps)
    stratified = recipe.sampling == "stratified"
    subnets = step_subnets(space, recipe.seed, step, recipe.subnets, alone, stratified=stratified)
    return sorted(subnets, key=_mean_widths, reverse=True) if recipe.teacher == "next" else subnets


def step_subnets(
    space: SearchSpace, seed: int, step: int, count: int, alone: int = 0, *, stratified: bool = False
) -> list[SubnetConfig]:
    """Widest, narrowest and `count` random subnets, in the order in which they are trained; deterministic.

    The first `alone` steps train the widest only: a curriculum (Scala, NeurIPS 2024) that also spares their cost.
    """
    if step < alone:
        return [space.widest]
    rng = random.Random(f"subnets/{seed}/{step}")
    subnets = [space.widest]
    if space.narrowest != space.widest:
        subnets.append(space.narrowest)
    if stratified:
        return [*subnets, *(_draw_between(space, rng, low, high) for low, high in brackets(space, count))]
    return [*subnets, *(_draw(space, rng) for _ in range(count))]


def brackets(space: SearchSpace, count: int) -> list[tuple[float, float]]:
    """[low, high) ranges of mean encoder width, wide first, that share out the space; the widest closes the first."""
    low, high = space.encoder_widths[0], space.encoder_widths[-1]
    size = (high - low) / max(1, count)
    bounds = [low + index * size for index in range(count)]
    return [(bound, high + 1e-9 if index == count - 1 else bound + size) for index, bound in enumerate(bounds)][::-1]


def _draw(space: SearchSpace, rng: random.Random) -> SubnetConfig:
    drawn = space.sample(rng)
    if rng.random() < 0.5:
        return drawn
    return _with_uniform_encoder(space, rng, drawn)


def _with_uniform_encoder(space: SearchSpace, rng: random.Random, config: SubnetConfig) -> SubnetConfig:
    return SubnetConfig((rng.choice(space.encoder_widths),) * space.stages, config.decoders)


def _draw_between(space: SearchSpace, rng: random.Random, low: float, high: float) -> SubnetConfig:
    """A draw whose mean encoder width lies in the bracket; the nearest found where the space has none."""
    uniform = rng.random() < 0.5
    nearest, centre = space.widest, (low + high) / 2
    for _ in range(_TRIES):
        drawn = space.sample(rng)
        if uniform:
            drawn = _with_uniform_encoder(space, rng, drawn)
        width = mean_width(drawn)
        if low <= width < high:
            return drawn
        if abs(width - centre) < abs(mean_width(nearest) - centre):
            nearest = drawn
    return nearest


def mean_width(config: SubnetConfig) -> float:
    """Mean width of the encoder's stages."""
    return sum(config.encoder) / len(config.encoder)


def _mean_widths(config: SubnetConfig) -> tuple[float, float]:
    return mean_width(config), sum(width for _, width in config.decoders)


def label(space: SearchSpace, config: SubnetConfig) -> str:
    """A short name of a subnet for messages: `widest`, `narrowest`, or its widths."""
    if config == space.widest:
        return "widest"
    if config == space.narrowest:
        return "narrowest"
    encoder = "-".join(f"{width:g}" for width in config.encoder)
    return f"encoder {encoder}, " + ", ".join(f"{task} {width:g}" for task, width in config.decoders)
