"""Soft labels pull each kind of output to the teacher's, and count where they should."""

from __future__ import annotations

from typing import Literal

import pytest
import torch

from pliant.runtime.format.tasks import Kind, Task
from pliant.training.distillation.soft_labels import counted, soft_label_loss, soft_target
from pliant.training.recipe.training import SoftLabels

from ..tiny import DEPTH, SEGMENTATION

SHAPE = (3, 4, 5)
NORMALS, EDGES = Task("normals", "normals"), Task("edges", "edges")
CLASSES = Task("classes", "classification", ("cat", "dog", "cow"))
TASKS = {task.kind: task for task in (SEGMENTATION, DEPTH, NORMALS, EDGES, CLASSES)}
KINDS = list(TASKS)


def _scores(kind: Kind, seed: int) -> torch.Tensor:
    shape = (3, TASKS[kind].channels) if kind == "classification" else (3, TASKS[kind].channels, *SHAPE[1:])
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def _target(kind: Kind, known: bool = True) -> torch.Tensor:
    """Labels everywhere, or nowhere."""
    if kind == "normals":
        return torch.full((*SHAPE, 3), 0.6 if known else 0.0)
    if kind == "depth":
        return torch.full(SHAPE, 2.0 if known else 0.0)
    if kind == "classification":
        return torch.full((3,), 1 if known else -1)
    return torch.full(SHAPE, 1 if known else 255)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("divergence", ["kl", "alpha"])
def test_a_step_downhill_comes_nearer_and_the_teacher_stays(kind: Kind, divergence: Literal["kl", "alpha"]) -> None:
    recipe = SoftLabels(divergence=divergence)
    student, teacher = _scores(kind, 0).requires_grad_(), _scores(kind, 1).requires_grad_()
    said = soft_target(TASKS[kind], teacher, _target(kind), recipe)

    def distance(of: torch.Tensor) -> torch.Tensor:
        return soft_label_loss(TASKS[kind], of, said, recipe)

    before = distance(student)
    before.backward()
    assert teacher.grad is None
    assert student.grad is not None
    assert before.item() > 0
    assert float(distance(student.detach() - 0.01 * student.grad)) < before.item()
    assert distance(teacher).item() == pytest.approx(0.0, abs=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_pixels_without_a_label_do_not_count_images_without_any_do(kind: Kind) -> None:
    target = _target(kind)
    if kind == "classification":
        target[0] = -1
        assert counted(TASKS[kind], target).tolist() == [True] * 3
        return
    target[0, 1, 2] = _target(kind, known=False)[0, 1, 2]
    target[1] = _target(kind, known=False)[1]
    counts = counted(TASKS[kind], target)
    assert int((~counts).sum()) == 1
    assert not bool(counts[0, 1, 2])
    student, teacher = _scores(kind, 0), _scores(kind, 1)
    changed = student.clone()
    changed[0, :, 1, 2] += 7.0
    recipe = SoftLabels()
    said = soft_target(TASKS[kind], teacher, target, recipe)
    one, other = (soft_label_loss(TASKS[kind], each, said, recipe) for each in (student, changed))
    assert torch.equal(one, other)
    changed[1, :, 1, 2] += torch.arange(1.0, 1.0 + changed.shape[1])
    assert not torch.equal(one, soft_label_loss(TASKS[kind], changed, said, recipe))


def test_edges_are_two_classes_and_depth_is_compared_in_logs() -> None:
    student, teacher = _scores("edges", 0), _scores("edges", 1)
    p, q = teacher[:, 0].sigmoid(), student[:, 0].sigmoid()
    expected = (p * (p / q).log() + (1 - p) * ((1 - p) / (1 - q)).log()).mean()
    found = soft_label_loss(EDGES, student, soft_target(EDGES, teacher, _target("edges"), SoftLabels()), SoftLabels())
    assert float(found) == pytest.approx(float(expected), abs=1e-6)
    low, high = torch.tensor(DEPTH.value_range).log()
    expected = 0.25 * (high - low) * (student[:, 0] - teacher[:, 0]).abs().mean()
    found = soft_label_loss(DEPTH, student, soft_target(DEPTH, teacher, _target("depth"), SoftLabels()), SoftLabels())
    assert float(found) == pytest.approx(float(expected), abs=1e-6)
