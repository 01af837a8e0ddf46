"""What the terminal says when something goes wrong: one plain line on stderr, and an exit code.

0 done · 1 failed · 2 misused · 130 interrupted. `PLIANT_DEBUG=1` adds the traceback.
"""

from __future__ import annotations

import os
import sys
import traceback
from typing import Any

from ..devices.errors import BudgetError, EngineUnavailable, NoSubnetFits, PliantError
from .plain import one_line

FAILED = 1
MISUSED = 2
INTERRUPTED = 130


def report(error: BaseException) -> int:
    """Say on stderr what happened and return the exit code; an exit that was asked for says nothing."""
    code, line = explain(error)
    if line and os.environ.get("PLIANT_DEBUG"):
        traceback.print_exception(error, file=sys.stderr)
    if line:
        print(line, file=sys.stderr)
    return code


def explain(error: BaseException) -> tuple[int, str]:
    """(exit code, the line for stderr); the line is empty where there is nothing to say."""
    if isinstance(error, PliantError):
        misused = isinstance(error, BudgetError) and not isinstance(error, NoSubnetFits)
        return (MISUSED if misused else FAILED), one_line(error)
    if isinstance(error, BrokenPipeError):
        return FAILED, ""
    if isinstance(error, KeyboardInterrupt):
        return INTERRUPTED, one_line(error) or "interrupted"
    if isinstance(error, OSError) and error.strerror:
        where = f"{error.filename}: " if error.filename else ""
        return FAILED, one_line(f"{where}{error.strerror}")
    return _of_typer(error) or (FAILED, _unexpected(error))


def _of_typer(error: BaseException) -> tuple[int, str] | None:
    # typer carries its own click or uses the installed one, by version: told by what they do, not by class.
    code = getattr(error, "exit_code", None)
    if not isinstance(code, int):
        return None
    if not hasattr(error, "format_message"):
        return code, ""
    message = one_line(error.format_message()).rstrip(".")
    context: Any = getattr(error, "ctx", None)
    command = context.command_path if context else "pliant"
    return MISUSED, f"{message[:1].lower()}{message[1:]}; `{command} --help` shows how it is used"


def _unexpected(error: BaseException) -> str:
    what = f"{type(error).__name__}: {one_line(error)}".rstrip(": ")
    hint = "" if os.environ.get("PLIANT_DEBUG") else " (PLIANT_DEBUG=1 shows where)"
    return f"unexpected {what}{hint}"


def need_building_half(verb: str, *modules: str) -> None:
    """Raise EngineUnavailable, naming the extra, unless the modules of the building half are installed."""
    from importlib.util import find_spec

    missing = [name for name in dict.fromkeys(modules) if find_spec(name) is None]
    if missing:
        raise EngineUnavailable(
            f"`pliant {verb}` needs {', '.join(missing)}, which the deployed half goes without: "
            "in a checkout of pliant, pip install '.[build]'"
        )
