"""Starting an encoder from weights that were trained on ImageNet.

Files are read by `files`, and names are understood by `names`. Batch norm may be folded into the
convolutions (each then has a bias): a network with batch norm computes the same when the bias goes there, with weight
1, mean 0 and variance 1 - eps. But training normalises with each batch's own moments, which would undo the folded
scales. So the moments m, s of each layer's input are measured on real images and put into weight, bias and statistics:
`(x - m) / s * s + (b + m)` is still `x + b`, now in training too.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ...devices.errors import DataError
from ...models.norm import SlimBatchNorm2d
from ...models.observing import observed
from ...models.setting import Moments
from ...models.supernet import Supernet
from ..data.batches import Batch
from ..layout import laid_out
from .names import encoder_names

Tensors = Mapping[str, Tensor]
_COUNTER = "num_batches_tracked"
# Layers of an ordinary network after what an encoder is of it; and what timm calls the layers of MobileNets before.
_HEAD = re.compile(r"(fc|classifier|features\.18|conv_head)\.")
_TIMM = ("conv_stem", "blocks")


@dataclass(frozen=True)
class Matched:
    """Names that found their place (`loaded`), and those of file (`unused`) and encoder (`missing`) that did not.

    What is missing is statistics of batch norm, or its weights; a convolution never is.
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


def load_pretrained(supernet: Supernet, weights: Tensors, batches: Iterable[Batch] = ()) -> Matched:
    """Put `weights` into the encoder; `batches` of training images settle folded batch norm (see the module).

    Raises DataError when a shape differs, when a convolution of the encoder is missing, or when the file has more
    layers within it: then it is another network that the weights are of. Other unmatched names are reported, those of
    the file as they stand there.
    """
    encoder = supernet.encoder
    own = {**dict(encoder.named_parameters()), **dict(encoder.named_buffers())}
    own = {name: tensor for name, tensor in own.items() if not name.endswith(_COUNTER)}
    names = {plain: name for name, plain in encoder_names(weights, own).items()}
    named = {plain: weights[name] for plain, name in names.items()}
    _check_forms(named, own, names)
    found = unfolded(named, encoder)
    read = {names[name] for name in named if name in own or name not in found}
    matched = Matched(
        tuple(name for name in own if name in found),
        tuple(name for name in weights if name not in read and not name.endswith(_COUNTER)),
        tuple(name for name in own if name not in found),
    )
    _check_network(matched, encoder, names)
    _check_values(found, own, names)
    with torch.no_grad():
        for name in matched.loaded:
            own[name].copy_(found[name])
    folded = [name for name, _ in _norms(encoder) if f"{name}.weight" not in named and f"{name}.weight" in found]
    _settle(supernet, folded, batches)
    return matched


def unfolded(weights: Tensors, encoder: nn.Module) -> dict[str, Tensor]:
    """Weights with the biases of convolutions moved to the batch norm that follows each of them."""
    norms = dict(_norms(encoder))
    found = dict(weights)
    for name, bias in weights.items():
        path, _, kind = name.rpartition(".")
        place = _norm_after(path)
        if kind != "bias" or place not in norms or path in norms:
            continue
        del found[name]
        if any(f"{place}.{own}" in weights for own in ("weight", "bias", "running_mean", "running_var")):
            mean = weights.get(f"{place}.running_mean", torch.zeros_like(bias))
            if mean.shape != bias.shape:
                raise DataError(
                    f"pretrained {path} has {tuple(bias.shape)} biases, and {tuple(mean.shape)} means after it"
                )
            found[f"{place}.running_mean"] = mean - bias
            continue
        found[f"{place}.weight"] = torch.ones_like(bias)
        found[f"{place}.bias"] = bias
        found[f"{place}.running_mean"] = torch.zeros_like(bias)
        found[f"{place}.running_var"] = torch.full_like(bias, 1.0 - norms[place].eps)
    return found


