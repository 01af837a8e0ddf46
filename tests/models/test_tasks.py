"""Losses, decoding and metrics agree on what a task is."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from pliant.models import Metric, decode, loss
from pliant.runtime.format.tasks import KINDS, Task

TASKS = {
    "segmentation": Task("s", "segmentation", ("a", "b", "c")),
    "depth": Task("d", "depth", value_range=(0.5, 8.0)),
    "normals": Task("n", "normals"),
    "edges": Task("e", "edges"),
    "classification": Task("c", "classification", ("x", "y", "z")),
}


def example(kind: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Raw output and a fully labelled target."""
    generator = torch.Generator().manual_seed(3)
    task = TASKS[kind]
    shape = (4, task.channels) if kind == "classification" else (4, task.channels, 6, 5)
    logits = torch.randn(shape, generator=generator)
    if kind == "segmentation":
        return logits, torch.randint(0, 3, (4, 6, 5), generator=generator)
    if kind == "classification":
        return logits, torch.randint(0, 3, (4,), generator=generator)
    if kind == "depth":
        return logits, torch.rand(4, 6, 5, generator=generator) * 5 + 1
    if kind == "edges":
        return logits, (torch.rand(4, 6, 5, generator=generator) > 0.7).float()
    return logits, torch.nn.functional.normalize(torch.randn(4, 6, 5, 3, generator=generator), dim=-1)


def unlabelled(kind: str, target: torch.Tensor) -> torch.Tensor:
    value = {"segmentation": 255, "edges": 255, "classification": -1}.get(kind, 0)
    return torch.full_like(target, value)


@pytest.mark.parametrize("kind", KINDS)
def test_descending_the_loss_reaches_a_good_metric(kind: str) -> None:
    task, (logits, target) = TASKS[kind], example(kind)
    logits = logits.requires_grad_()
    optimizer = torch.optim.Adam([logits], lr=0.1)
    first = loss(task, logits, target).item()
    for _ in range(150):
        optimizer.zero_grad()
        loss(task, logits, target).backward()
        optimizer.step()
    assert loss(task, logits, target).item() < 0.2 * first
    metric = Metric(task)
    metric.update(decode(task, logits.detach()).numpy(), target.numpy())
    good = {"segmentation": 0.99, "edges": 0.99, "classification": 0.99, "depth": 0.05, "normals": 3.0}[kind]
    assert metric.value() >= good if task.higher_is_better else metric.value() <= good


@pytest.mark.parametrize("kind", KINDS)
def test_unlabelled_batches_give_zero_loss_and_gradient(kind: str) -> None:
    task, (logits, target) = TASKS[kind], example(kind)
    logits = logits.requires_grad_()
    value = loss(task, logits, unlabelled(kind, target))
    value.backward()
    assert value.item() == 0.0
    assert logits.grad is not None
    assert not logits.grad.any()
    metric = Metric(task)
    metric.update(decode(task, logits.detach()).numpy(), unlabelled(kind, target).numpy())
    assert math.isnan(metric.value())


