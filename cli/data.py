"""The verb `data check`: what is missing or wrong in a data set."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .failing import need_building_half
from .options import Json, path_option
from .progress import progress_bar
from .tables import print_json, print_table

if TYPE_CHECKING:
    from ..training.data.check import Found

_PRINTED = 40

app = typer.Typer(
    rich_markup_mode=None,
)


@app.callback(invoke_without_command=True)
def _front(context: typer.Context) -> None:
    """Look at the data that is trained on.

    \b
    Examples:
      pliant data check nyudv2 --root datasets
      pliant data check my-recipe.yaml
    """
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


@app.command(short_help="what is missing or wrong, file by file")
def check(
    what: Annotated[
        str, typer.Argument(metavar="NAME|RECIPE|FOLDER", help="A data set, a recipe or a folder.", show_default=False)
    ],
    root: Annotated[Path | None, path_option("DIR", "The folder with the files; of a recipe, its data.root.")] = None,
    as_json: Json = False,
) -> None:
    """Read every picture and label of a data set and say what is missing or wrong, file by file.

    Of a recipe only what it trains on is checked. Exit code 1 when anything is
    missing or wrong; notes are of what may be meant, such as depths outside the
    range. The first 40 of each are printed, --json has up to 10,000.

    \b
    Examples:
      pliant data check camvid
      pliant data check pascal-context --root datasets
      pliant data check my-folder --json
    """
    need_building_half("data check", "torch", "pydantic", "yaml")
    from ..training.checking import check as check_all

    with progress_bar() as report:
        found = check_all(what, root, report)
    if as_json:
        print_json(_entry(what, found))
    else:
        _print(what, found)
    if not found.ok:
        raise typer.Exit(1)


def _entry(what: str, found: Found) -> dict[str, Any]:
    splits = [
        {"data": row.data, "split": row.split, "samples": row.samples, "labelled": row.labelled} for row in found.splits
    ]
    return {
        "data": what,
        "ok": found.ok,
        "splits": splits,
        "faults": found.faults,
        "faults_in_all": found.count,
        "notes": found.notes,
        "notes_in_all": found.noted,
    }


def _print(what: str, found: Found) -> None:
    rows = [
        (row.data, row.split, str(row.samples), ", ".join(f"{task} {number}" for task, number in row.labelled.items()))
        for row in found.splits
    ]
    if rows:
        print_table(("data", "split", "samples", "labelled"), rows)
    _print_lines(found.faults, found.count)
    _print_lines([f"note: {line}" for line in found.notes], found.noted)
    said = _counted(found.count, "fault") if found.count else "all is there"
    print(f"{what}: {said}" + (f", {_counted(found.noted, 'note')}" if found.noted else ""))


def _print_lines(lines: list[str], count: int) -> None:
    for line in lines[:_PRINTED]:
        print(line)
    if count > _PRINTED:
        print(f"... and {count - _PRINTED} more")


def _counted(count: int, what: str) -> str:
    return f"{count} {what}" + ("" if count == 1 else "s")
