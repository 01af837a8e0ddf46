"""Weights with batch norm folded in compute the same inside a network that has batch norm, in training too."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from pliant import DataError
from pliant.models.architecture import Architecture
from pliant.models.network import normalize
from pliant.models.norm import SlimBatchNorm2d
from pliant.models.space import SearchSpace
from pliant.models.supernet import Supernet, build_supernet
from pliant.training.data.batches import Batch
from pliant.training.pretrained import load_pretrained, read_weights

from .tiny import DEPTH, random_batch


def _supernet(encoder: str, seed: int) -> Supernet:
    architecture = Architecture(encoder, 32, 48, decoder_channels=16, skip_channels=8, output_stride=8)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        supernet = build_supernet(architecture, (DEPTH,), SearchSpace(4, ("depth",)))
        for module in supernet.encoder.modules():
            if isinstance(module, SlimBatchNorm2d):
                for tensor in (module.weight.data, module.running_var):
                    assert tensor is not None
                    tensor.uniform_(0.6, 1.4)
                for tensor in (module.bias.data, module.running_mean):
                    assert tensor is not None
                    tensor.normal_(0.0, 0.2)
    return supernet.eval()


def _folded(supernet: Supernet) -> dict[str, NDArray[np.float32]]:
    """Every convolution with the batch norm after it folded in, by torchvision's names."""
    arrays: dict[str, NDArray[np.float32]] = {}
    path, convolution = "", None
    for name, module in supernet.encoder.named_modules():
        if isinstance(module, nn.Conv2d):
            path, convolution = name, module
        elif isinstance(module, SlimBatchNorm2d):
            assert convolution is not None
            assert module.running_var is not None
            assert module.running_mean is not None
            scale = module.weight / (module.running_var + module.eps).sqrt()
            bias = module.bias - module.running_mean * scale
            arrays[f"{path}.weight"] = (convolution.weight * scale.view(-1, 1, 1, 1)).detach().numpy()
            arrays[f"{path}.bias"] = bias.detach().numpy()
    return arrays


def _batch() -> Batch:
    images, targets = random_batch(6)
    return Batch(images, {"depth": targets["depth"]})


def _features(supernet: Supernet, *, collect: bool = False) -> Tensor:
    images = normalize(_batch().images, supernet.architecture)
    with torch.no_grad():
        return supernet.features(images, supernet.space.widest, collect={} if collect else None)[-1]


@pytest.mark.parametrize("encoder", ["mobilenetv2", "resnet10"])
def test_folded_weights_compute_the_same(encoder: str) -> None:
    original, fresh = _supernet(encoder, 0), _supernet(encoder, 1)
    matched = load_pretrained(fresh, _folded(original))
    assert matched.unused == matched.missing == ()
    expected = _features(original)
    assert torch.allclose(_features(fresh), expected, atol=1e-4 * float(expected.abs().max()))


@pytest.mark.parametrize("encoder", ["mobilenetv2", "resnet10"])
def test_settled_weights_compute_the_same_in_training_too(encoder: str) -> None:
    original, fresh = _supernet(encoder, 0), _supernet(encoder, 1)
    load_pretrained(fresh, _folded(original), [_batch()])
    expected = _features(original)
    largest = float(expected.abs().max())
    assert torch.allclose(_features(fresh), expected, atol=1e-3 * largest)
    assert torch.allclose(_features(fresh, collect=True), expected, atol=1e-3 * largest)
    unsettled = _supernet(encoder, 1)
    load_pretrained(unsettled, _folded(original))
    assert not torch.allclose(_features(unsettled, collect=True), expected, atol=0.05 * largest)


def test_weights_with_their_norms_are_loaded_as_they_are() -> None:
    original, fresh = _supernet("resnet10", 0), _supernet("resnet10", 1)
    arrays = {name: tensor.numpy() for name, tensor in original.encoder.state_dict().items()}
    arrays["fc.weight"] = np.zeros((5, 5), np.float32)
    matched = load_pretrained(fresh, arrays, [_batch()])
    assert matched.missing == ()
    assert "fc.weight" in matched.unused
    assert "fc.weight" in str(matched)
    assert torch.equal(_features(fresh), _features(original))


def test_weights_of_another_shape_or_network_are_refused() -> None:
    supernet = _supernet("resnet10", 0)
    arrays = _folded(supernet)
    with pytest.raises(DataError, match=r"conv1\.weight is"):
        load_pretrained(supernet, {**arrays, "conv1.weight": np.zeros((8, 3, 7, 7), np.float32)})
    with pytest.raises(DataError, match="another network"):
        load_pretrained(supernet, _folded(_supernet("mobilenetv2", 0)))


def test_files_that_are_not_there_or_no_arrays_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "weights.npz"
    with pytest.raises(DataError, match="put the file there"):
        read_weights(path)
    for content in (b"", b"PK\x03\x04 no zip", b"\x80\x04pickle"):
        path.write_bytes(content)
        with pytest.raises(DataError):
            read_weights(path)
    np.savez(path, weight=np.array([object()], dtype=object))
    with pytest.raises(DataError):
        read_weights(path)
