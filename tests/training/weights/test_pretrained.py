"""Weights with batch norm folded in compute the same inside a network that has batch norm, in training too."""

from __future__ import annotations

import re

import pytest
import torch
from torch import Tensor, nn

from pliant import DataError
from pliant.models.architecture import Architecture
from pliant.models.network import normalize
from pliant.models.norm import SlimBatchNorm2d
from pliant.models.space import SearchSpace
from pliant.models.supernet import Supernet, build_supernet
from pliant.training.data.batches import Batch
from pliant.training.weights.pretrained import load_pretrained

from ..tiny import DEPTH, random_batch


def _supernet(encoder: str, seed: int, output_stride: int = 8) -> Supernet:
    architecture = Architecture(encoder, 32, 48, decoder_channels=16, skip_channels=8, output_stride=output_stride)
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


def _folded(supernet: Supernet) -> dict[str, Tensor]:
    """Every convolution with the batch norm after it folded in, by torchvision's names."""
    tensors: dict[str, Tensor] = {}
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
            tensors[f"{path}.weight"] = (convolution.weight * scale.view(-1, 1, 1, 1)).detach()
            tensors[f"{path}.bias"] = bias.detach()
    return tensors


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
    tensors = {**original.encoder.state_dict(), "fc.weight": torch.zeros(5, 5)}
    matched = load_pretrained(fresh, tensors, [_batch()])
    assert matched.missing == ()
    assert matched.unused == ("fc.weight",)
    assert "not used: fc.weight" in str(matched)
    assert torch.equal(_features(fresh), _features(original))


def test_weights_of_another_shape_or_network_are_refused() -> None:
    supernet = _supernet("resnet10", 0)
    tensors = _folded(supernet)
    with pytest.raises(DataError, match=r"conv1\.weight is"):
        load_pretrained(supernet, {**tensors, "conv1.weight": torch.zeros(8, 3, 7, 7)})
    with pytest.raises(DataError, match="another network"):
        load_pretrained(supernet, _folded(_supernet("mobilenetv2", 0)))


def test_integers_are_not_taken_for_weights() -> None:
    supernet = _supernet("resnet10", 0)
    tensors = {name: (100 * tensor).to(torch.int8) for name, tensor in _folded(supernet).items()}
    with pytest.raises(DataError, match=r"conv1\.bias is int8, as of a quantized network: save the weights as plain"):
        load_pretrained(supernet, tensors)


def test_a_bias_beside_its_norm_moves_the_mean() -> None:
    original, fresh = _supernet("resnet10", 0), _supernet("resnet10", 1)
    tensors = dict(original.encoder.state_dict())
    bias = torch.linspace(-1.0, 1.0, 64)
    tensors["conv1.bias"] = bias
    tensors["bn1.running_mean"] = tensors["bn1.running_mean"] + bias
    assert load_pretrained(fresh, tensors).unused == ()
    assert torch.allclose(_features(fresh), _features(original), atol=1e-4)


def test_a_bias_moves_the_mean_where_the_file_has_no_mean() -> None:
    original, fresh = _supernet("resnet10", 0), _supernet("resnet10", 1)
    tensors = dict(original.encoder.state_dict())
    tensors["conv1.bias"] = -tensors.pop("bn1.running_mean")
    assert load_pretrained(fresh, tensors).missing == ()
    assert torch.allclose(_features(fresh), _features(original), atol=1e-4)


def test_what_is_missing_is_named() -> None:
    original, fresh = _supernet("resnet10", 0), _supernet("resnet10", 1)
    kept = fresh.encoder.get_buffer("layer2.0.bn1.running_mean").clone()
    tensors = {n: t for n, t in original.encoder.state_dict().items() if n != "layer2.0.bn1.running_mean"}
    matched = load_pretrained(fresh, tensors)
    assert matched.missing == ("layer2.0.bn1.running_mean",)
    assert "missing, so left at its start: layer2.0.bn1.running_mean" in str(matched)
    assert torch.equal(fresh.encoder.get_buffer("layer2.0.bn1.running_mean"), kept)


@pytest.mark.parametrize(
    ("gone", "more", "said"),
    [
        ("layer2.0.conv1.weight", {}, "another network: 59 of 60 names fit, and layer2.0.conv1.weight is not"),
        ("", {"layer1.1.conv1.weight": torch.zeros(64, 64, 3, 3)}, "which has layer1.1.conv1.weight too"),
        ("", {"layer1.0.se.fc1.weight": torch.zeros(4, 64)}, "which has layer1.0.se.fc1.weight too"),
        ("", {"conv1.weight": torch.zeros(64, 3, 3, 3)}, "set model.stem to those"),
        ("", {"conv1.bias": torch.zeros(32)}, "conv1 has (32,) biases, and (64,) means after it"),
        ("layer2.0.bn1", {}, "56 of 60 names fit, and layer2.0.bn1.weight is not there"),
        ("", {"bn1.running_var": torch.linspace(-1.0, 1.0, 64)}, "bn1.running_var has variances below zero"),
        ("", {"bn1.bias": torch.full((64,), 1e60, dtype=torch.float64)}, "bn1.bias is too large for torch.float32"),
    ],
)
def test_what_would_compute_something_else_is_refused(gone: str, more: dict[str, Tensor], said: str) -> None:
    fresh = _supernet("resnet10", 1)
    before = {name: tensor.clone() for name, tensor in fresh.encoder.state_dict().items()}
    tensors = {
        n: t for n, t in _supernet("resnet10", 0).encoder.state_dict().items() if not gone or not n.startswith(gone)
    }
    tensors |= more
    with pytest.raises(DataError, match=re.escape(said)):
        load_pretrained(fresh, tensors)
    assert all(torch.equal(tensor, before[name]) for name, tensor in fresh.encoder.state_dict().items())


@pytest.mark.parametrize(
    ("bias", "said"),
    [
        (torch.zeros(32), "bn1.weight is (32,), the encoder's (64,)"),
        (torch.zeros(()), "bn1.weight is (), the encoder's (64,)"),
        (torch.zeros(64, dtype=torch.int32), "conv1.bias is int32, as of a quantized network"),
        (torch.zeros(64, dtype=torch.bool), "conv1.bias is bool, as of a quantized network"),
    ],
)
def test_what_folded_biases_make_is_checked_too(bias: Tensor, said: str) -> None:
    with pytest.raises(DataError, match=re.escape(said)):
        load_pretrained(_supernet("resnet10", 1), {**_folded(_supernet("resnet10", 0)), "conv1.bias": bias})


def test_another_stem_under_a_wrapper_is_another_network() -> None:
    tensors = {f"module.{n}": t for n, t in _supernet("resnet10", 0).encoder.state_dict().items()}
    tensors["module.conv1.0.weight"] = tensors.pop("module.conv1.weight")
    with pytest.raises(
        DataError, match=r"59 of 60 names fit, and conv1.weight is not there; theirs are such as module"
    ):
        load_pretrained(_supernet("resnet10", 1), tensors)


def test_what_tools_leave_beside_a_layer_is_not_used() -> None:
    tensors = {**_supernet("resnet10", 0).encoder.state_dict(), "conv1.total_ops": torch.zeros(1)}
    tensors["layer1.0.conv1.weight_mask"] = torch.ones(64, 64, 3, 3)
    matched = load_pretrained(_supernet("resnet10", 1), tensors)
    assert matched.unused == ("conv1.total_ops", "layer1.0.conv1.weight_mask")
    assert matched.missing == ()