@pytest.mark.parametrize("kind", KINDS)
def test_ignored_pixels_change_nothing(kind: str) -> None:
    task, (logits, target) = TASKS[kind], example(kind)
    half = target.clone()
    half[2:] = unlabelled(kind, target)[2:]
    assert loss(task, logits, half).item() == pytest.approx(loss(task, logits[:2], target[:2]).item(), rel=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_metrics_do_not_depend_on_batches(kind: str) -> None:
    task, (logits, target) = TASKS[kind], example(kind)
    output = decode(task, logits).numpy()
    whole, parts = Metric(task), Metric(task)
    whole.update(output, target.numpy())
    for index in range(len(output)):
        parts.update(output[index : index + 1], target.numpy()[index : index + 1])
    assert parts.value() == pytest.approx(whole.value(), rel=1e-6)


def test_known_values() -> None:
    segmentation = Metric(TASKS["segmentation"])
    segmentation.update(np.array([[0, 0, 1, 1]], np.uint8), np.array([[0, 1, 1, 255]], np.uint8))
    assert segmentation.value() == pytest.approx((1 / 2 + 1 / 2) / 2)
    depth = Metric(TASKS["depth"])
    depth.update(np.array([2.0, 3.0, 9.0]), np.array([1.0, 3.0, 0.0]))
    assert depth.value() == pytest.approx(math.sqrt(0.5))
    normals = Metric(TASKS["normals"])
    normals.update(np.array([[0.0, 0.0, -1.0], [1.0, 0.0, 0.0]]), np.array([[0.0, 0.0, -1.0], [0.0, 2.0, 0.0]]))
    assert normals.value() == pytest.approx(45.0)
    edges = Metric(TASKS["edges"])
    edges.update(np.array([0.9, 0.8, 0.1, 0.1]), np.array([1, 0, 1, 255], np.uint8))
    assert edges.value() == pytest.approx(0.5)


def test_decoded_outputs_are_what_the_table_says() -> None:
    shapes = {"segmentation": (4, 6, 5), "depth": (4, 6, 5), "normals": (4, 6, 5, 3), "edges": (4, 6, 5)}
    for kind in KINDS:
        output = decode(TASKS[kind], example(kind)[0])
        assert tuple(output.shape) == shapes.get(kind, (4, 3))
        assert output.dtype == (torch.uint8 if kind == "segmentation" else torch.float32)
    depth = decode(TASKS["depth"], example("depth")[0] * 100)
    assert depth.min() >= 0.5 - 1e-5
    assert depth.max() <= 8.0 + 1e-4


def test_rare_edges_are_found_although_a_pixel_is_never_an_edge_for_sure() -> None:
    """One pixel in nine is an edge, and which cannot be told: the best F1 says edge everywhere."""
    target = torch.zeros(1, 30, 30)
    target[:, ::3, ::3] = 1
    logit = torch.zeros(1, 1, 1, 1, requires_grad=True)
    optimizer = torch.optim.Adam([logit], lr=0.05)
    for _ in range(400):
        optimizer.zero_grad()
        loss(TASKS["edges"], logit.expand(1, 1, 30, 30), target).backward()
        optimizer.step()
    assert torch.sigmoid(logit).item() > 0.2, "without the weight it would be 0.135"


def test_the_weight_of_edges_does_not_scale_the_loss() -> None:
    """At a probability of one half every pixel costs log 2, however rare edges are."""
    logits = torch.zeros(1, 1, 30, 30)
    for step in (2, 5, 15):
        target = torch.zeros(1, 30, 30)
        target[:, ::step, ::step] = 1
        share = float(target.mean())
        dice = 1 - (900 * share + 1) / (450 + 900 * share + 1)
        assert loss(TASKS["edges"], logits, target).item() == pytest.approx(math.log(2) + 0.5 * dice, rel=1e-5)


def test_rare_classes_weigh_by_the_root_of_their_rarity_and_tenfold_at_most() -> None:
    """Three classes of 100, 25 and 1 pixels weigh 1, 2 and 10; what is not labelled weighs nothing."""
    target = torch.tensor([0] * 100 + [1] * 25 + [2] + [255] * 9).view(1, 1, -1)
    logits = torch.randn(1, 3, 1, 135, generator=torch.Generator().manual_seed(0))
    each = torch.nn.functional.cross_entropy(logits[..., :126], target[..., :126], reduction="none").flatten()
    weights = torch.tensor([1.0] * 100 + [2.0] * 25 + [10.0])
    expected = float((each * weights).sum() / weights.sum())
    assert loss(TASKS["segmentation"], logits, target, rarity=True).item() == pytest.approx(expected, rel=1e-5)


def test_classes_that_are_as_frequent_are_trained_as_without_weights() -> None:
    target = (torch.arange(36) % 3).view(1, 6, 6)
    logits = torch.randn(1, 3, 6, 6, generator=torch.Generator().manual_seed(0))
    plain, weighed = (loss(TASKS["segmentation"], logits, target, rarity=rarity).item() for rarity in (False, True))
    assert weighed == pytest.approx(plain, rel=1e-6)
    nothing = loss(TASKS["segmentation"], logits.requires_grad_(), torch.full((1, 6, 6), 255), rarity=True)
    assert nothing.item() == 0
    nothing.backward()


def test_a_depth_far_out_of_range_still_has_a_gradient() -> None:
    logits = torch.tensor([-40.0, 40.0]).view(1, 1, 1, 2).requires_grad_()
    loss(TASKS["depth"], logits, torch.tensor([[[2.0, 2.0]]])).backward()
    assert logits.grad is not None
    below, above = logits.grad.flatten().tolist()
    assert below < -0.1, "it should rise"
    assert above > 0.1, "it should fall"
