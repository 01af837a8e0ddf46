"""A recipe's pretrained start: the weights compute what they did elsewhere, and their channels are sorted."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import Tensor

from pliant import DataError
from pliant.models.importance import channel_importance
from pliant.models.network import normalize
from pliant.models.sorting import importance_order, permute_channels
from pliant.models.streams import channel_streams
from pliant.training.data.batches import Batch
from pliant.training.data.files import find
from pliant.training.evaluation.recalibrate import recalibration_batches
from pliant.training.prepare import fresh_supernet, open_training_data
from pliant.training.recipe.recipe import Recipe
from pliant.training.weights.files import read_weights
from pliant.training.weights.pretrained import load_pretrained

from .tiny import random_batch, tiny_recipe
from .weights.test_pretrained import _folded, _supernet


def _imagenet_weights() -> Path:
    try:
        return find("weights/mobilenet_v2_1.0_imagenet.npz", None)
    except DataError as error:
        pytest.skip(str(error))


def _recipe(path: Path, *settings: str) -> Recipe:
    return tiny_recipe(f"model.pretrained={path}", "model.channels=null", "data.counts.train=8", *settings)


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folded ResNet-10 of the usual width, in a file."""
    path = tmp_path_factory.mktemp("weights") / "resnet10.safetensors"
    save_file({name: tensor.contiguous() for name, tensor in _folded(_supernet("resnet10", 0)).items()}, path)
    return path


@pytest.mark.parametrize("sort", ["norm", "activation"])
def test_a_recipe_sorts_pretrained_channels_and_keeps_the_widest(weights: Path, sort: str) -> None:
    recipe = _recipe(weights, f"model.sort={sort}")
    data = open_training_data(recipe)
    plain, _ = fresh_supernet(_recipe(weights, "model.sort=none"), data)
    found, said = fresh_supernet(recipe, data)
    assert said is not None
    assert said.endswith(f"channels sorted by {sort}")
    images = normalize(random_batch(2)[0], plain.architecture)
    with torch.no_grad():
        wanted, outputs = (each.eval()(images, each.space.widest) for each in (plain, found))
    for task, output in wanted.items():
        assert torch.allclose(outputs[task], output, atol=1e-4 * float(output.abs().max())), task
    again, _ = fresh_supernet(recipe, data)
    assert all(torch.equal(tensor, again.state_dict()[name]) for name, tensor in found.state_dict().items())
    batches = recalibration_batches(data.train, recipe.training)
    calibration = [normalize(batch.images, found.architecture) for batch in batches]
    for stream, scores in channel_importance(found, channel_streams(found), sort, calibration).items():
        assert bool((scores.diff() <= 1e-3 * scores.max()).all()), stream


def test_random_channels_are_left_in_their_order() -> None:
    recipe = tiny_recipe()
    data = open_training_data(recipe)
    found, said = fresh_supernet(recipe, data)
    plain, _ = fresh_supernet(recipe.with_overrides(["model.sort=none"]), data)
    assert said is None
    assert all(torch.equal(tensor, plain.state_dict()[name]) for name, tensor in found.state_dict().items())


def _mobilenet_features(weights: dict[str, Tensor], x: Tensor) -> list[Tensor]:
    """MobileNetV2 with folded batch norm, written from the paper's table: what the weights compute anywhere."""

    def conv(name: str, x: Tensor, stride: int = 1, *, depthwise: bool = False, linear: bool = False) -> Tensor:
        weight, bias = weights[f"{name}.weight"], weights[f"{name}.bias"]
        x = F.conv2d(x, weight, bias, stride, weight.shape[2] // 2, 1, len(weight) if depthwise else 1)
        return x if linear else F.relu6(x)

    x = conv("features.0.0", x, 2)
    strides = [1, 2, 1, 2, 1, 1, 2, 1, 1, 1, 1, 1, 1, 2, 1, 1, 1]
    ends, features = (3, 6, 13, 17), []
    for index, stride in enumerate(strides, start=1):
        name, out = f"features.{index}.conv", x
        if index > 1:
            out = conv(f"{name}.0.0", out)
        out = conv(f"{name}.{0 if index == 1 else 1}.0", out, stride, depthwise=True)
        out = conv(f"{name}.{1 if index == 1 else 2}", out, linear=True)
        x = x + out if stride == 1 and out.shape == x.shape else out
        if index in ends:
            features.append(x)
    return features


def test_imagenet_weights_compute_what_they_did_sorted_or_not() -> None:
    weights = read_weights(_imagenet_weights())
    supernet = _supernet("mobilenetv2", 1, output_stride=32).double()
    matched = load_pretrained(supernet, weights)
    assert matched.missing == ()
    assert matched.unused == tuple(f"{n}.{k}" for n in ("features.18.0", "classifier.1") for k in ("weight", "bias"))
    images = normalize(_pictures().images, supernet.architecture).double()
    wanted = _mobilenet_features({name: tensor.double() for name, tensor in weights.items()}, images)
    with torch.no_grad():
        found = supernet.features(images, supernet.space.widest)
    for stage, feature in zip(wanted, found, strict=True):
        # The weights are kept in double, but 1 - eps was rounded to float32 before.
        assert float((feature - stage).abs().max()) < 1e-5 * float(stage.abs().max())
    with torch.no_grad():
        before = supernet(images, supernet.space.widest)
        permute_channels(supernet, importance_order(supernet, "activation", [images]))
        after = supernet(images, supernet.space.widest)
    assert all(float((after[t] - before[t]).abs().max()) < 1e-10 * float(before[t].abs().max()) for t in before)


def _pictures() -> Batch:
    images, targets = random_batch(4)
    return Batch(images, {"depth": targets["depth"]})
