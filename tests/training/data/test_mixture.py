"""Data sets of different tasks as one, all the way through training."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import numpy as np
import pytest
import torch

from pliant.devices.errors import DataError, RecipeError
from pliant.export.quality import measure_quality, read_labelled
from pliant.runtime.format.tasks import Task
from pliant.search.quality.data import open_search_data
from pliant.training import train
from pliant.training.checkpoints.checkpoint import load_checkpoint
from pliant.training.data import Sample, open_data
from pliant.training.data.batches import collate, epoch_batches
from pliant.training.data.mixture import Mixture
from pliant.training.evaluation.evaluator import Evaluator
from pliant.training.prepare import open_split, open_training_data
from pliant.training.recipe.recipe import Recipe

from ..tiny import tiny_recipe
from . import layouts
from .made import Made, image, target_of, task_of

ROOMS = Made(
    "rooms",
    (task_of("segmentation"), task_of("depth")),
    [Sample(image(value), {"segmentation": target_of("segmentation")}) for value in range(3)],
)
STREETS = Made(
    "streets",
    (dataclasses.replace(task_of("depth"), value_range=(1.0, 80.0)), task_of("edges")),
    [Sample(image(10 + value), {"depth": target_of("depth"), "edges": target_of("edges")}) for value in range(2)],
)


def test_a_mixture_has_the_samples_and_tasks_of_all() -> None:
    data = Mixture([ROOMS, STREETS])
    assert data.name == "rooms+streets"
    assert [(task.name, task.value_range) for task in data.tasks] == [
        ("segmentation", (-1.0, 1.0)),
        ("depth", (0.5, 80.0)),
        ("edges", (-1.0, 1.0)),
    ]
    assert [int(data[index].image[0, 0, 0]) for index in range(len(data))] == [0, 1, 2, 10, 11]
    assert [sorted(data[index].targets) for index in (2, 3)] == [["segmentation"], ["depth", "edges"]]
    batch = collate([data[2], data[3]], data.tasks)
    assert (batch.targets["segmentation"][1] == 255).all()
    assert (batch.targets["depth"][0] == 0).all()
    assert (batch.targets["depth"][1] > 0).all()
    for wrong in (-1, 5):
        with pytest.raises(IndexError):
            data[wrong]
    images = torch.cat([each.images[:, 0, 0, 0] for each in epoch_batches(data, 1, 0, 0, augment=False)])
    assert sorted(images.tolist()) == [0, 1, 2, 10, 11]


def test_tasks_that_only_share_a_name_are_told_apart() -> None:
    others = Made("others", (Task("segmentation", "segmentation", ("x", "y")),), [Sample(image(), {})])
    with pytest.raises(DataError, match=r"'segmentation' of others is not that of rooms .*rename: \{segmentation: "):
        Mixture([ROOMS, others])
    data = Mixture([ROOMS, others], [{}, {"segmentation": "things"}])
    assert [task.name for task in data.tasks] == ["segmentation", "depth", "things"]
    with pytest.raises(DataError, match="no task 'parts' to rename"):
        Mixture([ROOMS], [{"parts": "things"}])
    with pytest.raises(DataError, match="one name"):
        Mixture([STREETS], [{"depth": "edges"}])


def test_a_mixture_needs_one_size() -> None:
    large = Made("large", (task_of("edges"),), [Sample(np.zeros((12, 16, 3), np.uint8), {})])
    with pytest.raises(DataError, match=r"rooms 6x8, large 12x16: say data\.size"):
        Mixture([ROOMS, large])


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({"name": "mixture"}, "belong together"),
        ({"name": "scenes", "of": [{"name": "scenes"}]}, "belong together"),
        ({"name": "mixture", "of": [{"name": "scenes"}], "tasks": ["depth"]}, "beside each data set"),
        ({"name": "mixture", "of": [{"name": "scenez"}]}, r"data\.of\.0\.name is 'scenez'.*did you mean 'scenes'"),
        ({"name": "mixture", "of": [{"name": "scenes", "task": ["depth"]}]}, r"did you mean 'data\.of\.0\.tasks'"),
        ({"name": "mixture", "of": [{"root": "here"}]}, r"data\.of\.0\.name is missing"),
        ({"name": "mixture", "of": [{"name": "mixture"}]}, r"data\.of\.0\.name is 'mixture'"),
    ],
)
def test_a_wrong_mixture_is_one_line(data: dict[str, object], said: str) -> None:
    with pytest.raises(RecipeError, match=said) as caught:
        Recipe.from_json({"data": data})
    assert "\n" not in str(caught.value)


def mixed_recipe(folder: Path) -> Recipe:
    """Scenes with depth only, and a folder with its own rooms and scene, and depth of some pictures."""
    tiny = tiny_recipe("training.epochs=2", "training.validate_every=0").to_json()
    tiny["data"] = {
        "name": "mixture",
        "size": [32, 48],
        "of": [
            {"name": "scenes", "tasks": ["depth"], "counts": {"train": 8, "validation": 2, "test": 2}},
            {"name": "folder", "root": str(folder), "rename": {"scene": "place"}},
        ],
    }
    return Recipe.from_json(tiny)


def test_a_mixture_trains_and_is_judged_without_special_code(tmp_path: Path) -> None:
    folder = layouts.folder(tmp_path, 8)
    (folder / "scene.txt").write_text("day0/000,office\n")
    recipe = mixed_recipe(folder)
    assert Recipe.from_json(recipe.to_json()) == recipe
    result = train(recipe, tmp_path / "out")
    quality = result.quality[0]["quality"]
    assert sorted(quality) == ["depth", "edges", "normals", "place", "rooms"]
    # Of the folder's one picture for validation the place is not labelled.
    assert quality["place"] is None
    assert all(math.isfinite(quality[name]) for name in ("depth", "edges", "normals", "rooms"))
    checkpoint = load_checkpoint(tmp_path / "out")
    data = open_search_data(checkpoint)
    evaluator = Evaluator(checkpoint.supernet, data.recalibration, data.validation)
    found = evaluator.quality(checkpoint.space.widest)
    assert found["rooms"] == pytest.approx(quality["rooms"])
    assert math.isnan(found["place"])


@pytest.mark.parametrize("name", ["a.b", "type", ""])
def test_a_name_that_no_decoder_can_have_is_refused(name: str, tmp_path: Path) -> None:
    entry = mixed_recipe(layouts.folder(tmp_path, 8)).to_json()
    entry["data"]["of"][1]["rename"] = {"scene": name}
    with pytest.raises(RecipeError, match=f"a task cannot be called {name!r}"):
        open_training_data(Recipe.from_json(entry))


def test_an_engines_quality_counts_labelled_samples_only(tmp_path: Path) -> None:
    data = open_split(mixed_recipe(layouts.folder(tmp_path, 8)), "train")
    tasks = tuple(task for task in data.tasks if task.name in ("depth", "place"))
    labelled = read_labelled(data, len(data), (32, 48), tasks)
    asked: list[int] = []

    def run(images: layouts.Array) -> dict[str, layouts.Array]:
        asked.append(len(images))
        return {"depth": np.full(images.shape[:3], 2.0, np.float32), "place": np.tile([0.0, 1.0], (len(images), 1))}

    found = measure_quality(run, tasks, labelled, 4)
    assert sum(asked) == len(data) == 14
    # The one picture whose place is known is of the second class, as the engine says.
    assert found["place"] == 1.0
    known = np.concatenate([s["depth"][s["depth"] > 0] for s in labelled.targets if "depth" in s])
    assert found["depth"] == pytest.approx(math.sqrt(((known - 2.0) ** 2).mean()), rel=1e-4)


def test_scenes_of_a_mixture_are_those_of_the_data_set(tmp_path: Path) -> None:
    data = open_split(mixed_recipe(layouts.folder(tmp_path, 8)), "train")
    scenes = open_data("scenes", "train", count=8, size=(32, 48), tasks=("depth",))
    assert np.array_equal(data[7].image, scenes[7].image)
    assert set(data[7].targets) == {"depth"}
