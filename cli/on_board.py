"""What runs on a board for `pliant profile --remote`: sent there as text, so it imports Python's own library only.

It says what is missing, or takes the files that come on stdin into a folder of its own, measures there, and removes the
folder. Stdin is also the lifeline: where it ends, or is silent for a minute, whoever asked has gone, and this ends too.
Stdout has lines `pliant KIND JSON`: ready, then those of `pliant.runtime.planning.profiling`, or a problem, which
is a text.
"""

from __future__ import annotations

import json
import os
import select
import shlex
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile
import time
import zipfile
from contextlib import suppress
from importlib import metadata, util
from typing import Any

# Seconds without a sign of life after which the other side is given up; it gives one every ten.
SILENCE = 60.0
_SIGNALS = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)


class Gone(Exception):
    """Nobody is there any more who wants the result."""


def main(given: str) -> int:
    """Do what the request, a JSON object, asks for: `python`, `needed`, `room`, `files`, `how`, `own_cache`."""
    for each in _SIGNALS:
        signal.signal(each, _end)
    request = json.loads(given)
    print()  # whatever a login script left on the line
    try:
        problem = lacking(request["needed"], request["python"]) or _work(request)
    except OSError as error:
        problem = f"{error.filename or 'the work there'}: {error.strerror or error}"
    except Gone:
        return 1
    if problem:
        say("problem", problem)
    return 1 if problem else 0


def say(kind: str, value: Any) -> None:
    """One line to the other side."""
    print("pliant", kind, json.dumps(value), flush=True)


def _end(number: int, _: object) -> None:
    for each in _SIGNALS:  # not once more, while the folder is removed
        signal.signal(each, signal.SIG_IGN)
    sys.exit(128 + number)


def lacking(needed: list[tuple[str, list[str], str]], python: str) -> str:
    """What is to be installed here and how, or nothing; `needed` are (module, its distributions, least version)."""
    missing = []
    for module, distributions, least in needed:
        found = [version for name in distributions if (version := _version(name))]
        if util.find_spec(module) is None or any(_numbers(version) < _numbers(least) for version in found):
            missing.append(f"{distributions[0]}>={least}")
    if not missing:
        return ""
    what = f"it has no {' and no '.join(missing)}: run there `"
    if sys.prefix == sys.base_prefix and os.path.exists(
        os.path.join(sysconfig.get_path("stdlib"), "EXTERNALLY-MANAGED")
    ):
        # Such a Python refuses pip.
        install = f"{shlex.quote(python)} -m venv --system-site-packages ~/pliant && ~/pliant/bin/pip install "
        return f"{what}{install}{shlex.join(missing)}`, and add --remote-python pliant/bin/python here"
    return f"{what}{shlex.quote(python)} -m pip install {shlex.join(missing)}`"


def _version(distribution: str) -> str | None:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def _numbers(version: str) -> list[int]:
    return [int(part) for part in version.split(".")[:2] if part.isdigit()]


def _work(request: dict[str, Any]) -> str:
    """Measure in a folder that is gone afterwards; what went wrong, or nothing."""
    places = list(dict.fromkeys((tempfile.gettempdir(), os.path.expanduser("~"))))
    place = next((place for place in places if _has_room(place, request["room"])), None)
    if place is None:
        megabytes = request["room"] / 1e6
        return f"it has no room: {megabytes:.0f} MB are needed in {' or '.join(places)}; make room there"
    with tempfile.TemporaryDirectory(prefix="pliant-", dir=place) as folder:
        say("ready", None)
        for name, size in request["files"]:
            _receive(os.path.join(folder, name), size)
        with zipfile.ZipFile(os.path.join(folder, "pliant.zip")) as packed:
            packed.extractall(folder)
        return _measure(request, folder)


def _has_room(place: str, room: int) -> bool:
    return os.access(place, os.W_OK) and shutil.disk_usage(place).free >= room


def _receive(path: str, size: int) -> None:
    with open(path, "wb") as file:
        while size:
            if not select.select([0], [], [], SILENCE)[0]:
                raise Gone
            piece = os.read(0, min(size, 1 << 20))
            if not piece:
                raise Gone
            file.write(piece)
            size -= len(piece)


def _measure(request: dict[str, Any], folder: str) -> str:
    # Engines, too, leave something in the temporary folder.
    environment = {**os.environ, "PYTHONPATH": folder, "TMPDIR": folder}
    if request["own_cache"]:
        environment["PLIANT_CACHE"] = os.path.join(folder, "cache")
    command = [sys.executable, "-m", "pliant.runtime.planning.profiling", "suite.pliant", json.dumps(request["how"])]
    log = os.path.join(folder, "stderr")
    with open(log, "wb") as errors:
        child = subprocess.Popen(
            command,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            start_new_session=True,  # so that it ends with all that it started
        )
    try:
        assert child.stdout is not None
        _pass_on(child.stdout.fileno())
        code = child.wait(SILENCE)
    finally:
        with suppress(OSError):  # it has ended
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()
    if code < 0:
        return f"measuring there was killed by signal {-code}: has it memory enough for this suite?"
    with open(log, encoding="utf-8", errors="replace") as file:
        lines = [line.strip() for line in file if line.strip()]
    return f"measuring there failed: {lines[-1] if lines else f'exit code {code}'}" if code else ""


def _pass_on(pipe: int) -> None:
    """Everything that comes through the pipe goes to stdout, until it ends; Gone where stdin ends or is silent."""
    heard = time.monotonic()
    while True:
        ready = select.select([0, pipe], [], [], SILENCE)[0]
        if 0 in ready:
            if not os.read(0, 1 << 12):
                raise Gone
            heard = time.monotonic()
        elif time.monotonic() - heard > SILENCE:
            raise Gone
        if pipe in ready:
            data = os.read(pipe, 1 << 16)
            if not data:
                return
            sys.stdout.buffer.write(data)
            sys.stdout.buffer.flush()
