"""What stored numbers mean."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from pliant.training.data.decode import boundaries, class_ids, edge_map, metres, unit_vectors

Array = npt.NDArray[Any]
PLANE = arrays.array_shapes(min_dims=2, max_dims=2, max_side=6)


@given(st.data(), st.integers(1, 200), st.integers(0, 20))
def test_classes_are_numbered_from_zero(data: st.DataObject, classes: int, first: int) -> None:
    stored = data.draw(arrays.arrays(np.uint8, PLANE, elements=st.integers(first, first + classes - 1)))
    for kind in (np.uint8, np.int32, np.float64):
        ids = class_ids(stored.astype(kind), classes, first, ignore=())
        assert ids.dtype == np.uint8
        assert np.array_equal(ids, stored - first)


def test_classes_that_are_ignored_or_are_none() -> None:
    stored = np.array([[1, 3, 0, 255]])
    assert class_ids(stored, 3, 1, (0, 255)).tolist() == [[0, 2, 255, 255]]
    for ignore, said in (((0,), "class 255, but classes are 1 to 3"), ((255,), "class 0, ")):
        with pytest.raises(ValueError, match=said):
            class_ids(stored, 3, 1, ignore)
    with pytest.raises(ValueError, match="fractions"):
        class_ids(np.array([[0.5]]), 3)
    with pytest.raises(ValueError, match="a colour picture"):
        class_ids(np.zeros((4, 4, 3), np.uint8), 3)


@given(arrays.arrays(np.float32, PLANE, elements=st.floats(-10, 900, width=32)))
def test_depth_is_metres_or_nothing(stored: Array) -> None:
    depth = metres(stored)
    assert np.array_equal(depth > 0, stored > 0)
    assert np.array_equal(depth[depth > 0], stored[stored > 0])
    assert metres(np.where(stored > 0, np.float32(np.nan), np.float32(-1))).max(initial=0.0) == 0


def test_depth_has_a_unit() -> None:
    assert metres(np.array([[1500, 0, 65535]], np.uint16), 0.001, (65535,)) == pytest.approx(
        np.array([[1.5, 0.0, 0.0]])
    )
    with pytest.raises(ValueError, match="up to 1500 metres: say what unit"):
        metres(np.array([[1500]], np.uint16))
    with pytest.raises(ValueError, match="up to 65535 metres: say what unit"):
        metres(np.array([[1500, 65535]], np.uint16))


def test_the_largest_number_of_a_type_is_told_from_a_wrong_unit() -> None:
    # As millimetres that would be four thousand kilometres, and no unit would mend it.
    for end, kind, scale in ((65535, np.uint16, 1.0), (2**32 - 1, np.uint32, 0.001), (2**31 - 1, np.int32, 0.001)):
        with pytest.raises(ValueError, match=rf"holds {end}, which would be \d+ metres: say ignore: \[{end}\]"):
            metres(np.array([[3, end]], kind), scale)
        assert metres(np.array([[3, end]], kind), scale, (end,)).tolist() == [[pytest.approx(3 * scale), 0.0]]


@given(arrays.arrays(np.float64, (3, 4, 3), elements=st.floats(-1, 1)))
def test_normals_are_of_length_one_or_nothing(drawn: Array) -> None:
    length = np.linalg.norm(drawn, axis=-1, keepdims=True)
    vectors = np.where(length > 0.3, drawn / np.maximum(length, 0.3), 0.0)
    coded = {
        1e-6: vectors,
        0.013: np.rint((vectors + 1) * 127.5).astype(np.uint8),
        0.02: np.rint(vectors * 127).astype(np.int8),
        1e-4: np.rint((vectors + 1) * 32767.5).astype(np.uint16),
    }
    for tolerance, stored in coded.items():
        found = unit_vectors(stored)
        assert np.abs(found - vectors).max() < tolerance
        lengths = np.linalg.norm(found, axis=-1)
        assert np.all((lengths == 0) | (np.abs(lengths - 1) < 1e-5))
    assert np.allclose(unit_vectors(vectors, "opengl"), vectors * (1, -1, -1), atol=1e-6)


def test_normals_that_are_none() -> None:
    with pytest.raises(ValueError, match=r"longer than 1\.5"):
        unit_vectors(np.full((2, 2, 3), 100.0))
    with pytest.raises(ValueError, match="not height x width x 3"):
        unit_vectors(np.zeros((2, 2)))
    with pytest.raises(ValueError, match=r"longer than 1\.5"):
        unit_vectors(np.ones((2, 2, 3)))
    with pytest.raises(ValueError, match=r"longer than 1\.5"):
        unit_vectors(np.full((2, 2, 3), 1e30))
    assert unit_vectors(np.full((1, 1, 3), np.nan)).tolist() == [[[0, 0, 0]]]


@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.int8, np.int16])
def test_colours_that_no_normal_has_are_none(kind: type[np.integer[Any]]) -> None:
    """Black and white, with the noise of JPEG, between two normals."""
    most, least = np.iinfo(kind).max, np.iinfo(kind).min
    near = most - (most - least) // 30
    far = least + (most - least) // 30
    middle = (most + least + 1) // 2
    stored = [[least] * 3, [far] * 3, [most, middle, middle], [most] * 3, [near] * 3, [middle, middle, least]]
    found = unit_vectors(np.array([stored], kind))[0]
    assert np.allclose(found, [(0,) * 3, (0,) * 3, (1, 0, 0), (0,) * 3, (0,) * 3, (0, 0, -1)], atol=0.01)


def test_edges_are_zero_or_one() -> None:
    assert edge_map(np.array([[0, 255, 100, 200]], np.uint8)).tolist() == [[0, 1, 0, 1]]
    assert edge_map(np.array([[0.0, 1.0, 0.4]])).tolist() == [[0, 1, 0]]
    assert edge_map(np.array([[0, 1, 7]], np.uint8), (7,)).tolist() == [[0, 1, 255]]
    assert edge_map(np.array([[True, False]])).tolist() == [[1, 0]]
    for wrong in (300.0, -1.0, np.nan):
        with pytest.raises(ValueError, match="outside 0 to 255"):
            edge_map(np.array([[wrong]]))


def test_edges_in_our_own_numbers_need_a_word_of_what_255_is() -> None:
    """Read as strengths, the void would be an edge and the edges none."""
    ours = np.array([[0, 1, 255]], np.uint8)
    for wrong in (ours, ours.astype(np.float64), ours[:, 1:]):
        with pytest.raises(ValueError, match=r"holds 0, 1 and 255: say ignore: \[255\]"):
            edge_map(wrong)
    assert edge_map(ours, (255,)).tolist() == [[0, 1, 255]]
    assert edge_map(np.array([[0, 1, 2, 254, 255]], np.uint8)).tolist() == [[0, 0, 0, 1, 1]]


def test_boundaries_are_one_pixel_wide() -> None:
    labels = np.array([[1, 1, 2], [1, 1, 2], [3, 3, 3]])
    assert boundaries(labels).tolist() == [[0, 1, 0], [1, 1, 1], [0, 0, 0]]
