"""Names of pretrained weights: every source's to those of our encoders, which are torchvision's.

timm calls the layers of ResNets as torchvision does, and those of MobileNetV2 (`mobilenetv2_100`) by what they are:
`conv_stem`, `bn1`, `blocks.<stage>.<block>.conv_pw|conv_dw|conv_pwl|bn1|bn2|bn3`, `conv_head`, `bn2`, `classifier`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from ...models.encoders import MOBILENETV2

# What wrappers put before every name: data parallelism, compilation, and models that hold the encoder.
_WRAPPERS = ("module.", "_orig_mod.", "model.", "backbone.", "encoder.")
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


def encoder_names(names: Iterable[str]) -> dict[str, str]:
    """Name in a file -> the name that an encoder would have it by; names that mean nothing here stay as they are."""
    given = list(names)
    plain = _without_wrappers(given)
    if "conv_stem.weight" in plain:
        plain = [_from_timm_mobilenet(name) for name in plain]
    return dict(zip(given, plain, strict=True))


def _without_wrappers(names: list[str]) -> list[str]:
    """Prefixes that all names share are taken away, however many there are."""
    while True:
        shared = [prefix for prefix in _WRAPPERS if names and all(name.startswith(prefix) for name in names)]
        if not shared:
            return names
        names = [name.removeprefix(shared[0]) for name in names]


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
