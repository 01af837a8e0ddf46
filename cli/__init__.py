"""The terminal: one verb a step, numbers as tables or JSON, mistakes as one plain line.

`deploy` holds the verbs of the deployed half, `make` those of the building half. What a verb needs is imported
inside it, so that `pliant --help` is quick and `pliant plan` never meets torch.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable, Sequence
from typing import Annotated

import typer

from . import data, deploy, doctor, engines, make, measure, run
from .failing import report

__all__ = ["app", "main"]

app = typer.Typer(
    name="pliant",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)


@app.callback(invoke_without_command=True)
def _front(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version and stop.")] = False,
) -> None:
    """One multi-task vision network that bends to any compute budget, shipped as one file.

    \b
    Examples:
      pliant demo                                      the whole path, on built-in data
      pliant run                                       the sample suite on the sample image
      pliant plan scenes.pliant --latency 15ms         which subnet fits, and why
    """
    if version:
        from .. import __version__

        typer.echo(f"pliant {__version__}")
    elif context.invoked_subcommand is None:
        typer.echo(context.get_help())


_VERBS: tuple[tuple[Callable[..., None], str], ...] = (
    (make.demo, "the main job on built-in data"),
    (make.train, "a supernet from a recipe"),
    (make.search, "the front of subnets worth shipping"),
    (make.export, "one suite from a checkpoint and a front"),
    (deploy.inspect, "tasks, subnets, their cost and quality"),
    (deploy.verify, "digests, bounds, every subnet's witness"),
    (deploy.sign, "by your key; `verify --key` checks it"),
    (deploy.plan, "which subnet fits a budget, and why"),
    (run.run, "pictures of what a subnet sees"),
    (measure.bench, "latency percentiles of subnets"),
    (measure.profile, "measure every subnet here"),
    (engines.build, "TensorRT engines for this GPU, or for another"),
    (deploy.extract, "one subnet as plain ONNX"),
    (deploy.package, "subnets as an onnxruntime model package"),
    (doctor.doctor, "what this machine can run"),
)
for _verb, _short in _VERBS:
    app.command(short_help=_short)(_verb)
app.add_typer(data.app, name="data", short_help="`data check`: what is missing or wrong in a data set")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb and return the exit code: 0 done, 1 failed, 2 misused, 130 interrupted."""
    _survive_closed_streams()
    _survive_any_encoding()
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        # Not `app()`: typer would print errors its own way and exchange sys.excepthook.
        with typer.main.get_command(app).make_context("pliant", given) as context:
            context.command.invoke(context)
        sys.stdout.flush()
        return 0
    except (Exception, KeyboardInterrupt) as error:
        code = report(error)
        _close_broken_pipe(error)
        return code


def _close_broken_pipe(error: BaseException) -> None:
    """A reader such as `head` has gone: what is still buffered must not be flushed at exit, with a traceback."""
    if isinstance(error, BrokenPipeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _survive_closed_streams() -> None:
    """Closed by whoever started this (`>&-`), a stream is None; its number must not go to the next file opened."""
    for name in ("stdin", "stdout", "stderr"):
        if getattr(sys, name) is None:
            nothing = os.open(os.devnull, os.O_RDWR)
            setattr(sys, name, os.fdopen(nothing, "r" if name == "stdin" else "w", encoding="utf-8"))


def _survive_any_encoding() -> None:
    """An arrow or a file name that the terminal's encoding lacks becomes a question mark, not an error."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
