"""`pliant profile --remote`: the runtime half and a suite go to a board over ssh, a profile comes back.

The board needs Python, numpy, safetensors and an engine, and keeps nothing.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..devices.errors import PliantError
from . import on_board
from .board import Board, Connection
from .progress import note, progress_bar

if TYPE_CHECKING:
    from ..devices.profile import DeviceProfile
    from ..runtime.suite import Suite
    from .progress import Report

# (module, distributions that have it, least version), as pyproject.toml asks for.
Needed = tuple[str, tuple[str, ...], str]
BASE: tuple[Needed, ...] = (("numpy", ("numpy",), "1.26"), ("safetensors", ("safetensors",), "0.5"))
CPU: Needed = ("onnxruntime", ("onnxruntime", "onnxruntime-gpu"), "1.23")
GPU: Needed = ("onnxruntime", ("onnxruntime-gpu", "onnxruntime"), "1.23")
# Bytes that unpacked files take of a disk, for each byte of the archive, and what the measurements take.
_UNPACKED, _ROOM_TO_WORK = 6, 4_000_000


def profile_there(suite: Suite, board: Board, asked: dict[str, Any], seconds: float) -> DeviceProfile:
    """Measure all subnets of a suite on a board; `asked` is as for `profile_suite`, `seconds` for each subnet.

    Raises BudgetError for a wrong request before anything is sent, PliantError with what to do for all that goes wrong.
    """
    how = _checked(suite, asked, seconds)
    packed = runtime_half()
    with Connection(board, _program(suite, board, how, len(packed))) as there:
        _wait_until_ready(there)
        note(f"measuring on {board}")
        with progress_bar() as report:
            if there.send(_pieces(suite, packed, report)):
                there.live()
            return _result(there, report)


def runtime_half() -> bytes:
    """What runs suites, as a zip of the installed files: pliant without the rooms that build, terminal or sample."""
    root = Path(__file__).resolve().parent.parent
    folders = [root / "runtime", root / "devices"]
    files = [root / "__init__.py", *(file for folder in folders for file in folder.rglob("*"))]
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as packed:
        for file in sorted(files):
            if file.suffix in (".py", ".json"):
                name = f"pliant/{file.relative_to(root).as_posix()}"
                packed.writestr(zipfile.ZipInfo(name), file.read_bytes(), zipfile.ZIP_DEFLATED)
    return held.getvalue()


def _checked(suite: Suite, asked: dict[str, Any], seconds: float) -> dict[str, Any]:
    """The request with its mistakes found here, not there."""
    from ..runtime.engine import check_provider, check_threads

    return {
        "tasks": list(suite.check_tasks(asked.get("tasks"))),
        "provider": check_provider(asked.get("provider", "cpu")),
        "threads": check_threads(asked.get("threads")),
        "energy": bool(asked.get("energy")),
        "seconds": seconds,
    }


def _program(suite: Suite, board: Board, how: dict[str, Any], packed: int) -> str:
    from ..runtime.tensorrt.settings import ENGINES

    own_engine = how["provider"] in ENGINES
    size = suite.container.size
    request = {
        "python": board.python,
        "needed": [*BASE, *([] if own_engine else [CPU if how["provider"] == "cpu" else GPU])],
        "room": size + _UNPACKED * packed + _ROOM_TO_WORK,
        "files": [("pliant.zip", packed), ("suite.pliant", size)],
        "how": how,
        # TensorRT's engines are those that were built there: they are in the user's own cache.
        "own_cache": not own_engine,
    }
    return f"{Path(on_board.__file__).read_text(encoding='utf-8')}\nsys.exit(main({json.dumps(request)!r}))\n"


def _pieces(suite: Suite, packed: bytes, report: Report) -> Iterator[bytes | memoryview]:
    sent, total = 0, len(packed) + suite.container.size
    yield packed
    for piece in suite.container.all_bytes():
        sent += len(piece)
        yield piece
        report("copying the suite", sent, total)
    suite.container.check_unchanged()


def _wait_until_ready(there: Connection) -> None:
    for kind, value in _said(there):
        if kind == "ready":
            return
        _refuse(there.board, kind, value)
    raise PliantError(f"{there.board}: {there.why_not()}")


def _result(there: Connection, report: Report) -> DeviceProfile:
    from ..devices.profile import DeviceProfile

    for kind, value in _said(there):
        if kind == "progress":
            with suppress(TypeError, ValueError):
                what, done, total = value
                report(str(what), int(done), int(total))
        elif kind == "profile":
            return DeviceProfile.from_json(value)
        else:
            _refuse(there.board, kind, value)
    code, last = there.code(), there.last_words()
    if code in (None, 255):  # ssh's own
        raise PliantError(
            f"{there.board}: connection lost ({last}); what was copied removes itself there: run this again"
        )
    raise PliantError(f"{there.board}: measuring ended there without a result: {last}")


def _refuse(board: Board, kind: str, value: Any) -> None:
    if kind == "problem":
        raise PliantError(f"{board}: {value}")


def _said(there: Connection) -> Iterator[tuple[str, Any]]:
    """What the board says to us; what its login scripts and engines print is passed over."""
    for line in there.lines():
        ours, _, rest = line.partition(" ")
        kind, _, value = rest.partition(" ")
        if ours == "pliant":
            try:
                yield kind, json.loads(value)
            except (ValueError, RecursionError):
                continue
