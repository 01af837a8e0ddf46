"""Whether a file's weights are those of the encoder: what found its place, and what another network is known by."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor, nn

from ...devices.errors import DataError
from ...models.encoders import ResNet

Tensors = Mapping[str, Tensor]
COUNTER = "num_batches_tracked"
# Layers of an ordinary network after what an encoder is of it; and what timm calls the layers of MobileNets before.
_HEAD = re.compile(r"(fc|classifier|features\.18|conv_head)\.")
_TIMM = ("conv_stem", "blocks")


@dataclass(frozen=True)
class Matched:
    """Names that found their place (`loaded`), and those of file (`unused`) and encoder (`missing`) that did not.

    Of every layer something is loaded: what is missing is statistics of batch norm, or its weights.
    """

    loaded: tuple[str, ...]
    unused: tuple[str, ...]
    missing: tuple[str, ...]

    def __str__(self) -> str:
        text = f"pretrained weights: {len(self.loaded)} tensors loaded"
        for what, names in (("not used", self.unused), ("missing, so left at its start", self.missing)):
            if names:
                text += f"; {what}: {', '.join(names)}"
        return text


def check_fraction(name: str, tensor: Tensor) -> None:
    """DataError for what is no number with a fraction."""
    if not tensor.is_floating_point():
        raise DataError(
            f"pretrained {name} is {str(tensor.dtype).removeprefix('torch.')}, as of a quantized network: save the "
            "weights as plain float32 tensors"
        )


def check_forms(found: Tensors, encoder: nn.Module, own: Tensors, names: Mapping[str, str]) -> None:
    """DataError for what is no number with a fraction where the encoder's is, or of another shape."""
    for name, tensor in found.items():
        if name in own and own[name].is_floating_point():
            check_fraction(names.get(name, name), tensor)
        if name in own and tensor.shape != own[name].shape:
            raise DataError(
                f"pretrained {names.get(name, name)} is {tuple(tensor.shape)}, the encoder's "
                f"{tuple(own[name].shape)}: {_advice(name, tensor, own[name], encoder)}"
            )


def _advice(name: str, tensor: Tensor, own: Tensor, encoder: nn.Module) -> str:
    if not isinstance(encoder, ResNet):
        return "take weights of width 1.0, or set model.encoder to theirs"
    # A ResNet's first kernel is as large as its stem has it; else the networks differ in width.
    stem = name == "conv1.weight" and tensor.shape[2:] != own.shape[2:]
    return f"set {'model.stem' if stem else 'model.encoder and model.channels'} to those of the weights"


def check_network(matched: Matched, weights: Tensors, encoder: nn.Module, names: Mapping[str, str]) -> None:
    """DataError for another network's weights, which would compute something, if not what they were trained to."""
    total = len(matched.loaded) + len(matched.missing)
    reached = {_layer(name) for name in matched.loaded}
    for name in matched.missing:
        if _layer(name) not in reached:
            few = f"{len(matched.loaded)} of {total} names fit, and {name} is not there"
            theirs = f"; theirs are such as {matched.unused[0]}" if matched.unused else ""
            raise DataError(f"these weights are of another network: {few}{theirs}")
    inside = {*dict(encoder.named_children()), *_TIMM}
    plain = {name: each for each, name in names.items()}
    for name in matched.unused:
        own = plain.get(name, "")
        # A buffer that some tool has left beside a layer is no layer.
        learnt = own.endswith((".weight", ".bias")) and weights[name].numel() > 1
        if learnt and own.partition(".")[0] in inside and not _HEAD.match(own):
            raise DataError(
                f"these weights are of another network, which has {name} too: set model.encoder to theirs, or take "
                "weights without it"
            )


def _layer(name: str) -> str:
    return name.rpartition(".")[0]


def check_values(found: Tensors, own: Tensors, names: Mapping[str, str]) -> None:
    """DataError for what is no finite number to the encoder, and for variances below zero."""
    for name in own.keys() & found.keys():
        if not bool(found[name].to(own[name].dtype).isfinite().all()):
            raise DataError(
                f"pretrained {names.get(name, name)} is too large for {own[name].dtype}: get the file again"
            )
        if name.endswith("running_var") and bool((found[name] < 0).any()):
            raise DataError(f"pretrained {names.get(name, name)} has variances below zero: get the file again")
