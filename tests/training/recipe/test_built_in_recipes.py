"""What ships in `recipes/` is fit for its purpose: what was tuned is on, preferring a task can change something."""

from __future__ import annotations

import pytest

from pliant import DataError
from pliant.models.cost import CostModel
from pliant.models.supernet import build_supernet
from pliant.training.prepare import architecture_of, open_split, space_of
from pliant.training.recipe.file import built_in_recipes, load_recipe
from pliant.training.recipe.training import TrainingRecipe

DENSE = sorted(name for name in built_in_recipes() if not name.startswith("cifar"))


REAL = ("redkitchen", "redkitchen-resnet18", "camvid", "cifar100-mtl")
LEVERS = {"subnets", "sampling", "uniform", "coupled", "full_width", "widest_weight", "updates", "teacher"}
LEVERS |= {
    "sort",
    "subnet_balance",
    "distillation",
    "soft_labels",
    "class_weights",
    "balance",
    "ema",
    "sharpness",
    "quantization_aware",
}


@pytest.mark.parametrize("name", REAL)
def test_recipes_of_real_data_have_the_default_levers(name: str) -> None:
    training, default = load_recipe(name).training, TrainingRecipe()
    assert {key: getattr(training, key) for key in LEVERS} == {key: getattr(default, key) for key in LEVERS}


def test_default_levers_are_those_that_tuning_kept() -> None:
    training = TrainingRecipe()
    assert (training.sampling, training.full_width) == ("stratified", 0.25)
    assert (training.widest_weight, training.soft_labels.weight) == (2, 0.5)


@pytest.mark.parametrize("name", DENSE)
def test_dense_decoders_hold_about_half_of_the_multiply_adds(name: str) -> None:
    recipe = load_recipe(name)
    try:
        data = open_split(recipe, "validation")
    except DataError as error:
        pytest.skip(str(error))
    height, width = data[0].image.shape[:2]
    supernet = build_supernet(architecture_of(recipe, (height, width)), data.tasks, space_of(recipe, data.tasks))
    cost = CostModel(supernet)(supernet.space.widest)
    share = sum(part.macs for part in cost.decoders.values()) / cost.macs
    assert 0.40 <= share <= 0.605, f"the decoders of {name} hold {share:.0%} of the widest's multiply-adds"
