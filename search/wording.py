"""A subnet in words: its widths and its precision; and who is told of what there is to know."""

from __future__ import annotations

from collections.abc import Callable

from ..models.space import SubnetConfig
from ..quantize.assignment import FP32, assigned_to

Note = Callable[[str], None]
"""Is told a line that a user should see."""


def unheard(_line: str) -> None:
    """Where nobody listens."""


def in_words(config: SubnetConfig) -> str:
    """`encoder 1-0.5-0.5-1, depth 0.5, edges 1, in int8, edges fp32`; nothing is said of fp32 where all is."""
    decoders = ", ".join(f"{task} {width:g}" for task, width in config.decoders)
    precision = "" if config.precision == FP32 else f", in {precision_in_words(config)}"
    return f"encoder {'-'.join(f'{width:g}' for width in config.encoder)}, {decoders}{precision}"


def precision_in_words(config: SubnetConfig) -> str:
    """`int8, depth and edges fp32`: the encoder's, and those of decoders that have another."""
    return assigned_to(config).describe([task for task, _ in config.decoders])
