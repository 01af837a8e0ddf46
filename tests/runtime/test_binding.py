"""`out=`: the answer of a plain call, written into arrays of the caller's; all others are refused untouched."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest
from PIL import Image

import pliant

from .making import images
from .network import HEIGHT, WIDTH


@pytest.mark.parametrize("count", [None, 1, 3])
@pytest.mark.parametrize("raw", [False, True])
def test_the_arrays_get_what_a_plain_call_returns(suite: pliant.Suite, count: int | None, raw: bool) -> None:
    given = images(1)[0] if count is None else images(count)
    with suite.load("s02-fp32", threads=1, raw=raw) as model:
        wanted = model(given)
        out = {task: np.full_like(array, 7) for task, array in wanted.items()}
        kept = dict(out)
        assert model(given, out=out) is out
        for task, array in wanted.items():
            assert out[task] is kept[task]
            np.testing.assert_array_equal(out[task], array)


def test_answers_are_written_into_again_after_a_switch(suite: pliant.Suite) -> None:
    frame = images(1)[0]
    with suite.load("s01-fp32", threads=1) as model:
        out = model(frame)
        model.switch("s03-fp32")
        wanted = model(frame)
        # Pillow's arrays are read-only: as images they may be.
        model(Image.fromarray(frame), out=out)
        for task in wanted:
            np.testing.assert_array_equal(out[task], wanted[task])


def _arrays() -> dict[str, Any]:
    return {"depth": np.full((HEIGHT, WIDTH), 7, np.float32), "edges": np.full((HEIGHT, WIDTH), 7, np.float32)}


def _read_only() -> Any:
    array = np.zeros((HEIGHT, WIDTH), np.float32)
    array.flags.writeable = False
    return array


@pytest.mark.parametrize(
    ("task", "array", "says"),
    [
        ("depth", np.zeros((HEIGHT, WIDTH)), rf"out\['depth'\] is float64 \({HEIGHT}, {WIDTH}\); wanted float32"),
        ("depth", np.zeros((1, HEIGHT, WIDTH), np.float32), rf"wanted float32 \({HEIGHT}, {WIDTH}\)"),
        ("edges", np.zeros((WIDTH, HEIGHT), np.float32).T, "edges.*a view that is not contiguous"),
        ("edges", np.zeros((HEIGHT, WIDTH), ">f4"), "edges.*is >f4"),
        ("edges", _read_only(), "edges.*is read-only"),
        ("edges", [0.0], "edges.*is a list"),
        ("edges", None, "edges.*is a NoneType"),
    ],
)
def test_an_array_that_does_not_fit_is_named_and_nothing_is_written(
    suite: pliant.Suite, task: str, array: Any, says: str
) -> None:
    out = _arrays()
    untouched = next(name for name in out if name != task)
    out[task] = array
    model = suite.load("s01-fp32", tasks="depth,edges", threads=1)
    with model, pytest.raises(pliant.InputError, match=says) as caught:
        model(images(1)[0], out=out)
    assert "\n" not in str(caught.value)
    assert f"numpy.empty(({HEIGHT}, {WIDTH}), numpy.float32)" in str(caught.value)
    assert (out[untouched] == 7).all()


def test_wrong_names_overlaps_and_what_is_no_dict_are_refused(suite: pliant.Suite) -> None:
    both = np.zeros((2, HEIGHT, WIDTH), np.float32)
    frame = both.view(np.uint8).reshape(-1)[: HEIGHT * WIDTH * 3].reshape(HEIGHT, WIDTH, 3)
    apart = np.zeros((HEIGHT, WIDTH), np.float32)
    wrong: list[tuple[Any, str]] = [
        ({"depth": apart}, "out holds depth: give an array for each of depth, edges"),
        ({**_arrays(), "floor": apart}, "and no more"),
        ({}, "out holds nothing"),
        ([apart, apart], "out is a list: give a dict"),
        ({"depth": apart, "edges": apart}, r"out\['edges'\] shares memory with out\['depth'\]"),
        ({"depth": both[0], "edges": both[1]}, r"out\['depth'\] shares memory with the images"),
    ]
    with suite.load("s01-fp32", tasks="depth,edges", threads=1) as model:
        for out, says in wrong:
            with pytest.raises(pliant.InputError, match=says):
                model(frame, out=out)
        model(images(1)[0], out={"depth": both[0], "edges": both[1]})
        np.testing.assert_array_equal(both[0], model(images(1)[0])["depth"])


def test_threads_with_arrays_of_their_own_do_not_meet(suite: pliant.Suite) -> None:
    """While the model switches: each array holds one whole answer, of a subnet that was there."""
    batch, names = images(4), ("s01-fp32", "s03-fp32")
    wanted: list[list[Any]] = []
    for name in names:
        with suite.load(name, threads=1, tasks="depth,normals") as model:
            wanted.append([model(frame) for frame in batch])
    wrong: list[str] = []
    stop = threading.Event()

    with suite.load(names[0], threads=1, tasks="depth,normals") as model:

        def infer(worker: int) -> None:
            out = {task: np.empty_like(array) for task, array in wanted[0][worker].items()}
            try:
                while not stop.is_set():
                    model(batch[worker], out=out)
                    if not any(all(np.array_equal(out[t], w[worker][t]) for t in out) for w in wanted):
                        wrong.append(f"worker {worker} got an answer that is nobody's")
            except Exception as error:
                wrong.append(repr(error))

        workers = [threading.Thread(target=infer, args=(index,)) for index in range(4)]
        for worker in workers:
            worker.start()
        for index in range(10):
            model.switch(names[(index + 1) % 2])
        stop.set()
        for worker in workers:
            worker.join()
    assert wrong == []


def test_a_closed_model_writes_nothing(suite: pliant.Suite) -> None:
    model = suite.load("s01-fp32", tasks="depth,edges", threads=1)
    model.close()
    out = _arrays()
    with pytest.raises(pliant.PliantError, match="closed"):
        model(images(1)[0], out=out)
    assert (out["depth"] == 7).all()
