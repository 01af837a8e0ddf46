"""Recipes: everything that decides what is trained, as one frozen, checked object.

A recipe is a YAML file; only `data.name` must be said, so the shortest one that trains is

    data: {name: scenes}

`load_recipe` (file.py) reads one; here stands what each key means and may be.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from ...devices.errors import RecipeError
from .data import DataRecipe
from .part import Channels, Count, Part, Pixels, Positive, Seed, Share
from .training import TrainingRecipe
from .yaml_lines import checked_as, parsed


class ModelRecipe(Part):
    """The supernet.

    `channels` is a ResNet's base width, that of its first stage (null: the usual one). Late stages are dilated where
    their strides would exceed `output_stride`. `decoder_channels` is the full width of each decoder, `skip_channels`
    what it takes of the finest stage, `aspp_rates` the dilations of its ASPP; `classifier` says what a head that
    classifies has of its own, a hidden layer after pooling or a 3x3 convolution before it. `pretrained` is
    a file of encoder weights (docs/training.md), absolute or in the data folder; `sort` is the measure of importance by
    which their channels are sorted before nesting.
    """

    encoder: Literal["resnet10", "resnet18", "resnet20", "resnet34", "resnet50", "mobilenetv2"] = "resnet18"
    stem: Literal["imagenet", "cifar"] = "imagenet"
    channels: Channels | None = None
    output_stride: Literal[4, 8, 16, 32] = 16
    decoder_channels: Channels | None = None
    skip_channels: Channels | None = None
    aspp_rates: tuple[Pixels, ...] | None = None
    classifier: Literal["pooled", "convolution"] = "pooled"
    pretrained: Path | None = None
    sort: Literal["none", "norm", "activation"] = "norm"

    @model_validator(mode="after")
    def _possible(self) -> ModelRecipe:
        for key, value, usual in (("channels", self.channels, None), ("stem", self.stem, "imagenet")):
            if self.encoder == "mobilenetv2" and value != usual:
                raise ValueError(f"mobilenetv2 has no {key} to choose: leave it out, or choose a ResNet")
        return self


class SpaceRecipe(Part):
    """Widths that subnets may have: ascending fractions that end at 1, snapped to `multiple` channels."""

    encoder_widths: tuple[float, ...] = (0.25, 0.5, 0.75, 1.0)
    decoder_widths: tuple[float, ...] = (0.25, 0.5, 0.75, 1.0)
    multiple: Channels = 8

    @field_validator("encoder_widths", "decoder_widths")
    @classmethod
    def _ascending(cls, widths: tuple[float, ...]) -> tuple[float, ...]:
        if not widths or list(widths) != sorted(set(widths)) or widths[0] <= 0 or widths[-1] != 1:
            raise ValueError("widths must ascend within (0, 1] and end at 1")
        return widths


class SearchRecipe(Part):
    """How to search: true evaluations in all, size of a population, what to search for.

    `preferences` are task weights (a task left out weighs 1); none given: all equal, and each task twice as
    important in turn. `budgets` are shares of the widest subnet's multiply-adds.
    """

    evaluations: Count = 120
    population: Annotated[int, Field(ge=2)] = 24
    preferences: tuple[dict[str, Positive], ...] = ()
    budgets: tuple[Annotated[float, Field(gt=0, le=1)], ...] = (0.1, 0.25, 0.5, 0.75, 1.0)
    validation_images: Count | None = None
    seed: Seed = 0


class QuantizeRecipe(Part):
    """How to quantize: which precisions, training images that ranges are calibrated on, and what each may cost.

    `max_drop` is the share of any task's quality that int8 or fp16 may cost (null: whatever it does): blocks stay in
    fp32 until it costs no more, or `evaluations` policies were measured; then that subnet is not offered in it. fp16 is
    for GPUs: on a CPU it only costs time.
    """

    precisions: tuple[Literal["fp32", "fp16", "int8"], ...] = ("fp32", "int8")
    calibration_images: Count = 64
    max_drop: Share | None = 0.01
    evaluations: Count = 48

    @model_validator(mode="after")
    def _possible(self) -> QuantizeRecipe:
        if not self.precisions or len(set(self.precisions)) != len(self.precisions):
            raise ValueError("precisions are at least one of fp32, fp16 and int8, each once")
        if self.max_drop is not None and "fp32" not in self.precisions:
            raise ValueError(
                "max_drop may leave out int8 and fp16, so precisions must have fp32; or say max_drop: null"
            )
        return self


class Recipe(Part):
    """All of a recipe. `name` is the file's name where it says none."""

    name: str = "recipe"
    data: DataRecipe
    model: ModelRecipe = ModelRecipe()
    space: SpaceRecipe = SpaceRecipe()
    training: TrainingRecipe = TrainingRecipe()
    search: SearchRecipe = SearchRecipe()
    quantize: QuantizeRecipe = QuantizeRecipe()

    def to_json(self) -> dict[str, Any]:
        """JSON object of every key, defaults included; `from_json` gives back an equal recipe."""
        return self.model_dump(mode="json")

    @classmethod
    def from_json(cls, entry: Any, place: str = "recipe") -> Recipe:
        """Check a plain object; RecipeError names the one mistake, its place and the nearest right key."""
        return checked(entry, place)

    def with_overrides(self, settings: list[str]) -> Recipe:
        """A copy with `a.b=value` settings applied (values are YAML); RecipeError names a wrong one."""
        return _overridden(self, settings)


