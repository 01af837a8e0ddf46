"""Starting an encoder from weights that were trained on ImageNet.

Files are read by `files`, and names are understood by `names`. Batch norm may be folded into the
convolutions (each then has a bias): a network with batch norm computes the same when the bias goes there, with weight
1, mean 0 and variance 1 - eps. But training normalises with each batch's own moments, which would undo the folded
scales. So the moments m, s of each layer's input are measured on real images and put into weight, bias and statistics:
`(x - m) / s * s + (b + m)` is still `x + b`, now in training too.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn

from ...devices.errors import DataError
from ...models.norm import SlimBatchNorm2d
from ...models.observing import observed
from ...models.setting import Moments
from ...models.supernet import Supernet
from ..data.batches import Batch
from ..layout import laid_out
from .fit import COUNTER, Matched, check_forms, check_fraction, check_network, check_values
from .names import encoder_names

Tensors = Mapping[str, Tensor]


def load_pretrained(supernet: Supernet, weights: Tensors, batches: Iterable[Batch] = ()) -> Matched:
    """Put `weights` into the encoder; `batches` of training images settle folded batch norm (see the module).

    Raises DataError when a shape differs, when a layer of the encoder is missing, or when the file has more layers
    within it: then it is another network that the weights are of. Other unmatched names are reported, those of
    the file as they stand there.
    """
    encoder = supernet.encoder
    own = {**dict(encoder.named_parameters()), **dict(encoder.named_buffers())}
    own = {name: tensor for name, tensor in own.items() if not name.endswith(COUNTER)}
    names = {plain: name for name, plain in encoder_names(weights, own).items()}
    named = {plain: weights[name] for plain, name in names.items()}
    found = unfolded(named, encoder)
    check_forms(found, encoder, own, names)
    read = {names[name] for name in named if name in own or name not in found}
    matched = Matched(
        tuple(name for name in own if name in found),
        tuple(name for name in weights if name not in read and not name.endswith(COUNTER)),
        tuple(name for name in own if name not in found),
    )
    check_network(matched, weights, encoder, names)
    check_values(found, own, names)
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
        check_fraction(name, bias)
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
