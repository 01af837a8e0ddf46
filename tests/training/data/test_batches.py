"""Batches: stateless order, labels that follow the augmentation, fill values."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pliant.devices.errors import DataError
from pliant.runtime.format.tasks import Task
from pliant.training.data.augment import Augment, augmented, flipped, shifted, zoomed
from pliant.training.data.batches import Batch, batches_per_epoch, collate, epoch_batches
from pliant.training.data.resize import resize_image, resize_target
from pliant.training.data.sample import IGNORED, Sample
from pliant.training.data.scenes import TASKS
from pliant.training.data.scenes.picture import Picture, picture

Array = npt.NDArray[Any]
KINDS = {task.name: task.kind for task in TASKS}
SIZE = (56, 72)
SMALL = Task("animal", "classification", ("cat", "dog"))


@dataclass
class Listed:
    """Samples in a list, that counts what is read."""

    samples: list[Sample]
    tasks: tuple[Task, ...]
    name: str = "listed"
    reads: int = 0

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> Sample:
        self.reads += 1
        return self.samples[index]


@pytest.fixture(scope="module")
def pictures() -> list[Picture]:
    return [picture(0, index, SIZE, "train") for index in range(10)]


@pytest.fixture
def scenes(pictures: list[Picture]) -> Listed:
    return Listed([shown.sample for shown in pictures], TASKS)


def equal(one: Batch, other: Batch) -> bool:
    return torch.equal(one.images, other.images) and all(torch.equal(one.targets[n], other.targets[n]) for n in KINDS)


def same_sample(one: Sample, other: Sample) -> bool:
    return np.array_equal(one.image, other.image) and all(
        np.array_equal(one.targets[name], other.targets[name]) for name in one.targets
    )


def test_an_epoch_resumes_at_any_step_with_the_identical_rest(scenes: Listed) -> None:
    whole = list(epoch_batches(scenes, 3, 5, 1))
    assert len(whole) == batches_per_epoch(scenes, 3) == 3
    for start in range(4):
        rest = list(epoch_batches(scenes, 3, 5, 1, start=start))
        assert len(rest) == 3 - start
        assert all(equal(a, b) for a, b in zip(whole[start:], rest, strict=True))


def test_what_is_skipped_is_not_read(scenes: Listed) -> None:
    scenes.reads = 0
    batches = epoch_batches(scenes, 3, 5, 1, Augment(), start=2)
    assert scenes.reads == 0
    next(batches)
    assert scenes.reads == 3


def test_epochs_and_seeds_differ_and_each_visits_every_sample_once(scenes: Listed) -> None:
    runs = {key: next(epoch_batches(scenes, 10, *key, augment=False)) for key in [(0, 0), (0, 1), (1, 0), (1, 1)]}
    means = {key: tuple(batch.images.float().mean((1, 2, 3)).tolist()) for key, batch in runs.items()}
    assert len(set(means.values())) == 4
    assert len({tuple(sorted(values)) for values in means.values()}) == 1


def test_the_same_sample_changes_differently_each_epoch(scenes: Listed) -> None:
    one = Listed(scenes.samples[:1], TASKS)
    images = [next(epoch_batches(one, 4, 0, epoch)).images for epoch in range(4)]
    assert all(not torch.equal(a, b) for n, a in enumerate(images) for b in images[:n])


def test_unlabelled_tasks_hold_the_ignore_value(pictures: list[Picture]) -> None:
    bare = Sample(pictures[0].sample.image, {})
    batch = collate([pictures[1].sample, bare], (*TASKS, SMALL))
    types = {name: values.dtype for name, values in batch.targets.items()}
    assert types == {
        "segmentation": torch.int64,
        "depth": torch.float32,
        "normals": torch.float32,
        "edges": torch.float32,
        "animal": torch.int64,
    }
    for task in (*TASKS, SMALL):
        target = batch.targets[task.name]
        assert target.is_contiguous()
        assert (target[1] == IGNORED[task.kind]).all()
    assert batch.targets["animal"].tolist() == [-1, -1]
    assert batch.images.is_contiguous()
    assert batch.images.dtype == torch.uint8
    for task in TASKS:
        assert np.array_equal(batch.targets[task.name][0].numpy(), pictures[1].sample.targets[task.name])


def test_flipping_twice_is_the_identity(pictures: list[Picture]) -> None:
    for shown in pictures:
        once = flipped(shown.sample, KINDS)
        assert not np.array_equal(once.image, shown.sample.image)
        assert same_sample(flipped(once, KINDS), shown.sample)


def normals_from_depth(depth: Array, focal: float) -> Array:
    """Normals by the cross product of neighbouring points, inside the image."""
    height, width = depth.shape
    rows, columns = np.indices(depth.shape)
    x, y = (columns - (width - 1) / 2) / focal, (rows - (height - 1) / 2) / focal
    points = np.stack([x, y, np.ones_like(x)], -1) * depth[..., None]
    across, down = points[1:-1, 2:] - points[1:-1, :-2], points[2:, 1:-1] - points[:-2, 1:-1]
    normal = np.cross(down, across)
    return np.asarray(normal / np.maximum(np.linalg.norm(normal, axis=-1, keepdims=True), 1e-12))


def agreement(sample: Sample, focal: float) -> Array:
    """Cosines between stored normals and those of the depth, away from edges."""
    depth, normals = sample.targets["depth"], sample.targets["normals"]
    edges = np.pad(sample.targets["edges"], 1)
    around = [np.roll(edges, (i, j), (0, 1)) for i in (-1, 0, 1) for j in (-1, 0, 1)]
    near = np.max(around, axis=0)[1:-1, 1:-1]
    calm = ((near == 0) & (depth > 0))[1:-1, 1:-1]
    return np.asarray((normals_from_depth(depth, focal) * normals[1:-1, 1:-1]).sum(-1)[calm])


def test_normals_agree_with_those_of_the_depth_flipped_or_not(pictures: list[Picture]) -> None:
    for shown in pictures:
        focal = shown.scene.camera.focal * SIZE[1]
        for sample in (shown.sample, flipped(shown.sample, KINDS)):
            assert np.median(agreement(sample, focal)) > 0.999


def test_a_flip_without_the_sign_would_be_noticed(pictures: list[Picture]) -> None:
    shown = pictures[0]
    wrong = flipped(shown.sample, KINDS)
    wrong.targets["normals"][..., 0] *= -1
    wrong_cosines = agreement(wrong, shown.scene.camera.focal * SIZE[1])
    right = agreement(flipped(shown.sample, KINDS), shown.scene.camera.focal * SIZE[1])
    assert np.mean(wrong_cosines > 0.99) < np.mean(right > 0.99) - 0.1


@settings(max_examples=20, deadline=None)
@given(
    zoom=st.floats(1.0, 2.0),
    down=st.floats(0.0, 1.0),
    across=st.floats(0.0, 1.0),
)
def test_zoom_keeps_labels_on_their_pixels_and_brings_depth_nearer(zoom: float, down: float, across: float) -> None:
    height, width = 40, 60
    rows, columns = np.indices((height, width))
    image = np.stack([rows * 4, columns * 4, rows * 0], -1).astype(np.uint8)
    depth = (rows * 100 + columns + 1).astype(np.float32)
    changed = zoomed(Sample(image, {"depth": depth}), {"depth": "depth"}, zoom, (down, across))
    source = np.rint(changed.targets["depth"] * zoom).astype(int) - 1
    assert np.abs(changed.image[..., 0] / 4.0 - source // 100).max() <= 1.0
    assert np.abs(changed.image[..., 1] / 4.0 - source % 100).max() <= 1.0
    assert len(np.unique(source // 100)) <= int(height / zoom) + 2


def test_shift_leaves_new_pixels_unlabelled(pictures: list[Picture]) -> None:
    sample = pictures[0].sample
    moved = shifted(sample, KINDS, 0.5, (0.999, 0.0))
    down, across = SIZE[0] // 4, SIZE[1] // 4
    assert not moved.image[:down].any()
    assert (moved.targets["segmentation"][:down] == 255).all()
    assert np.array_equal(moved.image[down:, :-across], sample.image[:-down, across:])
    assert np.array_equal(moved.targets["depth"][down:, :-across], sample.targets["depth"][:-down, across:])


def test_small_images_are_shifted_and_mirrored_only() -> None:
    image = np.arange(32 * 32 * 3, dtype=np.uint32).reshape(32, 32, 3).astype(np.uint8)
    data = Listed([Sample(image, {"animal": np.array(1)})], (SMALL,))
    known = {value.tobytes() for value in image.reshape(-1, 3)}
    shapes = set()
    for epoch in range(12):
        batch = next(epoch_batches(data, 1, 0, epoch))
        pixels = batch.images[0].numpy()
        assert {p.tobytes() for p in pixels.reshape(-1, 3)} <= known | {b"\0\0\0"}
        assert batch.targets["animal"].tolist() == [1]
        shapes.add(pixels.tobytes())
    assert len(shapes) > 6


def test_colour_changes_leave_the_labels(pictures: list[Picture]) -> None:
    sample = pictures[0].sample
    changed = augmented(sample, KINDS, Augment(flip=False, crop=0.0, jitter=0.5), np.random.default_rng(0))
    assert not np.array_equal(changed.image, sample.image)
    assert all(np.array_equal(changed.targets[name], sample.targets[name]) for name in KINDS)
    off = augmented(sample, KINDS, Augment(flip=False, crop=0.0, jitter=0.0), np.random.default_rng(0))
    assert same_sample(off, sample)


def test_resizing_invents_no_labels_and_keeps_thin_edges() -> None:
    classes = np.zeros((40, 40), dtype=np.uint8)
    classes[:, 13:] = 5
    edge = np.zeros((40, 40), dtype=np.uint8)
    edge[:, 13] = 1
    assert set(np.unique(resize_target(classes, "segmentation", (13, 17)))) == {0, 5}
    assert resize_target(edge, "edges", (10, 10)).sum(1).tolist() == [1] * 10
    assert resize_target(edge, "edges", (80, 80)).shape == (80, 80)
    assert resize_image(np.full((40, 40, 3), 7, np.uint8), (10, 20)).shape == (10, 20, 3)


def test_what_cannot_be_batched_is_refused(pictures: list[Picture], scenes: Listed) -> None:
    sample = pictures[0].sample
    with pytest.raises(DataError, match="at least one"):
        collate([], TASKS)
    with pytest.raises(DataError, match="open the data with `size`"):
        collate([sample, Sample(sample.image[:20], {})], TASKS)
    with pytest.raises(DataError, match="'depth' has the shape"):
        collate([Sample(sample.image, {"depth": sample.targets["depth"][:5]})], TASKS)
    with pytest.raises(DataError, match="positive"):
        epoch_batches(scenes, 0, 0, 0)


def test_a_data_set_smaller_than_a_batch_is_one_batch(scenes: Listed) -> None:
    assert [len(batch) for batch in epoch_batches(scenes, 64, 0, 0)] == [10]
