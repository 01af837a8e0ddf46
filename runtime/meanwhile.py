"""A model that answers by onnxruntime while its TensorRT engine is built, then by the engine: no frame waits."""

from __future__ import annotations

import logging
import threading
import weakref
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..devices.errors import EngineUnavailable
from ..devices.words import one_line
from .model import Model
from .session import load_subnet

if TYPE_CHECKING:
    from .format.manifest import SubnetInfo
    from .plannable import PlannableSuite

_LOG = logging.getLogger("pliant.build")


def load_meanwhile(
    suite: PlannableSuite,
    info: SubnetInfo,
    tasks: tuple[str, ...],
    engine: str,
    threads: int | None,
    batch: int,
    color: str,
) -> Model:
    """The engine's model where it is built; else onnxruntime's on the CPU, and a thread that builds and hands over.

    The engine is for up to `batch` images a call. The thread ends when the model is closed or dropped. What it does,
    and what goes wrong, it logs to `pliant.build`.
    """
    from .tensorrt.bindings import load_bindings

    load_bindings(engine)
    try:
        return Model(suite, load_subnet(suite, info, tasks, False, engine, threads, batch=batch), None, color)
    except EngineUnavailable as error:
        _LOG.info("%s serves on the CPU meanwhile: %s", info.id, error)
    model = Model(suite, load_subnet(suite, info, tasks, False, "cpu", threads), None, color)
    what = (weakref.ref(model), suite, info, _Old(tasks, engine, threads, batch))
    threading.Thread(target=_build, args=what, name=f"building for {info.id}", daemon=True).start()
    return model


class _Closed(Exception):
    """Nobody waits for the engine any more."""


def _build(waiting: weakref.ref[Model], suite: PlannableSuite, info: SubnetInfo, old: _Old) -> None:
    """Build, and hand the engine over; the model is held weakly, so that one that is dropped ends it too."""
    from .tensorrt.build import exiting
    from .tensorrt.engines import build_engines
    from .tensorrt.load import engine_settings

    def report(what: str, done: int, total: int) -> None:
        model = waiting()
        if model is None or model.closed:
            raise _Closed

    try:
        settings = engine_settings(suite, old.tasks, old.engine, old.batch)
        for built in build_engines(suite, [info], settings, report=report):
            _LOG.info("the engine of %s is there: built in %.1f s", built.subnet, built.info.seconds)
        new = load_subnet(suite, info, old.tasks, False, old.engine, old.threads, batch=old.batch)
        model = waiting()
        if model is not None and not model._hand_over(new, instead_of=info):
            _LOG.info("the engine of %s is not used: the model was closed, or switched", info.id)
    except _Closed:
        pass
    except Exception as error:  # a thread has nobody to raise to
        if (model := waiting()) is not None and not model.closed and not exiting():
            _LOG.warning("%s stays on the CPU: %s", info.id, one_line(error))


@dataclass(frozen=True)
class _Old:
    """What the model was loaded with, and what it waits for."""

    tasks: tuple[str, ...]
    engine: str
    threads: int | None
    batch: int
