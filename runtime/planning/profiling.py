"""A suite's subnets measured for another process: progress and the profile as lines on stdout.

    python -m pliant.runtime.planning.profiling MODEL.pliant '{"tasks": null, "provider": "cpu", "threads": 2,
    "seconds": 1.5}'

prints `pliant progress [what, done, total]` now and then, and `pliant profile {...}` at the end. It is what
`pliant profile --remote` runs on a board, which needs no terminal's packages for it.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from ...devices.errors import PliantError
from ..format.suite_file import SuiteFile
from .latency import CONFIRM, profile_suite


def main(arguments: Sequence[str] | None = None) -> int:
    """The command of this module; a PliantError is the last line on stderr, with exit code 1."""
    path, given = sys.argv[1:] if arguments is None else arguments
    how = json.loads(given)
    effort = replace(CONFIRM, seconds=how.pop("seconds"))
    try:
        with SuiteFile(path) as suite:
            found = profile_suite(suite, effort=effort, progress=_progress, **how)
    except PliantError as error:
        print(error, file=sys.stderr)
        return 1
    _say("profile", found.to_json())
    return 0


def _progress(what: str, done: int, total: int) -> None:
    _say("progress", [what, done, total])


def _say(kind: str, value: Any) -> None:
    print("pliant", kind, json.dumps(value, allow_nan=False), flush=True)


if __name__ == "__main__":
    sys.exit(main())
