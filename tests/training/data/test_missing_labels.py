"""Samples with only some tasks labelled: losses, metrics and steps pass over what is not known."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from pliant.models.losses import loss
from pliant.models.metrics import Metric
from pliant.runtime.format.tasks import KINDS, Kind, Task
from pliant.training.data import Sample
from pliant.training.data.batches import collate
from pliant.training.layout import Inputs
from pliant.training.optimization.step import train_step

from ..tiny import tiny_recipe, tiny_supernet
from .made import SIZE, image, target_of, task_of


def logits_of(task: Task, count: int) -> torch.Tensor:
    shape = (count, task.channels) if task.kind == "classification" else (count, task.channels, *SIZE)
    return torch.randn(shape, generator=torch.Generator().manual_seed(0)).requires_grad_()


@pytest.mark.parametrize("kind", KINDS)
def test_a_batch_without_a_label_has_no_loss_and_no_gradient(kind: Kind) -> None:
    task = task_of(kind)
    batch = collate([Sample(image(), {})] * 3, (task,))
    logits = logits_of(task, 3)
    value = loss(task, logits, batch.targets[kind])
    value.backward()
    assert value.item() == 0.0
    assert logits.grad is not None
    assert torch.count_nonzero(logits.grad) == 0


@pytest.mark.parametrize("kind", KINDS)
def test_samples_without_a_label_change_nothing_for_those_with_one(kind: Kind) -> None:
    task = task_of(kind)
    bare, labelled = Sample(image(), {}), Sample(image(), {kind: target_of(kind)})
    mixed, alone = collate([bare, labelled, bare], (task,)), collate([labelled], (task,))
    logits = logits_of(task, 3)
    value = loss(task, logits, mixed.targets[kind])
    value.backward()
    expected = loss(task, logits[1:2], alone.targets[kind])
    assert value.item() > 0.0
    assert value.item() == pytest.approx(expected.item(), rel=1e-5)
    assert logits.grad is not None
    assert torch.count_nonzero(logits.grad[[0, 2]]) == 0
    assert torch.count_nonzero(logits.grad[1]) > 0


@pytest.mark.parametrize("kind", KINDS)
def test_metrics_skip_what_has_no_label(kind: Kind) -> None:
    task = task_of(kind)
    bare, labelled = Sample(image(), {}), Sample(image(), {kind: target_of(kind)})
    shapes = {"classification": (3, 3), "normals": (3, *SIZE, 3)}
    outputs = np.random.default_rng(0).uniform(0.1, 1, shapes.get(kind, (3, *SIZE)))
    outputs = outputs.astype(np.uint8) if kind == "segmentation" else outputs
    both, alone, none = Metric(task), Metric(task), Metric(task)
    both.update(outputs, collate([bare, labelled, bare], (task,)).targets[kind].numpy())
    alone.update(outputs[1:2], collate([labelled], (task,)).targets[kind].numpy())
    none.update(outputs, collate([bare] * 3, (task,)).targets[kind].numpy())
    assert both.value() == alone.value()
    assert math.isfinite(both.value())
    assert math.isnan(none.value())


def test_a_step_without_labels_of_a_task_leaves_its_decoder_where_it_is() -> None:
    supernet = tiny_supernet()
    space = supernet.space
    images = torch.randn(2, 3, 32, 48, generator=torch.Generator().manual_seed(0))
    targets = {"segmentation": torch.zeros(2, 32, 48, dtype=torch.int64), "depth": torch.zeros(2, 32, 48)}
    before = {name: value.detach().clone() for name, value in supernet.named_parameters()}
    optimizer = torch.optim.SGD(supernet.parameters(), lr=0.1)
    recipe = tiny_recipe("training.soft_labels.weight=0").training
    losses = train_step(supernet, optimizer, Inputs(images, targets), [space.widest, space.narrowest], recipe, 0)
    assert losses.tasks["depth"] == 0.0
    assert losses.tasks["segmentation"] > 0.0
    moved = {name for name, value in supernet.named_parameters() if not torch.equal(value, before[name])}
    assert any("decoders.segmentation" in name for name in moved)
    assert not any("decoders.depth" in name for name in moved)
