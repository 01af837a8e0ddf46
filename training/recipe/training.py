"""What a recipe says of training: augmentation, distillation, soft labels, and the steps themselves."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from .part import Count, NotNegative, Part, Positive, Seed, Share


class Augmentation(Part):
    """Training-time changes of images and targets; all off is `{flip: false, crop: 0, jitter: 0}`.

    `crop` is the largest share of the image's sides that a random crop takes away before it is resized back (depth
    is divided by the zoom; images as small as CIFAR's are shifted instead); `jitter` the largest relative change of
    brightness, contrast and saturation.
    """

    flip: bool = True
    crop: Annotated[float, Field(ge=0, lt=0.9)] = 0.3
    jitter: Share = 0.2


class Distillation(Part):
    """CI-KD: the encoder of a wider subnet teaches the narrower ones, see distillation/ci_kd.py.

    `form` is what is compared: the `prefix` of channels that both have, a learned `projection` to the teacher's width,
    maps of `attention`, or the `relational` likeness of positions; `kind` is the distance of the first two. `stages`
    are the encoder stages that are compared (0 is the first; null: all). It begins after the share `start` of all
    steps, and reaches `weight` after another `ramp`.
    """

    weight: NotNegative = 0.1
    form: Literal["prefix", "projection", "attention", "relational"] = "prefix"
    kind: Literal["cosine", "standardized"] = "cosine"
    stages: Annotated[tuple[Annotated[int, Field(ge=0)], ...], Field(min_length=1)] | None = None
    start: Share = 0.0
    ramp: Share = 0.0

    @model_validator(mode="after")
    def _risen(self) -> Distillation:
        _check_risen(self.start, self.ramp)
        return self


class SoftLabels(Part):
    """Soft labels: the outputs of a wider subnet teach the narrower ones, see distillation/soft_labels.py.

    Weight 0 is off. `divergence` and `temperature` are those of class scores (segmentation, classification, edges);
    `start` and `ramp` are as in CI-KD.
    """

    weight: NotNegative = 0.5
    divergence: Literal["kl", "alpha"] = "kl"
    temperature: Positive = 1.0
    start: Share = 0.0
    ramp: Share = 0.0

    @model_validator(mode="after")
    def _risen(self) -> SoftLabels:
        _check_risen(self.start, self.ramp)
        return self


def _check_risen(start: float, ramp: float) -> None:
    if start + ramp > 1.0:
        raise ValueError("start and ramp are shares of all steps, together at most 1: else the weight is never reached")


class TrainingRecipe(Part):
    """How to train.

    `lr` is the peak; `encoder_lr` multiplies it for the encoder (pretrained ones want less). `warmup` is the share of
    all steps during which it rises. `clip` is the largest gradient norm, null for none. `losses` are weights by task
    (1 where left out). `checkpoint_every` counts steps, `validate_every` epochs (0: only at the end).

    Which subnets: the first `full_width` share of all steps trains the widest alone; then its channels are sorted by
    the measure of importance that `sort` names, if any (joining.py), and after that each step trains the widest, the
    narrowest and `subnets` drawn by the rule of `sampling`, a share `uniform` of them with one width for the whole
    encoder, and of these a share `coupled` with decoders of it too, each taught by the `widest` or by the `next` wider
    one (distillation/teacher.py). The loss of the widest counts `widest_weight` times as much as that of each other;
    where `subnet_balance` is by gradient-norm, all gradients are scaled to one norm before
    (optimization/subnet_balance.py). With `updates` together the weights move once a step, by all of its subnets;
    apart, after each, by its own, which wants a lower `lr`. `only` trains the subnet of that one width and nothing
    else, as a separate network would be (separate.py). In the last `quantization_aware` share of all steps weights and
    activations are rounded as int8 will, in the steps of the engine that `rounding` names (quantize/fake.py).

    With `class_weights` by rarity, pixels of rare classes weigh more in a segmentation (models/losses.py).

    `rates` multiplies the rate of parts of the network by module path (`encoder.layer1: 0.1`), instead of
    `encoder_lr`; the longest path wins. `balance` weighs the tasks on top of `losses`. `ema` is the decay of averaged
    weights, which then are what is evaluated, kept and exported. `sharpness` is the radius of sharpness-aware steps,
    which cost twice as much. Both are off at 0. Each of these has a file of its name in optimization/.
    """

    epochs: Count = 10
    batch_size: Count = 16
    optimizer: Literal["adamw", "sgd"] = "adamw"
    lr: Positive = 1e-3
    encoder_lr: Positive = 1.0
    rates: dict[str, Positive] = Field(default_factory=dict)
    momentum: Share = 0.9
    weight_decay: NotNegative = 0.01
    schedule: Literal["cosine", "linear", "constant"] = "cosine"
    warmup: Share = 0.05
    subnets: Annotated[int, Field(ge=0, le=1000)] = 2
    sampling: Literal["sandwich", "stratified"] = "stratified"
    uniform: Share = 0.5
    coupled: Share = 0.0
    full_width: Share = 0.25
    sort: Literal["none", "norm", "activation"] = "none"
    widest_weight: Positive = 2.0
    subnet_balance: Literal["fixed", "gradient-norm"] = "fixed"
    updates: Literal["together", "apart"] = "together"
    only: Positive | None = None
    teacher: Literal["widest", "next"] = "widest"
    distillation: Distillation = Distillation()
    soft_labels: SoftLabels = SoftLabels()
    class_weights: Literal["equal", "rarity"] = "equal"
    losses: dict[str, NotNegative] = Field(default_factory=dict)
    balance: Literal["fixed", "uncertainty", "gradient-norm"] = "fixed"
    quantization_aware: Share = 0.0
    rounding: Literal["onnxruntime", "tensorrt"] = "onnxruntime"
    ema: Annotated[float, Field(ge=0, lt=1)] = 0.0
    sharpness: NotNegative = 0.0
    clip: Positive | None = 5.0
    augmentation: Augmentation = Augmentation()
    precision: Literal["fp32", "bf16"] = "fp32"
    seed: Seed = 0
    device: Literal["auto", "cpu", "cuda"] = "auto"
    checkpoint_every: Count = 200
    validate_every: Annotated[int, Field(ge=0)] = 0
    validation_images: Count | None = None
    recalibration_images: Count = 128

    @model_validator(mode="after")
    def _weighed(self) -> TrainingRecipe:
        if self.updates == "apart" and self.widest_weight != 1.0:
            raise ValueError("widest_weight must be 1 with updates: apart, where each subnet has an update of its own")
        if self.updates == "apart" and self.subnet_balance != "fixed":
            raise ValueError("subnet_balance must be fixed with updates: apart, where no gradients are averaged")
        return self
