"""Which subnets a step trains, on ECMT's space: `sandwich` or `stratified`.

Every step trains the widest and the narrowest subnet, which bound all others, and `count` drawn between them: anywhere
(`sandwich`; US-Nets, ICCV 2019, arXiv 1903.05134), or one from each of `count` brackets of equal size of the mean
encoder width (`stratified`; Scala, NeurIPS 2024), so that no step leaves a whole range out. The draw depends on
(seed, step) only, so a resumed run trains the same subnets.

A share of the draws, `uniform`, has one width for the whole encoder and independent decoders: drawing every stage
independently almost never gives the uniform encoders, which searches favour and people compare. That width is never the
widest or the narrowest, where there are others: those are trained at each step as it is; a bracket without such a
width, as where there are more brackets than widths, is drawn from as if the share were 0. Of these a share, `coupled`,
has decoders of that width too, as a slimmable network would: with four widths and four tasks independent ones are that
once in 256 draws.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from ...models.space import SearchSpace, SubnetConfig
from ..recipe.training import TrainingRecipe

_TRIES = 200


class Shares(NamedTuple):
    """Of the draws, how many have one width for the encoder; and of these, how many have it for the decoders too."""

    uniform: float = 0.5
    coupled: float = 0.0


HALF = Shares()


def subnets_at(space: SearchSpace, recipe: TrainingRecipe, step: int, steps: int) -> list[SubnetConfig]:
    """The subnets of a step out of `steps`, in the order in which they are trained.

    The widest comes first. Where each is taught by the next wider one, the others follow from wide to narrow.
    """
    if recipe.only is not None:
        return [space.uniform(recipe.only)]
    if step < steps_alone(recipe, steps):
        return [space.widest]
    stratified = recipe.sampling == "stratified"
    shares = Shares(recipe.uniform, recipe.coupled)
    subnets = step_subnets(space, recipe.seed, step, recipe.subnets, stratified=stratified, shares=shares)
    return sorted(subnets, key=_mean_widths, reverse=True) if recipe.teacher == "next" else subnets


def steps_alone(recipe: TrainingRecipe, steps: int) -> int:
    """How many steps out of `steps`, the first ones, train the widest alone; 0 where one width is all there is."""
    return 0 if recipe.only is not None else round(recipe.full_width * steps)


def step_subnets(
    space: SearchSpace, seed: int, step: int, count: int, *, stratified: bool = False, shares: Shares = HALF
) -> list[SubnetConfig]:
    """Widest, narrowest and `count` random subnets, in the order in which they are trained; deterministic."""
    rng = random.Random(f"subnets/{seed}/{step}")
    subnets = [space.widest]
    if space.narrowest != space.widest:
        subnets.append(space.narrowest)
    if stratified and len(space.encoder_widths) > 1:  # one width has no brackets
        return [*subnets, *(_draw_between(space, rng, shares, low, high) for low, high in brackets(space, count))]
    return [*subnets, *(_draw(space, rng, shares, _inner(space)) for _ in range(count))]


def brackets(space: SearchSpace, count: int) -> list[tuple[float, float]]:
    """[low, high) ranges of mean encoder width, wide first, that share out the space; the widest closes the first."""
    low, high = space.encoder_widths[0], space.encoder_widths[-1]
    size = (high - low) / max(1, count)
    # Each end is the next one's beginning: computed twice, the two may differ in their last bit.
    bounds = [*(low + index * size for index in range(count)), high + 1e-9]
    return list(pairwise(bounds))[::-1]


def _inner(space: SearchSpace) -> tuple[float, ...]:
    """The encoder's widths between the ends, all of them where there are none."""
    return space.encoder_widths[1:-1] or space.encoder_widths


def _draw(space: SearchSpace, rng: random.Random, shares: Shares, widths: Sequence[float]) -> SubnetConfig:
    """Any subnet; with the probability `shares.uniform` one whose encoder has one of the `widths` everywhere."""
    drawn = space.sample(rng)
    if rng.random() >= shares.uniform:
        return drawn
    width = rng.choice(widths)
    if shares.coupled and rng.random() < shares.coupled:
        return space.even(width)
    return SubnetConfig((width,) * space.stages, drawn.decoders)


def _draw_between(space: SearchSpace, rng: random.Random, shares: Shares, low: float, high: float) -> SubnetConfig:
    """A draw whose mean encoder width lies in the bracket, or is the nearest to its middle where none does."""
    within = [width for width in _inner(space) if low <= width < high]
    nearest, centre = space.widest, (low + high) / 2
    if rng.random() < shares.uniform and within:
        return _draw(space, rng, shares._replace(uniform=1.0), within)
    for _ in range(_TRIES):
        drawn = space.sample(rng)
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
