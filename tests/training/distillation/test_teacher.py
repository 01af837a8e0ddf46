"""A teacher is nowhere narrower than its student."""

from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pliant.models.decode import log_depth
from pliant.models.space import SubnetConfig
from pliant.training.distillation.teacher import Teacher, teacher_of
from pliant.training.recipe.training import SoftLabels

from ...models.making import configs
from ..tiny import DEPTH, SEGMENTATION, SPACE


def _teacher(config: SubnetConfig) -> Teacher:
    return Teacher(config, [], {})


@settings(max_examples=200)
@given(st.lists(configs(SPACE), max_size=4), configs(SPACE), st.sampled_from([None, *SPACE.tasks]))
def test_the_last_that_is_wide_enough_teaches(
    others: list[SubnetConfig], student: SubnetConfig, task: str | None
) -> None:
    earlier = [_teacher(config) for config in (SPACE.widest, *others)]
    teacher = teacher_of(earlier, student, task)
    assert teacher is not None
    groups = [f"encoder.{stage}" for stage in range(SPACE.stages)] + ([f"decoder.{task}"] if task else [])
    assert all(teacher.config.width(group) >= student.width(group) for group in groups)
    place = next(index for index, each in enumerate(earlier) if each is teacher)
    for later in earlier[place + 1 :]:
        assert any(later.config.width(group) < student.width(group) for group in groups)


def test_the_first_and_one_that_nobody_covers_have_none() -> None:
    assert teacher_of([], SPACE.widest) is None
    assert teacher_of([_teacher(SPACE.narrowest)], SPACE.widest) is None


def test_a_narrower_decoder_teaches_features_but_not_its_task() -> None:
    middle = SubnetConfig((1.0,) * 4, (("depth", 0.25), ("segmentation", 1.0)))
    student = SubnetConfig((0.5,) * 4, (("depth", 1.0), ("segmentation", 1.0)))
    earlier = [_teacher(SPACE.widest), _teacher(middle)]
    found = [teacher_of(earlier, student, task) for task in (None, "segmentation", "depth")]
    assert [earlier.index(teacher) for teacher in found if teacher is not None] == [1, 1, 0]


def test_what_a_teacher_says_is_made_ready_once_and_only_where_it_is_asked() -> None:
    outputs = {DEPTH.name: torch.randn(1, 1, 4, 5), SEGMENTATION.name: torch.randn(1, 3, 4, 5)}
    teacher = Teacher(SPACE.widest, [], outputs)
    first, again = (teacher.says(DEPTH, torch.ones(1, 4, 5), SoftLabels()) for _ in range(2))
    assert first is again
    assert torch.equal(first.said, log_depth(DEPTH, outputs[DEPTH.name]))
