"""Processes that are started with torch imported: forked from one that has imported it, and does nothing else.

Some tests start ten processes, and each would take longer to import torch than to train. What runs in them is what
`python -m MODULE` or `python -c CODE` would run, with an environment, a stdout and a stderr of its own.
"""

from __future__ import annotations

import multiprocessing
import os
import runpy
import signal
import sys
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path

_FORKS = multiprocessing.get_context("forkserver")
# The second is what optimizers import when they are made.
_FORKS.set_forkserver_preload(["pliant.training.loop", "torch._dynamo"])


class Forked:
    """As much of `subprocess.Popen` as tests of training use, of `python COMMAND` (-m MODULE or -c CODE, arguments).

    What it writes to stdout and stderr is kept in two files beside `said`.
    """

    def __init__(self, said: Path, *command: str, **environ: str):
        self._said = [said.with_name(f"{said.name}.{name}") for name in ("stdout", "stderr")]
        given = command, {**os.environ, **environ}, list(map(str, self._said))
        # By the package's name: pytest names its modules by the folder of the checkout, whatever that is called.
        run = import_module("pliant.tests.training.forked")._run
        self._process = _FORKS.Process(target=run, args=given, daemon=True)
        self._process.start()

    def poll(self) -> int | None:
        """The exit code, negative where a signal ended it; None while it runs."""
        return self._process.exitcode

    def wait(self, seconds: float) -> int:
        """The exit code at the end; AssertionError where it does not end in time."""
        self._process.join(seconds)
        code = self.poll()
        assert code is not None, f"still running after {seconds:g} s"
        return code

    def send_signal(self, number: int) -> None:
        """To this process alone; nothing where it has ended."""
        if self.poll() is None and self._process.pid is not None:
            os.kill(self._process.pid, number)

    def kill(self) -> None:
        """By SIGKILL."""
        self.send_signal(signal.SIGKILL)

    def said(self) -> tuple[str, str]:
        """What it has written to stdout and stderr."""
        out, errors = (path.read_text() if path.exists() else "" for path in self._said)
        return out, errors


def _run(command: tuple[str, ...], environ: Mapping[str, str], said: list[str]) -> None:
    for number, path in enumerate(said, 1):
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(file, number)
        os.close(file)
    os.environ.clear()
    os.environ.update(environ)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    how, what, *arguments = command
    sys.argv = [what if how == "-m" else how, *arguments]
    if how == "-m":
        runpy.run_module(what, run_name="__main__", alter_sys=True)
    else:
        exec(what, {"__name__": "__main__"})
