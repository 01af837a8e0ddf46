"""Names of pretrained weights: every source's to those of our encoders, which are torchvision's.

timm calls the layers of ResNets as torchvision does, and those of MobileNetV2 (`mobilenetv2_100`) by what they are:
`conv_stem`, `bn1`, `blocks.<stage>.<block>.conv_pw|conv_dw|conv_pwl|bn1|bn2|bn3`, `conv_head`, `bn2`, `classifier`.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable

from ...devices.errors import DataError
from ...models.encoders import MOBILENETV2

# Names of an encoder's first weights, and of weights further in, for its stem may have others. What stands before them
# is of a wrapper: data parallelism, compilation, averaging, a model that holds the encoder.
_STEMS = ("conv1.weight", "features.0.0.weight", "conv_stem.weight")
_FIRST = (*_STEMS, "layer1.0.conv1.weight", "features.1.conv.0.0.weight", "blocks.0.0.conv_dw.weight")
_BLOCK = re.compile(r"blocks\.(\d+)\.(\d+)\.(conv_dw|conv_pwl|conv_pw|bn[123])\.(\w+)")
_OUTER = {
    "conv_stem": "features.0.0",
    "bn1": "features.0.1",
    "conv_head": "features.18.0",
    "bn2": "features.18.1",
    "classifier": "classifier.1",
}
# The first block has no expansion: its depthwise convolution comes first.
_WITHOUT_EXPANSION = {"conv_dw": "0.0", "bn1": "0.1", "conv_pw": "1", "bn2": "2"}
_WITH_EXPANSION = {"conv_pw": "0.0", "bn1": "0.1", "conv_dw": "1.0", "bn2": "1.1", "conv_pwl": "2", "bn3": "3"}


def encoder_names(names: Iterable[str], own: Collection[str]) -> dict[str, str]:
    """Name in a file -> the name that an encoder, whose names are `own`, would have it by.

    Of all prefixes that may be a wrapper's, the one under which most of the encoder lies is taken away. Names beside it
    are left out; those that mean nothing here stay as they are. Raises DataError where there are two such encoders.
    """
    given = list(names)
    prefixes = {name.removesuffix(first) for name in given for first in _FIRST if name.endswith(first)} | {""}
    choices = {prefix: _under(prefix, given) for prefix in sorted(prefixes)}
    fitting = {prefix: sum(name in own for name in choice.values()) for prefix, choice in choices.items()}
    most = max(fitting.values())
    best = [prefix for prefix, count in fitting.items() if count == most]
    if most and len(best) > 1:
        raise DataError(f"there are weights for two encoders, under {best[0]!r} and {best[1]!r}: keep one of them")
    return choices[best[0]]


def _under(prefix: str, names: list[str]) -> dict[str, str]:
    plain = {name: name.removeprefix(prefix) for name in names if name.startswith(prefix)}
    if "conv_stem.weight" in plain.values():
        plain = {name: _from_timm_mobilenet(each) for name, each in plain.items()}
    return plain


def _from_timm_mobilenet(name: str) -> str:
    layer, _, kind = name.rpartition(".")
    if layer in _OUTER:
        return f"{_OUTER[layer]}.{kind}"
    found = _BLOCK.fullmatch(name)
    if found is None:
        return name
    stage, block, layer, kind = int(found[1]), int(found[2]), found[3], found[4]
    rows = [row for stages in MOBILENETV2 for row in stages]
    if stage >= len(rows) or block >= rows[stage][2]:
        return name
    places = _WITHOUT_EXPANSION if rows[stage][0] == 1 else _WITH_EXPANSION
    if layer not in places:
        return name
    index = 1 + sum(row[2] for row in rows[:stage]) + block
    return f"features.{index}.conv.{places[layer]}.{kind}"
