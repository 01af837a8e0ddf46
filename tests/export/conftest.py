"""What is slow to make and never changed: supernets and their templates."""

from __future__ import annotations

from dataclasses import dataclass

import onnx
import pytest

from pliant.export.template import widest_template
from pliant.models.supernet import Supernet

from .making import supernet
from .trained import Trained, train


@dataclass(frozen=True)
class Exported:
    net: Supernet
    template: onnx.ModelProto


@pytest.fixture(scope="session")
def resnet() -> Exported:
    net = supernet("segmentation", "depth", "normals", "edges", "classification")
    return Exported(net, widest_template(net))


@pytest.fixture(scope="session")
def convolved() -> Exported:
    """A head that classifies by a convolution of its own."""
    net = supernet("classification", classifier="convolution")
    return Exported(net, widest_template(net))


@pytest.fixture(scope="session")
def mobilenet() -> Exported:
    net = supernet("depth", encoder="mobilenetv2")
    return Exported(net, widest_template(net))


@pytest.fixture(scope="session")
def trained() -> Trained:
    return train()
