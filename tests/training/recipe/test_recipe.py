"""A recipe's mistakes are one line with the key, its place and the nearest right one."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pliant import RecipeError
from pliant.training.recipe.file import built_in_recipes, find_recipe, load_recipe
from pliant.training.recipe.part import Part
from pliant.training.recipe.recipe import Recipe
from pliant.training.recipe.training import TrainingRecipe

from ..tiny import tiny_recipe

MINIMAL = {"data": {"name": "scenes"}}


def _keys(section: type[Part], prefix: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    found: list[tuple[str, ...]] = []
    for name, field in section.model_fields.items():
        found.append((*prefix, name))
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, Part):
            found += _keys(inner, (*prefix, name))
    return found


def _message(text: str, tmp_path: Path) -> str:
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(RecipeError) as caught:
        load_recipe(path)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_the_shortest_recipe_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("data: {name: scenes}")
    recipe = load_recipe(path)
    assert recipe.name == "mine"
    assert Recipe.from_json(recipe.to_json()) == recipe


@settings(max_examples=50, deadline=None)
@given(st.data())
def test_a_misspelled_key_is_named_with_the_right_one(data: st.DataObject) -> None:
    key = data.draw(st.sampled_from([key for key in _keys(Recipe) if len(key[-1]) >= 5]))
    place = data.draw(st.integers(1, len(key[-1]) - 1))
    wrong = key[-1][:place] + "q" + key[-1][place:]
    entry: dict[str, Any] = {"data": {"name": "scenes"}}
    inner = entry
    for name in key[:-1]:
        inner = inner.setdefault(name, {})
    inner[wrong] = 1
    with pytest.raises(RecipeError) as caught:
        Recipe.from_json(entry, "mine.yaml")
    assert "\n" not in str(caught.value)
    assert ".".join((*key[:-1], wrong)) in str(caught.value)
    assert repr(".".join(key)) in str(caught.value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("data:\n  name: scenes\ntraining:\n  epochz: 3", r"mine.yaml line 4: .*'training.epochz'.*'training.epochs'"),
        ("data: {name: scenes}\nlr: 1", r"line 2: .*did you mean 'training.lr'"),
        ("data: {name: scene}", r"line 1: data.name is 'scene'; it should be .*did you mean 'scenes'"),
        ("data: {name: scenes}\ntraining: {lr: fast}", r"line 2: training.lr is 'fast'; it should be a valid number"),
        ("data: {name: scenes}\ntraining: {lr: -1}", r"training.lr is -1; it should be greater than 0"),
        ("data: {name: scenes}\ntraining: {lr: .nan}", r"training.lr is nan; it should be a finite number"),
        ("data: {name: scenes}\ntraining: {epochs: yes}", r"training.epochs is true"),
        ("data: {name: scenes}\ntraining: {losses: {depth: yes}}", r"line 2: training.losses: true and false are no"),
        ("data: {name: scenes, size: [yes, 96]}", r"line 1: data.size is \[True, 96\]; true and false are no value"),
        (
            "data: {name: scenes}\nsearch: {preferences: [{a: 1}, {a: no}]}",
            r"line 2: search.preferences .*true and false",
        ),
        ("data: {name: scenes}\nmodel: {sort: [yes]}", r"line 2: model.sort .*true and false"),
        ("data: {name: scenes, counts: yes}", r"line 1: data.counts is true; true and false"),
        ("data: {name: mixture, of: [{name: scenes, counts: {train: yes}}]}", r"data.of.0.counts.train is true; true"),
        ("data: {name: mixture, seed: 3, of: [{name: scenes}]}", r"line 1: data: tasks, counts and seed of a mixture"),
        ("data: {name: scenes}\ntraining: 5", r"training is 5; it should be a section with keys out of epochs"),
        ("data: {name: scenes, size: [3]}", r"data.size has too few values"),
        ("data: {name: scenes, size: [3, 4, 5]}", r"data.size .* should have 2 values"),
        ("data: {name: scenes}\nspace: {encoder_widths: [0.5]}", r"encoder_widths is \[0.5\]; widths must ascend"),
        ("data: {name: scenes}\n7: x", r"line 2: unknown key '7'"),
        ("data: {name: scenes}\ndata: {name: camvid}", r"line 2: data stands already in line 1"),
        ("training: {epochs: 3}", r"data is missing"),
        ("data: [", r"mine.yaml line 1: not YAML"),
        ("data:\n\tname: x", r"line 2: not YAML"),
        ("a: !!python/object/apply:os.system [ls]", r"line 1: not YAML"),
        ("[" * 5000, r"not YAML"),
        ("a: &x {b: *x}", r"mine.yaml"),
        ("d: 2024-99-99", r"not YAML"),
        ("[1, 2]", r"is a list, not a recipe"),
        ("", r"is empty, not a recipe"),
    ],
)
def test_the_one_mistake_is_named(text: str, expected: str, tmp_path: Path) -> None:
    assert re.search(expected, _message(text, tmp_path))


def test_the_only_width_must_be_one_of_encoder_and_decoders(tmp_path: Path) -> None:
    text = "data: {name: scenes}\nspace: {decoder_widths: [0.5, 1.0]}\ntraining:\n  only: 0.25"
    message = _message(text, tmp_path)
    assert "line 4: training.only is 0.25; encoder and decoders both have the width 0.5 or 1" in message
    assert Recipe.model_validate(MINIMAL).with_overrides(["training.only=0.5"]).training.only == 0.5


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_bytes(b"\xff\xfe\x00data")
    with pytest.raises(RecipeError, match="is not text"):
        load_recipe(path)


def test_settings_override_and_are_checked() -> None:
    recipe = Recipe.model_validate(MINIMAL).with_overrides(
        ["training.epochs=3", "data.size=[32, 48]", "training.clip=null", "training.losses.depth=2"]
    )
    assert recipe.training.epochs == 3
    assert recipe.data.size == (32, 48)
    assert recipe.training.clip is None
    assert recipe.training.losses == {"depth": 2.0}


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        ("training.epoch=3", "--set training.epoch=3: unknown key 'training.epoch'; did you mean 'training.epochs'"),
        ("training.lr=", "training.lr is None"),
        ("data.counts={train:24,validation:8}", "YAML wants a space after the colon, as in 'train: 24'"),
        ("training.losses={depth:2}", "YAML wants a space after the colon, as in 'depth: 2'"),
        ("training.lr.x=1", "training.lr has no keys inside"),
        ("epochs", "not of the form key=value"),
        ("=3", "not of the form key=value"),
        ("training.lr=[", "not YAML"),
        ("training.seed=-1", "training.seed is -1; it should be greater than or equal to 0"),
        (
            "model.decoder_channels=9999999999",
            "model.decoder_channels is 9999999999; it should be less than or equal to",
        ),
        ("model.channels=99999", "model.channels is 99999; it should be less than or equal to"),
        ("data.size=[32, 99999]", "data.size.1 is 99999; it should be less than or equal to"),
        ("training.epochs=99999999999", "training.epochs is 99999999999; it should be less than or equal to"),
    ],
)
def test_a_wrong_setting_is_named(setting: str, expected: str) -> None:
    with pytest.raises(RecipeError, match=re.escape(expected)):
        Recipe.model_validate(MINIMAL).with_overrides([setting])


def test_built_in_recipes_are_found_by_name_and_valid() -> None:
    names = built_in_recipes()
    assert {"scenes-demo", "scenes-resnet18", "redkitchen", "camvid", "cifar100-mtl"} <= set(names)
    for name in names:
        assert load_recipe(name).name == name


def test_an_unknown_name_lists_the_known() -> None:
    with pytest.raises(RecipeError, match="did you mean 'scenes-demo'"):
        find_recipe("scenes-dem")
    with pytest.raises(RecipeError, match="there is no file"):
        find_recipe("nowhere/recipe.yaml")


def test_weighing_subnets_where_each_moves_the_weights_by_itself_is_refused() -> None:
    with pytest.raises(RecipeError, match="widest_weight must be 1 with updates: apart"):
        load_recipe("scenes-demo", ["training.updates=apart", "training.widest_weight=2"])
    balanced = ["training.updates=apart", "training.widest_weight=1", "training.subnet_balance=gradient-norm"]
    with pytest.raises(RecipeError, match="subnet_balance must be fixed with updates: apart"):
        load_recipe("scenes-demo", balanced)


def test_settings_that_fit_only_together_come_in_any_order() -> None:
    both = ["training.updates=apart", "training.widest_weight=1"]
    recipe = Recipe.model_validate(MINIMAL)
    assert recipe.with_overrides(both) == recipe.with_overrides(both[::-1])


def test_of_settings_the_first_wrong_one_is_named() -> None:
    wrong = ["training.updates=apart", "training.widest_weight=1", "training.epochs=no", "training.lr=fast"]
    with pytest.raises(RecipeError, match=r"^--set training\.epochs=no: training\.epochs is false"):
        Recipe.model_validate(MINIMAL).with_overrides(wrong)
    with pytest.raises(RecipeError, match=r"^--set training\.updates=apart: training: widest_weight must be 1"):
        Recipe.model_validate(MINIMAL).with_overrides([wrong[0], "training.lr=0.1"])
    mended = ["training.updates=apart", "training.epochs=0", "training.widest_weight=1"]
    with pytest.raises(RecipeError, match=r"^--set training\.epochs=0: training\.epochs is 0"):
        Recipe.model_validate(MINIMAL).with_overrides(mended)
    mended = ["training.epochs=no", "training.lr=fast", "training.epochs=3"]
    with pytest.raises(RecipeError, match=r"^--set training\.lr=fast: training\.lr is 'fast'"):
        Recipe.model_validate(MINIMAL).with_overrides(mended)
    mended = ["training.updates=apart", "training.lr=fast", "training.lr=0.1"]
    with pytest.raises(RecipeError, match=r"^--set training\.updates=apart: training: widest_weight must be 1"):
        Recipe.model_validate(MINIMAL).with_overrides(mended)


@pytest.mark.parametrize("part", ["distillation", "soft_labels"])
def test_a_weight_that_is_never_reached_is_refused(part: str) -> None:
    with pytest.raises(RecipeError, match=rf"^--set .*: training\.{part}: start and ramp are shares of all steps"):
        load_recipe("scenes-demo", [f"training.{part}={{start: 0.9, ramp: 0.5}}"])


def test_ci_kd_at_no_stage_is_refused() -> None:
    with pytest.raises(RecipeError, match=r"training\.distillation\.stages"):
        load_recipe("scenes-demo", ["training.distillation.stages=[]"])


@pytest.mark.parametrize("precisions", ["[]", "[int8, int8, fp32]", "[int8]", "[fp16]"])
def test_precisions_that_an_export_could_not_make_are_refused_at_once(precisions: str) -> None:
    with pytest.raises(RecipeError, match="precisions"):
        tiny_recipe(f"quantize.precisions={precisions}")
    if precisions == "[int8]":
        assert tiny_recipe("quantize.max_drop=null", f"quantize.precisions={precisions}").quantize.precisions == (
            "int8",
        )


def test_every_key_of_training_stands_in_the_page_with_its_default() -> None:
    page = (Path(__file__).resolve().parents[3] / "docs" / "training.md").read_text()
    said = set(re.findall(r"`([a-z_]+)`", page))
    assert set(TrainingRecipe.model_fields) <= said
    table = page[page.index("| key | default | |") : page.index("## Pretrained weights")]
    fields = TrainingRecipe.model_fields
    for name in (
        "epochs",
        "batch_size",
        "lr",
        "momentum",
        "weight_decay",
        "warmup",
        "clip",
        "seed",
        "checkpoint_every",
    ):
        assert f"{fields[name].default:g}" in next(line for line in table.splitlines() if f"`{name}`" in line), name


@pytest.mark.parametrize("setting", ["channels=32", "stem=cifar"])
def test_what_an_encoder_cannot_choose_is_refused_at_once(setting: str) -> None:
    with pytest.raises(RecipeError, match=rf"model: mobilenetv2 has no {setting.partition('=')[0]} to choose"):
        load_recipe("redkitchen", [f"model.{setting}"])
    # One after the other: a recipe that is mended by the next setting is not refused for the first.
    assert load_recipe("redkitchen", [f"model.{setting}", "model.encoder=resnet18"]).model.encoder == "resnet18"
