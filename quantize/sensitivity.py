"""Which blocks of layers cost a network its quality in int8 or fp16, measured, and how few must stay in fp32.

Noise of different blocks adds up in a raw output, nearly; so one evaluation of the network with a block alone reduced
says what it contributes to each task. A decoder's block touches its own task only: the same block of all decoders is
measured at once. Blocks return to fp32 from the noisiest on, for the tasks that lost too much, until measured quality
says that none did. Every evaluation is a true one, and their number is bounded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from .policy import MIXED, Policy

LEAST_GAIN = 0.02
"""Share of a task's noise below which a block is not worth floats of its own."""


Noise = Mapping[str, Mapping[str, float]]
"""Of each block alone reduced, its noise in each task that it touches."""


@dataclass(frozen=True)
class Loss:
    """What a policy costs against fp32, by task: `drop` of the metric (relative, worse is positive), and the power of
    the `noise` in the raw output (relative to the output's own)."""

    drop: Mapping[str, float]
    noise: Mapping[str, float]

    def over(self, most: Mapping[str, float]) -> list[str]:
        """Tasks that lose more than they may."""
        return [task for task, drop in self.drop.items() if drop > most[task]]


@dataclass(frozen=True)
class Mixture:
    """A policy and what it costs; the blocks that it keeps in floats, the noisiest first; evaluations made for it.

    `kept` is false where even this policy loses more than it may. `noise` is that of the blocks, where it was needed.
    """

    policy: Policy
    loss: Loss
    floats: tuple[str, ...]
    evaluations: int
    kept: bool
    noise: Noise | None = None


Measure = Callable[[Policy], Loss]
"""Truly evaluates a policy."""


def blocks_of(layers: Iterable[str], joined: Iterable[tuple[str, str]] = ()) -> dict[str, tuple[str, ...]]:
    """Layers by block: the part of the network that their names share, as a residual block or a decoder's part.

    Pairs of layers that are `joined`, as equalized channels join them, are in one block, under the first one's name.
    """
    found: dict[str, list[str]] = {}
    home = {layer: _block(layer) for layer in layers}
    for layer, block in home.items():
        found.setdefault(block, []).append(layer)
    for pair in joined:
        one, other = (home[layer] for layer in pair)
        if one != other:
            found[one] += found.pop(other)
            home.update(dict.fromkeys(found[one], one))
    return {block: tuple(names) for block, names in found.items()}


def mix(
    measure: Measure,
    policy: Policy,
    layers: Iterable[str],
    most: Mapping[str, float],
    evaluations: int,
    *,
    noise: Noise | None = None,
    name: str = MIXED,
    joined: Iterable[tuple[str, str]] = (),
) -> Mixture:
    """The policy that keeps as few blocks in fp32 as measurement finds, so that no task loses more than `most` of it.

    `layers` are those that `policy` reduces, to its default. At most `evaluations` policies are measured; without
    enough of them to learn what each block costs, only `policy` itself is. `noise` is that of the blocks where it is
    known, as from another subnet of the same supernet: which block is noisy, they mostly agree on. Layers that are
    `joined` go together; a policy that leaves nothing reduced is none.
    """
    loss, made = measure(policy), 1
    blocks = blocks_of(layers, joined)
    if not loss.over(most):
        return Mixture(policy, loss, (), made, True, noise)
    if noise is None:
        together = _together(blocks)
        if evaluations < 2 + len(together):
            return Mixture(policy, loss, (), made, False)
        noise, made = _noise(measure, policy.default, blocks, together), made + len(together)
    mixed, floats = policy, list[str]()
    while loss.over(most) and made < evaluations:
        block = _noisiest(noise, loss.over(most), floats)
        if block is None:
            break
        floats.append(block)
        mixed = _without(policy, [layer for each in floats for layer in blocks[each]], name)
        loss = measure(mixed)
        made += 1
    return Mixture(mixed, loss, tuple(floats), made, not loss.over(most) and len(floats) < len(blocks), noise)


def _together(blocks: Iterable[str]) -> list[list[str]]:
    """Blocks that are measured in one evaluation: the same of all decoders."""
    found: dict[str, list[str]] = {}
    for block in blocks:
        task = _task(block)
        found.setdefault(block if task is None else block.replace(f".{task}.", ".*.", 1), []).append(block)
    return list(found.values())


def _noise(measure: Measure, precision: str, blocks: Mapping[str, tuple[str, ...]], together: list[list[str]]) -> Noise:
    """Noise of each block alone reduced, by the tasks that it touches."""
    found: dict[str, dict[str, float]] = {}
    for group in together:
        loss = measure(_only([layer for block in group for layer in blocks[block]], precision))
        for block in group:
            task = _task(block)
            found[block] = dict(loss.noise) if task is None else {task: loss.noise[task]}
    return found


def _noisiest(noise: Noise, tasks: list[str], floats: list[str]) -> str | None:
    """The reduced block with the largest share of the noise that is left in one of these tasks."""
    left = {block: each for block, each in noise.items() if block not in floats}
    totals = {task: sum(each.get(task, 0.0) for each in left.values()) for task in tasks}
    shares = {
        block: max((each.get(task, 0.0) / total for task, total in totals.items() if total > 0), default=0.0)
        for block, each in left.items()
    }
    best = max(shares, key=lambda block: shares[block], default=None)
    return best if best is not None and shares[best] >= LEAST_GAIN else None


def _task(block: str) -> str | None:
    """The task whose decoder a block belongs to; None for the encoder."""
    parts = block.split(".")
    return parts[1] if parts[0] == "decoders" and len(parts) > 2 else None


def _only(layers: Iterable[str], precision: str) -> Policy:
    """These layers reduced, everything else in fp32."""
    return Policy("alone", tuple((layer, precision) for layer in layers), "fp32", "fp32")


def _without(policy: Policy, layers: Iterable[str], name: str) -> Policy:
    """The policy, but for these layers, which are fp32."""
    return Policy(name, (*policy.layers, *((layer, "fp32") for layer in layers)), policy.default, policy.heads)


def _block(layer: str) -> str:
    """`encoder.layer1.0.conv2` -> `encoder.layer1.0`, `encoder.features.3.conv.0.0` -> `encoder.features.3`."""
    parts = layer.split(".")
    numbers = [index for index, part in enumerate(parts) if part.isdigit()]
    return ".".join(parts[: numbers[0] + 1]) if numbers else layer
