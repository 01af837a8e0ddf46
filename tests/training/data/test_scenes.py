"""The renderer: the same everywhere, and labels that are geometry rather than approximation."""

import hashlib
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pliant.devices.errors import DataError
from pliant.training.data.sample import Sample
from pliant.training.data.scenes import CLASSES, TASKS, render
from pliant.training.data.scenes.draw import Draw
from pliant.training.data.scenes.picture import FARTHEST, Picture, boundaries, picture
from pliant.training.data.scenes.scene import BACKGROUND, BOX, FLOOR, SPHERE, WALL
from pliant.training.data.scenes.shapes import Box, Sphere
from pliant.training.data.scenes.vectors import Array, dot, rotation

SIZE = (48, 64)
# Renders by this version of the renderer, on any platform: a change means a new VERSION.
GOLDEN = "74d0de8ef0424ea9c7164e819077cfed79df8bcc46fe34bd5b95b65e682b6c5f"


def digest(sample: Sample) -> str:
    whole = hashlib.sha256(sample.image.tobytes())
    for name in sorted(sample.targets):
        whole.update(sample.targets[name].tobytes())
    return whole.hexdigest()


def camera_points(picture: Picture) -> Array:
    """Points (H,W,3) in the camera's frame from depth alone, by the pinhole formula."""
    depth = picture.sample.targets["depth"]
    height, width = depth.shape
    focal = picture.scene.camera.focal * width
    rows, columns = np.indices(depth.shape)
    x, y = (columns - (width - 1) / 2) / focal, (rows - (height - 1) / 2) / focal
    return np.stack([x, y, np.ones_like(x)], -1) * depth[..., None]


def test_a_picture_is_the_same_today_as_when_its_version_was_made() -> None:
    assert digest(render(3, 5, SIZE, "train")) == GOLDEN


