"""What the training benchmark compares: the recipe of each method, its digest and what it costs."""

from __future__ import annotations

from typing import Any

import pytest

from pliant.benchmarks.training.compute import training_macs
from pliant.benchmarks.training.job import Job
from pliant.benchmarks.training.methods import METHODS, recipe_of
from pliant.models.cost import CostModel
from pliant.training.checkpoints.resume import binding
from pliant.training.recipe.file import load_recipe

from ..training.tiny import tiny_recipe, tiny_supernet


def test_every_method_makes_a_recipe_and_no_two_the_same() -> None:
    digests = {method: Job("redkitchen", method, 0).digest for method in METHODS}
    assert len(set(digests.values())) == len(digests), digests


def test_a_row_of_the_ablation_changes_one_lever() -> None:
    """`sandwich` the drawing alone, not how many are drawn; the last stages are the last two of any encoder."""

    def changed(data: str, method: str) -> dict[str, Any]:
        default, other = (binding(recipe_of(data, name, 0)) for name in ("default", method))
        return {key: value for key, value in other.items() if value != default[key]}

    assert changed("redkitchen", "sandwich") == {"training.sampling": "sandwich"}
    assert changed("camvid", "encoder-rate") == {"training.encoder_lr": 1.0}
    for data, stages in (("redkitchen", [2, 3]), ("cifar100-mtl", [1, 2])):
        found = changed(data, "last-stages")
        assert found.keys() == {"training.distillation"}
        assert found["training.distillation"]["stages"] == stages
    assert changed("redkitchen", "standardized")["training.distillation"]["kind"] == "standardized"


def test_the_digest_follows_the_seed_and_not_the_place_of_files() -> None:
    job = Job("scenes", "default", 0)
    assert job.digest == Job("scenes", "default", 0).digest
    assert job.digest != Job("scenes", "default", 1).digest


def test_separate_networks_are_not_measured_anew_for_a_lever_that_they_do_not_have() -> None:
    def bound(*settings: str) -> dict[str, Any]:
        return binding(load_recipe("redkitchen", list(settings)))

    levers = ("training.soft_labels.weight=1", "training.distillation.form=attention", "training.widest_weight=3")
    assert bound("training.only=0.5", *levers) == bound("training.only=0.5")
    assert bound("training.only=0.5", "training.lr=0.01") != bound("training.only=0.5")
    for lever in levers:
        assert bound(lever) != bound(), lever


def test_a_separate_training_costs_that_of_its_one_width() -> None:
    supernet = tiny_supernet()
    recipe = tiny_recipe("training.only=0.5").training
    per_image = CostModel(supernet)(supernet.space.uniform(0.5)).macs
    assert training_macs(supernet, recipe, 7) == 3 * 7 * recipe.batch_size * per_image


def test_what_looks_twice_costs_more() -> None:
    """A sharpness-aware step is two; gradient norms go back once more through the widest's decoders."""
    supernet = tiny_supernet()

    def macs(*settings: str) -> int:
        return training_macs(supernet, tiny_recipe(*settings).training, 7)

    assert macs("training.sharpness=0.05") == 2 * macs()
    decoders = sum(part.macs for part in CostModel(supernet)(supernet.space.widest).decoders.values())
    both = macs("training.sharpness=0.05", "training.balance=gradient-norm")
    assert both - 2 * macs() == macs("training.balance=gradient-norm") - macs()
    assert macs("training.balance=gradient-norm") - macs() == 7 * tiny_recipe().training.batch_size * decoders


@pytest.mark.parametrize("name", ["redkitchen", "camvid", "cifar100-mtl"])
def test_what_is_compared_is_the_recipe_that_users_get(name: str) -> None:
    """But for size, length and looks at validation images: no lever or rate is the benchmark's own."""
    shipped, compared = load_recipe(name), recipe_of(name, "default", 0)
    own = {"epochs": compared.training.epochs, "validate_every": compared.training.validate_every}
    assert compared.training == shipped.training.model_copy(update=own)
    # CIFAR's network is ResNet-20's own size, and most of it was trained before its heads had a convolution.
    heads = {"channels": 16, "classifier": "pooled"} if name == "cifar100-mtl" else {}
    assert compared.model == shipped.model.model_copy(update=heads)


def test_separate_networks_are_trained_by_the_default_recipe() -> None:
    default, separate = recipe_of("redkitchen", "default", 3), recipe_of("redkitchen", "separate", 3, 0.5)
    same = {
        "epochs",
        "batch_size",
        "lr",
        "encoder_lr",
        "optimizer",
        "weight_decay",
        "schedule",
        "warmup",
        "augmentation",
    }
    ours, theirs = default.to_json(), separate.to_json()
    assert {key: ours["training"][key] for key in same} == {key: theirs["training"][key] for key in same}
    assert (ours["data"], ours["model"]) == (theirs["data"], theirs["model"])
