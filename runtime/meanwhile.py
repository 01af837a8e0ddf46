"""A model that answers by onnxruntime while its TensorRT engine is built, then by the engine: no frame waits."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING

from ..devices.errors import EngineUnavailable, PliantError
from .model import Model
from .session import load_subnet

if TYPE_CHECKING:
    from .manifest import SubnetInfo
    from .suite import Suite

_LOG = logging.getLogger("pliant.build")


def load_meanwhile(
    suite: Suite, info: SubnetInfo, tasks: tuple[str, ...], engine: str, threads: int | None, batch: int, color: str
) -> Model:
    """The engine's model where it is built; else onnxruntime's on the CPU, and a thread that builds and hands over.

    The engine is for up to `batch` images a call. The thread ends with the model. What it does, and what goes wrong, it
    logs to `pliant.build`.
    """
    from .tensorrt.bindings import load_bindings

    load_bindings(engine)
    try:
        return Model(suite, load_subnet(suite, info, tasks, False, engine, threads), None, color)
    except EngineUnavailable as error:
        _LOG.info("%s serves on the CPU meanwhile: %s", info.id, error)
    model = Model(suite, load_subnet(suite, info, tasks, False, "cpu", threads), None, color)
    threading.Thread(
        target=_build, args=(model, info, engine, batch), name=f"building for {info.id}", daemon=True
    ).start()
    return model


class _Closed(Exception):
    """Nobody waits for the engine any more."""


def _build(model: Model, info: SubnetInfo, engine: str, batch: int) -> None:
    from .tensorrt.engines import build_engines
    from .tensorrt.load import engine_settings

    def report(what: str, done: int, total: int) -> None:
        if model.closed:
            raise _Closed

    try:
        old = model.session
        settings = engine_settings(model.suite, old.tasks, engine, batch)
        for built in build_engines(model.suite, [info], settings, report=report):
            _LOG.info("the engine of %s is there: built in %.1f s", built.subnet, built.info.seconds)
        new = load_subnet(model.suite, info, old.tasks, False, engine, old.threads)
        if not model._hand_over(new, instead_of=info):
            _LOG.info("the engine of %s is not used: the model switched meanwhile", info.id)
    except _Closed:
        pass
    except PliantError as error:
        if not model.closed:
            _LOG.warning("%s stays on the CPU: %s", info.id, error)
