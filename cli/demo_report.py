"""What the demo shows: a table of budgets, the effect of a preference, and a contact sheet."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .demo_budgets import THREADS, WEIGHT
from .pictures import painted
from .tables import milliseconds, print_table, size

if TYPE_CHECKING:
    from ..runtime.planning.plan import Plan
    from ..runtime.suite import Suite
    from ..training.recipe.recipe import Recipe

_IMAGES = (0, 3)
_SCALE = 2
_CAPTION = 18


def report_json(suite: Suite, budgets: Mapping[str, Plan], preferences: Mapping[str, Plan]) -> dict[str, Any]:
    """What `demo --json` says of its plans: by budget, and at one budget by preferred task."""
    heads = {name: {"metric": t.metric, "higher_is_better": t.higher_is_better} for name, t in suite.tasks.items()}
    return {
        "tasks": heads,
        "budgets": {name: _row(suite, plan) for name, plan in budgets.items()},
        "preference_weight": WEIGHT,
        "preferences": {name: _row(suite, plan) for name, plan in preferences.items()},
    }


def _row(suite: Suite, plan: Plan) -> dict[str, Any]:
    return {
        "limit_ms": plan.budget.latency_ms,
        "subnet": plan.subnet.id,
        "decoder_widths": dict(sorted(plan.subnet.widths.decoders.items())),
        "latency_ms": plan.latency_ms.value if plan.latency_ms else None,
        "bytes": plan.bytes,
        "quality": {name: plan.subnet.quality[name].value for name in suite.tasks},
    }


def print_report(report: dict[str, Any]) -> None:
    """The same for people: one line a budget, one a preference, and where everything lies."""
    heads = _heads(report["tasks"])
    print()
    rows = [(name, f"{row['limit_ms']:g}", *_cells(row)) for name, row in report["budgets"].items()]
    print_table(("budget", "limit ms", *heads), rows)
    print()
    _print_preferences(report["preferences"], f"{report['preference_weight']:g} times as much", heads)
    print()
    print(f"suite         {report['suite']}   (pliant inspect, plan, run, bench, verify)")
    print(f"latencies     of {THREADS} thread; --threads {THREADS} makes plan, run and bench comparable")
    print(f"pictures      {report['pictures']}")
    print(f"front         {report['page']}, {report['plot']}, {report['front']}")
    print(f"took          {report['minutes']:.1f} min")


def _print_preferences(preferences: Mapping[str, Any], much: str, heads: tuple[str, ...]) -> None:
    nothing = preferences["nothing"]
    at, others = f"at {nothing['limit_ms']:g} ms", [name for name in preferences if name != "nothing"]
    same = [name for name in others if preferences[name]["subnet"] == nothing["subnet"]]
    if same == others:  # a table would say one row thrice
        chosen = f"{nothing['subnet']} is the best for it too"
        print(f"{at} preferring {' or '.join(same)}, counting {much}, changes nothing: {chosen}")
        return
    print(f"{at}, where a preference tells most: one task counting {much}")
    rows = [(name, _decoders(row), *_cells(row)) for name, row in preferences.items()]
    print_table(("preferred", "decoder widths", *heads), rows)
    print(f"decoder widths: those of {', '.join(nothing['decoder_widths'])}, in this order")
    if same:
        print(f"preferring {' or '.join(same)} changes nothing here: the same subnet is the best for it")


def _heads(tasks: Mapping[str, Any]) -> tuple[str, ...]:
    arrows = {True: "↑", False: "↓"}
    qualities = (f"{name}\n{task['metric']} {arrows[task['higher_is_better']]}" for name, task in tasks.items())
    return ("subnet", "p50\nms", "bytes", *qualities)


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    quality = (f"{value:.3f}" for value in row["quality"].values())
    return (row["subnet"], milliseconds(row["latency_ms"]), size(row["bytes"]), *quality)


def _decoders(row: dict[str, Any]) -> str:
    return " ".join(f"{width:g}" for width in row["decoder_widths"].values())


def write_sheet(suite: Suite, recipe: Recipe, plans: Mapping[str, Plan], out: Path) -> None:
    """A PNG: for some test images one row a task, with input, truth and the prediction at each budget."""
    from PIL import Image, ImageDraw

    from ..training.prepare import open_split

    samples = [open_split(recipe, "test")[index] for index in _IMAGES]
    predictions = {
        name: _predictions(suite, plan, [sample.image for sample in samples]) for name, plan in plans.items()
    }
    columns = ["input", "truth", *(_caption(name, plan) for name, plan in plans.items())]
    rows, names = [], []
    for index, sample in enumerate(samples):
        for name, task in suite.tasks.items():
            truth = sample.targets[name]
            outputs = [predictions[budget][index][name] for budget in plans]
            pictures = [painted(task, output, sample.image, truth).pixels for output in (truth, *outputs)]
            rows.append([sample.image, *pictures])
            names.append(name)
    height, width = samples[0].image.shape[:2]
    cell = (width * _SCALE, height * _SCALE)
    sheet = Image.new("RGB", (len(columns) * (cell[0] + 4), len(rows) * (cell[1] + 4) + _CAPTION), "white")
    draw = ImageDraw.Draw(sheet)
    for column, caption in enumerate(columns):
        draw.text((column * (cell[0] + 4) + 2, 3), caption, fill="black")
        for row, pictures in enumerate(rows):
            picture = Image.fromarray(pictures[column]).resize(cell, Image.Resampling.BILINEAR)
            sheet.paste(picture, (column * (cell[0] + 4), _CAPTION + row * (cell[1] + 4)))
    for row, name in enumerate(names):
        place = (5, _CAPTION + row * (cell[1] + 4) + 3)
        draw.text(place, name, fill="white", stroke_width=2, stroke_fill="black")
    sheet.save(out)


def _caption(name: str, plan: Plan) -> str:
    took = f", {plan.latency_ms.value:.2f} ms" if plan.latency_ms else ""
    return f"{name}: {plan.subnet.id}{took}"


def _predictions(suite: Suite, plan: Plan, images: list[Any]) -> list[dict[str, Any]]:
    with suite.load(plan) as model:
        return [model(image) for image in images]
