"""timm's names lead to the same weights as torchvision's."""

from __future__ import annotations

import re

import pytest
import torch
from torch import Tensor

from pliant import DataError
from pliant.models.architecture import Architecture
from pliant.models.encoders import MOBILENETV2
from pliant.models.space import SearchSpace
from pliant.models.supernet import Supernet, build_supernet
from pliant.training.weights.names import encoder_names
from pliant.training.weights.pretrained import load_pretrained

from ..tiny import DEPTH


def _mobilenet(seed: int) -> Supernet:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        architecture = Architecture("mobilenetv2", 32, 32, decoder_channels=16, skip_channels=8)
        return build_supernet(architecture, (DEPTH,), SearchSpace(4, ("depth",)))


def _timm(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The names of timm's mobilenetv2_100, written out from its blocks, in their order."""
    names = {"features.0.0": "conv_stem", "features.0.1": "bn1", "features.18.0": "conv_head", "features.18.1": "bn2"}
    names["classifier.1"] = "classifier"
    rows = [row for stages in MOBILENETV2 for row in stages]
    index = 0
    for stage, (expansion, _, blocks, _) in enumerate(rows):
        for block in range(blocks):
            index += 1
            layers = ["conv_dw", "bn1", "conv_pw", "bn2"]
            places = ["0.0", "0.1", "1", "2"]
            if expansion != 1:
                layers = ["conv_pw", "bn1", "conv_dw", "bn2", "conv_pwl", "bn3"]
                places = ["0.0", "0.1", "1.0", "1.1", "2", "3"]
            for layer, place in zip(layers, places, strict=True):
                names[f"features.{index}.conv.{place}"] = f"blocks.{stage}.{block}.{layer}"
    return {f"{names[name.rpartition('.')[0]]}.{name.rpartition('.')[2]}": t for name, t in tensors.items()}


@pytest.mark.parametrize("wrapper", ["", "module.", "_orig_mod.module.", "model.backbone.", "net.trunk."])
def test_timm_names_load_as_torchvisions(wrapper: str) -> None:
    original, fresh = _mobilenet(0), _mobilenet(1)
    tensors = dict(original.encoder.state_dict())
    tensors["features.18.0.weight"] = torch.zeros(1280, 320, 1, 1)
    tensors["features.18.1.weight"] = torch.zeros(1280)
    tensors["classifier.1.weight"] = torch.zeros(1000, 1280)
    wrapped = {wrapper + name: tensor for name, tensor in _timm(tensors).items()}
    # What training programs save beside: a counter of averages, another network's weights.
    beside = {"n_averaged": torch.tensor(3), "criterion.weight": torch.ones(2), "decode.conv1.weight": torch.ones(2)}
    matched = load_pretrained(fresh, {**beside, **wrapped})
    assert matched.missing == ()
    assert matched.unused == (*beside, *(f"{wrapper}{n}.weight" for n in ("conv_head", "bn2", "classifier")))
    found = fresh.encoder.state_dict()
    assert all(torch.equal(tensor, found[name]) for name, tensor in original.encoder.state_dict().items())


def test_of_two_encoders_none_is_chosen() -> None:
    tensors = dict(_mobilenet(0).encoder.state_dict())
    both = {f"{prefix}.{name}": tensor for prefix in ("student", "teacher") for name, tensor in tensors.items()}
    with pytest.raises(DataError, match=r"weights for two encoders, under 'student\.' and 'teacher\.': keep one"):
        load_pretrained(_mobilenet(1), both)


def test_names_of_resnets_are_the_same_in_both() -> None:
    names = ["conv1.weight", "bn1.bias", "layer1.0.downsample.0.weight", "layer4.1.bn2.running_var", "fc.bias"]
    assert encoder_names(names, names) == {name: name for name in names}


def test_names_that_no_mobilenet_has_stay_as_they_are() -> None:
    names = ["conv_stem.weight", "blocks.7.0.conv_pw.weight", "blocks.1.2.bn1.bias", "blocks.0.0.conv_pwl.weight"]
    found = encoder_names([*names, "blocks.0.0.se.conv_reduce.weight"], ["features.0.0.weight"])
    assert found.pop("conv_stem.weight") == "features.0.0.weight"
    assert all(name == plain for name, plain in found.items())


def test_a_shape_that_differs_is_named_as_in_the_file() -> None:
    tensors = _timm(dict(_mobilenet(0).encoder.state_dict()))
    tensors["blocks.2.1.conv_dw.weight"] = torch.zeros(7, 1, 3, 3)
    with pytest.raises(DataError, match=re.escape("blocks.2.1.conv_dw.weight is (7, 1, 3, 3), the encoder's (192")):
        load_pretrained(_mobilenet(1), tensors)