def test_another_process_renders_the_same_in_any_order() -> None:
    code = (
        "import hashlib\n"
        "from pliant.training.data.scenes import render\n"
        "for i in (4, 0, 2):\n"
        f"    s = render(9, i, {SIZE}, 'validation')\n"
        "    h = hashlib.sha256(s.image.tobytes())\n"
        "    [h.update(s.targets[n].tobytes()) for n in sorted(s.targets)]\n"
        "    print(h.hexdigest())\n"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.split() == [digest(render(9, i, SIZE, "validation")) for i in (4, 0, 2)]


def test_seed_split_and_index_each_change_the_picture() -> None:
    keys = [(0, 0, "train"), (1, 0, "train"), (0, 1, "train"), (0, 0, "test")]
    assert len({digest(render(seed, index, SIZE, split)) for seed, index, split in keys}) == 4


def test_targets_have_the_encodings_of_the_task_table() -> None:
    sample = render(0, 1, (33, 47), "train")
    shapes = {name: (values.shape, values.dtype.name) for name, values in sample.targets.items()}
    assert sample.image.shape == (33, 47, 3)
    assert sample.image.dtype == np.uint8
    assert shapes == {
        "segmentation": ((33, 47), "uint8"),
        "depth": ((33, 47), "float32"),
        "normals": ((33, 47, 3), "float32"),
        "edges": ((33, 47), "uint8"),
    }
    assert {task.name for task in TASKS} == set(shapes)


def test_fifty_pictures_hold_every_class_and_are_neither_dark_nor_flat() -> None:
    pictures = [render(0, index, SIZE, "train") for index in range(50)]
    shares = np.bincount(np.concatenate([p.targets["segmentation"].ravel() for p in pictures]), minlength=len(CLASSES))
    assert shares.size == len(CLASSES)
    assert (shares / shares.sum()).min() > 0.02
    brightness = np.array([p.image.mean() for p in pictures])
    assert brightness.min() > 60
    assert brightness.max() < 215
    assert min(p.image.std() for p in pictures) > 8


def test_no_colour_belongs_to_a_class() -> None:
    """The mean colours of the solids overlap: a net must look at shapes."""
    means: dict[int, list[Array]] = {label: [] for label in (BOX, SPHERE)}
    for index in range(40):
        sample = render(2, index, SIZE, "train")
        for label, found in means.items():
            where = sample.targets["segmentation"] == label
            if where.sum() > 20:
                found.append(sample.image[where].mean(0))
    spread = {label: np.std(found, axis=0) for label, found in means.items()}
    centres = {label: np.mean(found, axis=0) for label, found in means.items()}
    for one in means:
        for other in means:
            assert (np.abs(centres[one] - centres[other]) < spread[one]).all()


@settings(max_examples=12, deadline=None)
@given(index=st.integers(0, 10_000))
def test_normals_are_unit_vectors_towards_the_camera(index: int) -> None:
    shown = picture(1, index, SIZE, "train")
    normals, known = shown.sample.targets["normals"], shown.instance != 0
    assert np.abs(np.linalg.norm(normals[known], axis=-1) - 1).max() < 1e-5
    assert not normals[~known].any()
    # Towards the camera: against the ray through the pixel.
    depth = shown.sample.targets["depth"]
    measured = known & (depth > 0)
    toward = (camera_points(shown)[measured] * normals[measured]).sum(-1)
    assert toward.max() < 1e-3


@settings(max_examples=12, deadline=None)
@given(index=st.integers(0, 10_000))
def test_the_floor_is_where_the_camera_height_puts_it(index: int) -> None:
    """Depth and normals of the floor against the analytic plane, from depth and pinhole alone."""
    shown = picture(1, index, SIZE, "train")
    targets, camera = shown.sample.targets, shown.scene.camera
    floor = (targets["segmentation"] == FLOOR) & (targets["depth"] > 0)
    up = -camera.turn.T[:, 1].astype(np.float64)
    assert np.abs(targets["normals"][floor] - up).max() < 1e-6
    height = -(camera_points(shown)[floor] @ up)
    assert np.abs(height + camera.position[1]).max() < 2e-4 * FARTHEST


@settings(max_examples=12, deadline=None)
@given(index=st.integers(0, 10_000))
def test_points_of_one_wall_lie_in_one_plane(index: int) -> None:
    shown = picture(4, index, SIZE, "train")
    targets = shown.sample.targets
    normals = targets["normals"].round(3)
    wall = (targets["segmentation"] == WALL) & (targets["depth"] > 0)
    points = camera_points(shown)
    for normal in np.unique(normals[wall].reshape(-1, 3), axis=0):
        for instance in np.unique(shown.instance[wall]):
            same = wall & (normals == normal).all(-1) & (shown.instance == instance)
            exact = targets["normals"][same].astype(np.float64)
            offsets = (points[same] * exact).sum(-1)
            # A room has two walls of opposite normals, but only one of each direction.
            assert same.sum() < 2 or np.ptp(offsets) < 5e-3


@settings(max_examples=12, deadline=None)
@given(index=st.integers(0, 10_000))
def test_spheres_are_round(index: int) -> None:
    """Every point of a sphere is its centre plus radius times normal."""
    shown = picture(5, index, SIZE, "train")
    points, camera = camera_points(shown), shown.scene.camera
    for number, thing in enumerate(shown.scene.things, 3):
        seen = shown.instance == number
        if isinstance(thing.shape, Sphere) and seen.any():
            center = camera.turn.T @ (np.array(thing.shape.center) - camera.position)
            surface = center + thing.shape.radius * shown.sample.targets["normals"][seen]
            assert np.abs(points[seen] - surface).max() < 2e-3


@settings(max_examples=10, deadline=None)
@given(index=st.integers(0, 10_000))
def test_edges_are_exactly_where_the_instance_changes(index: int) -> None:
    shown = picture(6, index, SIZE, "train")
    ids, edges = shown.instance.astype(int), shown.sample.targets["edges"]
    padded = np.pad(ids, 1, mode="edge")
    neighbours = (padded[:-2, 1:-1], padded[2:, 1:-1], padded[1:-1, :-2], padded[1:-1, 2:])
    expected = np.any([near != ids for near in neighbours], axis=0)
    assert (edges == expected).all()
    labels = shown.sample.targets["segmentation"]
    assert edges[:, 1:][labels[:, 1:] != labels[:, :-1]].all()


def test_boundaries_are_two_pixels_wide() -> None:
    ids = np.zeros((4, 6), dtype=np.uint8)
    ids[:, 3:] = 7
    assert boundaries(ids).tolist() == [[0, 0, 1, 1, 0, 0]] * 4


def test_depth_is_unmeasured_only_for_the_sky_and_beyond_the_range() -> None:
    far = 0
    for index in range(12):
        shown = picture(0, index, SIZE, "train")
        depth, labels = shown.sample.targets["depth"], shown.sample.targets["segmentation"]
        assert not depth[labels == BACKGROUND].any()
        assert depth.max() <= FARTHEST
        assert depth[depth > 0].min() > 0.3
        near = labels[depth == 0]
        assert np.isin(near, (BACKGROUND, FLOOR, WALL)).all()
        far += int((near == BACKGROUND).sum())
    assert far > 0


@pytest.mark.parametrize(
    "shape",
    [
        Sphere((0.3, -0.4, 3.0), 0.5),
        Box((0.3, -0.4, 3.0), (0.5, 0.3, 0.2), rotation(1, 0.4)),
    ],
)
def test_intervals_agree_with_marching(shape: Sphere | Box) -> None:
    """Where rays are inside a solid, by stepping along them with the solid's own local frame."""
    draw = Draw(1, 2)
    direction = np.array([(*draw.triple(-0.25, 0.25)[:2], 1.0) for _ in range(64)], dtype=np.float32).T
    origin = np.array([[0.0], [-0.4], [0.0]], dtype=np.float32)
    near, far = shape.interval(origin, direction)
    steps = np.linspace(1.5, 4.5, 601, dtype=np.float32)
    inside = np.stack([_inside(shape, shape.local(origin + direction * t)) for t in steps])
    by_interval = (steps[:, None] >= near) & (steps[:, None] <= far)
    assert (inside != by_interval).sum(0).max() <= 2
    assert inside.any(0).sum() > 5
    hit = near <= far
    surface = origin + direction[:, hit] * near[hit]
    normal = shape.normal(surface)
    assert np.abs(dot(normal, normal) - 1).max() < 1e-5
    assert dot(normal, direction[:, hit]).max() < 1e-3


def _inside(shape: Sphere | Box, local: Array) -> Array:
    if isinstance(shape, Sphere):
        return np.asarray(dot(local, local) <= shape.radius**2)
    return np.asarray((np.abs(local) <= np.array(shape.half).reshape(3, 1)).all(0))


@pytest.mark.parametrize(("size", "split"), [((4, 64), "train"), ((48, 9000), "train"), ((48, 64), "trian")])
def test_what_cannot_be_rendered_is_refused(size: tuple[int, int], split: str) -> None:
    with pytest.raises(DataError, match="choose"):
        render(0, 0, size, split)


def test_draws_stay_within_their_bounds() -> None:
    draw = Draw(0)
    assert all(2.0 <= draw.uniform(2.0, 3.0) < 3.0 for _ in range(500))
    assert {draw.integer(1, 4) for _ in range(500)} == {1, 2, 3, 4}
    assert abs(np.mean([draw.chance(0.3) for _ in range(3000)]) - 0.3) < 0.04
    assert abs(draw.octets(20_001).mean() - 127.5) < 3
