"""What is compared: data sets with their recipes, and methods with the settings that make each of a recipe."""

from __future__ import annotations

from dataclasses import dataclass, field

from pliant.models.supernet import stages_of
from pliant.training.recipe.file import load_recipe
from pliant.training.recipe.recipe import Recipe

WIDTHS = (0.25, 0.5, 0.75, 1.0)
DEFAULT, SEPARATE, UNDISTILLED = "default", "separate", "no-distillation"
MAIN = (DEFAULT, SEPARATE, UNDISTILLED)


@dataclass(frozen=True)
class Subject:
    """A data set of the benchmark: its recipe, and what the benchmark sets otherwise.

    `edition` counts how often pliant has made another network of the same recipe: results of earlier ones are void.
    `separate_edition` counts that of separate networks alone.
    """

    recipe: str
    settings: tuple[str, ...] = ()
    edition: int = 1
    separate_edition: int = 1


@dataclass(frozen=True)
class Method:
    """What a method changes of a recipe. A `separate` one trains a network of its own for every width.

    `last_stages` is how many of the encoder's last stages CI-KD compares, None for all: encoders have 3 or 4. `rate`
    multiplies the recipe's learning rate.
    """

    settings: tuple[str, ...] = ()
    separate: bool = False
    last_stages: int | None = None
    rate: float = 1.0
    about: str = field(default="", compare=False)


# The recipes' levers are what is compared. Smaller images, narrower networks and more epochs: so three seeds of every
# method come near their plateau on two cores. Validation images are looked at on the way, for the curves.
_CURVE = "training.validate_every=10"
_CIFAR = ("data.counts={train: 10000}", "model.channels=16", "space.multiple=4", "training.epochs=40", _CURVE)
SUBJECTS = {
    # Edition 2: where a stage is dilated, pretrained weights compute what they were trained to. Of separate networks:
    # narrow heads of class scores begin with the spread of their own width, not with the smaller one of the full.
    "redkitchen": Subject(
        "redkitchen", ("data.size=[64, 80]", "training.epochs=60", _CURVE), edition=2, separate_edition=2
    ),
    "camvid": Subject("camvid", ("data.size=[96, 128]", "training.epochs=40", _CURVE), edition=2, separate_edition=2),
    # Pooled heads, unlike the recipe's: a third cheaper, and what the committed results have.
    "cifar100-mtl": Subject("cifar100-mtl", (*_CIFAR, "model.classifier=pooled")),
    # Its own: they hold a third of the multiply-adds, so that a preference has something to choose with.
    "cifar100-mtl-convolution": Subject("cifar100-mtl", _CIFAR),
    # The small version, for tests: rendered scenes of a few pixels, seconds a job, with the levers of the others.
    "scenes": Subject(
        "scenes-demo",
        (
            "data.size=[48, 64]",
            "data.counts={train: 24, validation: 8, test: 8}",
            "model.channels=16",
            "model.decoder_channels=16",
            "training.epochs=2",
            "training.recalibration_images=8",
            "training.sampling=stratified",
            "training.widest_weight=2",
            "training.soft_labels.weight=0.5",
            "training.full_width=0.25",
        ),
    ),
}

_NO_FEATURES = "training.distillation.weight=0"
_NO_LABELS = "training.soft_labels.weight=0"