def checked(entry: Any, place: str, lines: Mapping[str, int] | None = None) -> Recipe:
    """A `Recipe` from plain data; `lines` tells where in `place` each dotted key stands."""
    if not isinstance(entry, dict):
        what = "empty" if entry is None else f"a {type(entry).__name__}"
        raise RecipeError(f"{place} is {what}, not a recipe: write at least `data: {{name: scenes}}`")
    recipe = checked_as(Recipe, entry, place, lines or {}, RecipeError)
    only, space = recipe.training.only, recipe.space
    both = [width for width in space.encoder_widths if width in space.decoder_widths]
    if only is not None and only not in both:
        line = (lines or {}).get("training.only")
        where = place if line is None else f"{place} line {line}"
        choices = " or ".join(f"{width:g}" for width in both)
        raise RecipeError(f"{where}: training.only is {only:g}; encoder and decoders both have the width {choices}")
    return recipe


def _overridden(recipe: Recipe, settings: list[str]) -> Recipe:
    """Apply `a.b=value` settings in order; values are read as YAML.

    Keys that must fit together may come in any order: a fault that later settings mend is none.
    """
    entry, fault = recipe.to_json(), ""
    places, first = dict[str, str](), dict[str, str]()
    for setting in settings:
        key, equals, value = setting.partition("=")
        if not equals or not key.strip():
            raise RecipeError(f"--set {setting!r} is not of the form key=value, such as training.epochs=3")
        place = f"--set {setting}"
        given, _ = parsed(value, place, RecipeError)
        _put(entry, key.strip().split("."), given, place)
        places[key.strip()] = place
        fault = _fault(entry)
        first.setdefault(fault, place)
    if fault:
        # The setting of the key that the fault begins with; else the one that brought it.
        named = [place for key, place in places.items() if fault.startswith(f"{key} ")]
        raise RecipeError(f"{named[-1] if named else first[fault]}: {fault}")
    return checked(entry, "--set")


def _fault(entry: dict[str, Any]) -> str:
    """What is wrong with a recipe, without its place; empty where nothing is."""
    try:
        checked(entry, "--set")
    except RecipeError as error:
        return str(error).removeprefix("--set: ")
    return ""


def _put(entry: dict[str, Any], path: list[str], value: Any, place: str) -> None:
    """Set a nested key; what does not exist is left for `checked` to refuse."""
    for depth, name in enumerate(path[:-1]):
        inner = entry.setdefault(name, {})
        if not isinstance(inner, dict):
            raise RecipeError(f"{place}: {'.'.join(path[: depth + 1])} has no keys inside")
        entry = inner
    entry[path[-1]] = value
