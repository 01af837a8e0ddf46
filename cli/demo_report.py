"""What the demo shows: a table of budgets, the effect of a preference, and a contact sheet."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .pictures import painted
from .tables import milliseconds, print_table, size

if TYPE_CHECKING:
    from ..runtime.manifest import SubnetInfo
    from ..runtime.plan import Plan
    from ..runtime.suite import Suite
    from ..training.recipe import Recipe

_IMAGES = (0, 3)
_SCALE = 2
_CAPTION = 18


def print_budgets(suite: Suite, plans: Mapping[str, Plan]) -> None:
    """One line a budget: the chosen subnet, what it was measured to take, how good it is."""
    print()
    rows = [(name, f"{plan.budget.latency_ms:g}", *_cells(suite, plan)) for name, plan in plans.items()]
    print_table(("budget", "limit ms", *_heads(suite)), rows)


def print_preferences(suite: Suite, plans: Mapping[str, Plan], weight: float) -> None:
    """The same budget, with one task or another counting `weight` times as much."""
    limit = plans["nothing"].budget.latency_ms
    print(f"\nat {limit:g} ms, where a preference tells most: one task counting {weight:g} times as much")
    rows = [(name, _decoders(plan.subnet), *_cells(suite, plan)) for name, plan in plans.items()]
    print_table(("preferred", "decoder widths", *_heads(suite)), rows)
    print()


def _heads(suite: Suite) -> tuple[str, ...]:
    arrows = {True: "↑", False: "↓"}
    qualities = (f"{name}\n{task.metric} {arrows[task.higher_is_better]}" for name, task in suite.tasks.items())
    return ("subnet", "p50\nms", "bytes", *qualities)


def _cells(suite: Suite, plan: Plan) -> tuple[str, ...]:
    latency = milliseconds(plan.latency_ms.value if plan.latency_ms else None)
    quality = (f"{plan.subnet.quality[name].value:.3f}" for name in suite.tasks)
    return (plan.subnet.id, latency, size(plan.bytes), *quality)


def _decoders(subnet: SubnetInfo) -> str:
    return " ".join(f"{task[:5]} {width:g}" for task, width in sorted(subnet.widths.decoders.items()))


def write_sheet(suite: Suite, recipe: Recipe, plans: Mapping[str, Plan], out: Path) -> None:
    """A PNG: for some test images one row a task, with input, truth and the prediction at each budget."""
    from PIL import Image, ImageDraw

    from ..training.prepare import open_split

    samples = [open_split(recipe, "test")[index] for index in _IMAGES]
    predictions = {
        name: _predictions(suite, plan, [sample.image for sample in samples]) for name, plan in plans.items()
    }
    columns = ["input", "truth", *(f"{name}: {plans[name].subnet.id}" for name in plans)]
    rows = []
    for index, sample in enumerate(samples):
        for name, task in suite.tasks.items():
            truth = sample.targets[name]
            outputs = [predictions[budget][index][name] for budget in plans]
            pictures = [painted(task, output, sample.image, truth)[0] for output in (truth, *outputs)]
            rows.append([sample.image, *pictures])
    height, width = samples[0].image.shape[:2]
    cell = (width * _SCALE, height * _SCALE)
    sheet = Image.new("RGB", (len(columns) * (cell[0] + 4), len(rows) * (cell[1] + 4) + _CAPTION), "white")
    draw = ImageDraw.Draw(sheet)
    for column, caption in enumerate(columns):
        draw.text((column * (cell[0] + 4) + 2, 3), caption, fill="black")
        for row, pictures in enumerate(rows):
            picture = Image.fromarray(pictures[column]).resize(cell, Image.Resampling.BILINEAR)
            sheet.paste(picture, (column * (cell[0] + 4), _CAPTION + row * (cell[1] + 4)))
    sheet.save(out)


def _predictions(suite: Suite, plan: Plan, images: list[Any]) -> list[dict[str, Any]]:
    with suite.load(plan) as model:
        return [model(image) for image in images]