METHODS = {
    DEFAULT: Method(about="the recipe, with CI-KD and soft labels"),
    SEPARATE: Method(separate=True, about="a plain network for each width"),
    UNDISTILLED: Method((_NO_FEATURES, _NO_LABELS), about="the supernet without any distillation"),
    # Whether the rate suits both, or favours one: every method has the recipe's.
    "half-rate": Method(rate=0.5, about="the default at half the learning rate"),
    "double-rate": Method(rate=2.0, about="the default at twice the learning rate"),
    "separate-half-rate": Method(separate=True, rate=0.5, about="separate networks at half the learning rate"),
    "separate-double-rate": Method(separate=True, rate=2.0, about="separate networks at twice the learning rate"),
    # The ablation: the default recipe, but for one lever.
    "soft-labels": Method((_NO_FEATURES,), about="soft labels only"),
    "ci-kd": Method((_NO_LABELS,), about="CI-KD only"),
    "ramp": Method(
        ("training.distillation.ramp=0.5", "training.soft_labels.ramp=0.5"),
        about="what is taught gains its weight over half of the steps",
    ),
    "strong-ci-kd": Method(("training.distillation.weight=1",), about="CI-KD ten times as strong"),
    "alpha-divergence": Method(
        ("training.soft_labels.divergence=alpha",), about="soft labels by alpha-divergence in place of KL"
    ),
    "next-wider-teacher": Method(("training.teacher=next",), about="the next wider subnet teaches, not the widest"),
    "equal-subnets": Method(("training.widest_weight=1",), about="the widest counts as much as any other"),
    "balanced-subnets": Method(
        ("training.subnet_balance=gradient-norm",), about="the gradients of a step's subnets are scaled to one norm"
    ),
    "projection": Method(
        ("training.distillation.form=projection",), about="CI-KD by a learned projection to the teacher's channels"
    ),
    "attention": Method(("training.distillation.form=attention",), about="CI-KD by where a stage is active"),
    "relational": Method(
        # Its gradient is about a third of the others', measured on pretrained features.
        ("training.distillation.form=relational", "training.distillation.weight=0.3"),
        about="CI-KD by how alike positions are, three times as strong",
    ),
    "standardized": Method(("training.distillation.kind=standardized",), about="CI-KD by the correlation of channels"),
    "last-stages": Method(last_stages=2, about="CI-KD on the encoder's last two stages only"),
    "sandwich": Method(
        ("training.sampling=sandwich", "training.subnets=2"), about="two draws a step of any width, none by brackets"
    ),
    "uniform": Method(("training.uniform=1",), about="no step with an encoder of mixed widths"),
    "coupled": Method(("training.coupled=0.5",), about="half of the uniform draws have decoders of the same width too"),
    "no-curriculum": Method(("training.full_width=0",), about="no steps of the widest alone"),
    "long-curriculum": Method(("training.full_width=0.5",), about="half of the steps of the widest alone"),
    "updates-apart": Method(
        ("training.widest_weight=1", "training.updates=apart"),
        rate=0.5,
        about="the weights move after each subnet, at half the rate",
    ),
    "encoder-rate": Method(
        ("training.encoder_lr=1",), about="pretrained encoders at the full rate, not half; CIFAR's has it anyway"
    ),
    "unsorted": Method(("model.sort=none",), about="pretrained channels in the order of the file"),
    "sorted-joining": Method(
        ("training.sort=activation",), about="channels are sorted again as narrow subnets join the widest"
    ),
    "class-weights": Method(("training.class_weights=rarity",), about="pixels of rare classes weigh more"),
    "ema": Method(("training.ema=0.998",), about="averaged weights"),
    "uncertainty": Method(("training.balance=uncertainty",), about="homoscedastic uncertainty weighs the tasks"),
    "gradient-norm": Method(("training.balance=gradient-norm",), about="gradient norms weigh the tasks"),
    "sharpness": Method(("training.sharpness=0.05",), about="sharpness-aware steps"),
}


ABLATION = tuple(name for name, method in METHODS.items() if method.settings or method.rate == 1.0)
"""Every lever, beside what it is compared with; what changes the rate alone is tuning."""


def recipe_of(data: str, method: str, seed: int, width: float | None = None) -> Recipe:
    """The recipe of a job; of a separate method's network of one width where that is given."""
    subject, changes = SUBJECTS[data], METHODS[method]
    own = [f"training.seed={seed}", *([] if width is None else [f"training.only={width}"])]
    recipe = load_recipe(subject.recipe, [*subject.settings, *changes.settings, *own])
    recipe = recipe.with_overrides([f"training.lr={recipe.training.lr * changes.rate}"])
    if changes.last_stages is None:
        return recipe
    count = stages_of(recipe.model.encoder)
    stages = list(range(count - changes.last_stages, count))
    return recipe.with_overrides([f"training.distillation.stages={stages}"])
