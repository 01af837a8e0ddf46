from __future__ import annotations

import torch

from pliant.models.architecture import Architecture
from pliant.models.space import SearchSpace
from pliant.models.supernet import build_supernet
from pliant.runtime.format.tasks import Task

WIDTHS = (0.25, 0.5, 1.0)


def test_fresh_decoders_begin_within_reason_at_any_width() -> None:
    # Drawn by its outputs, a head's logits began at ten and more, far outside of what they stand for.
    task = Task("depth", "depth", value_range=(0.5, 10.0))
    space = SearchSpace(4, ("depth",), WIDTHS, WIDTHS)
    torch.manual_seed(0)
    supernet = build_supernet(Architecture("resnet18", 64, 64, base=32), (task,), space).train()
    images = torch.randn(4, 3, 64, 64)
    with torch.no_grad():
        for width in WIDTHS:
            logits = supernet(images, space.uniform(width, width))["depth"]
            assert 0.0 < float(logits.abs().max()) < 1.0, f"width {width}"