def _norms(encoder: nn.Module) -> list[tuple[str, SlimBatchNorm2d]]:
    return [(name, module) for name, module in encoder.named_modules() if isinstance(module, SlimBatchNorm2d)]


def _norm_after(convolution: str) -> str:
    """Name of the batch norm after a convolution: `conv1` -> `bn1`, `features.0.0` -> `features.0.1`."""
    parent, dot, last = convolution.rpartition(".")
    if last.isdigit():
        return f"{parent}{dot}{int(last) + 1}"
    return f"{parent}{dot}{last.replace('conv', 'bn')}"


def _check_forms(named: Tensors, own: Tensors, names: Mapping[str, str]) -> None:
    for name, tensor in named.items():
        if name in own and own[name].is_floating_point() and not tensor.is_floating_point():
            raise DataError(
                f"pretrained {names[name]} is {str(tensor.dtype).removeprefix('torch.')}, as of a quantized "
                "network: save the weights as plain float32 tensors"
            )
        if name in own and tensor.shape != own[name].shape:
            # A ResNet's first kernel is as large as its stem has it; else the networks differ in width.
            stem = name == "conv1.weight" and tensor.shape[2:] != own[name].shape[2:]
            raise DataError(
                f"pretrained {names[name]} is {tuple(tensor.shape)}, the encoder's {tuple(own[name].shape)}: "
                f"set {'model.stem' if stem else 'model.encoder and model.channels'} to those of the weights"
            )


def _check_network(matched: Matched, encoder: nn.Module, names: Mapping[str, str]) -> None:
    """Refuse another network's weights, which would compute something, if not what they were trained to."""
    total = len(matched.loaded) + len(matched.missing)
    for name in matched.missing:
        if isinstance(encoder.get_submodule(name.rpartition(".")[0]), nn.Conv2d):
            few = f"{len(matched.loaded)} of {total} names fit, and {name} is not there"
            example = next(iter(matched.unused), None)
            raise DataError(
                f"these weights are of another network: {few}" + (f"; theirs are such as {example}" if example else "")
            )
    inside = {*dict(encoder.named_children()), *_TIMM}
    plain = {name: each for each, name in names.items()}
    for name in matched.unused:
        own = plain.get(name, "")
        if own.partition(".")[0] in inside and not _HEAD.match(own):
            raise DataError(
                f"these weights are of another network, which has {name} too: set model.encoder to theirs, or take "
                "weights without it"
            )


def _check_values(found: Tensors, own: Tensors, names: Mapping[str, str]) -> None:
    """Refuse what is not a number to the encoder, and variances below zero."""
    for name in own.keys() & found.keys():
        if not bool(found[name].to(own[name].dtype).isfinite().all()):
            raise DataError(
                f"pretrained {names.get(name, name)} is too large for {own[name].dtype}: get the file again"
            )
        if name.endswith("running_var") and bool((found[name] < 0).any()):
            raise DataError(f"pretrained {names.get(name, name)} has variances below zero: get the file again")


def _settle(supernet: Supernet, folded: Iterable[str], batches: Iterable[Batch]) -> None:
    """Give the named batch norms the moments that they see, without changing what the network computes."""
    names = set(folded)
    if not names:
        return
    norms = {name: module for name, module in _norms(supernet.encoder) if name in names}
    was_training = supernet.training
    supernet.eval()
    try:
        with torch.no_grad(), observed(norms) as moments:
            for batch in batches:
                supernet.features(laid_out(supernet, batch.images), supernet.space.widest)
    finally:
        supernet.train(was_training)
    with torch.no_grad():
        for name, found in moments.items():
            _absorb(norms[name], found)


def _absorb(norm: SlimBatchNorm2d, moments: Moments) -> None:
    assert norm.running_mean is not None
    assert norm.running_var is not None
    norm.running_mean.copy_(moments.mean)
    norm.running_var.copy_(moments.variance)
    norm.weight.copy_((moments.variance + norm.eps).sqrt())
    norm.bias.add_(moments.mean)
