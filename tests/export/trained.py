"""A network that was trained for seconds, and how it is exported in tests."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from pliant.export.pipeline import export_suite
from pliant.export.report import ExportReport
from pliant.export.settings import ExportData
from pliant.models.losses import loss
from pliant.models.network import normalize
from pliant.models.space import SubnetConfig
from pliant.models.supernet import Supernet
from pliant.training.data.batches import collate

from .making import Waves, supernet

STEPS = 60


@dataclass(frozen=True)
class Trained:
    """Shared by all tests: copy the network before you change it."""

    net: Supernet
    data: ExportData

    def front(self) -> list[SubnetConfig]:
        space = self.net.space
        return [space.widest, space.narrowest, SubnetConfig((0.5, 1.0, 0.75, 0.5), space.uniform(0.5).decoders)]

    def export(self, out: Path, **changes: object) -> ExportReport:
        given: dict[str, object] = {
            "data": self.data,
            "calibration_images": 16,
            "quality_images": 12,
            "recalibration_images": 32,
        }
        return export_suite(self.net, self.front(), out, **{**given, **changes})  # type: ignore[arg-type]


def train() -> Trained:
    """On 32 images that are labelled by their colours."""
    # Dilated as networks of before 2026-11-29 are: on it a channel that is stretched costs integers several percent, on
    # every processor that was tried. The one that is dilated as now bears most of it.
    net = supernet("segmentation", "depth", dilates_first=True).train()
    data = ExportData(Waves(net.tasks, 48), Waves(net.tasks, 16, seed=1), "test")
    batch = collate([data.train[index] for index in range(32)], net.tasks)
    images = normalize(batch.images, net.architecture)
    optimizer = torch.optim.Adam(net.parameters(), 5e-3)
    for step in range(STEPS):
        part = slice(8 * (step % 4), 8 * (step % 4) + 8)
        optimizer.zero_grad()
        for config in (net.space.widest, net.space.narrowest):
            outputs = net(images[part], config)
            sum(loss(t, outputs[t.name], batch.targets[t.name][part]) for t in net.tasks).backward()  # type: ignore[union-attr]
        optimizer.step()
    return Trained(net.eval(), data)
