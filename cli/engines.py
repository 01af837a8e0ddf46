"""`pliant build`: TensorRT engines from a suite."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Annotated

import typer

from .options import Json, Subnets, Suite, Tasks, once
from .places import suite_at
from .progress import note, progress_bar

if TYPE_CHECKING:
    from ..runtime.tensorrt.engines import EngineResult


def build(
    model: Suite,
    subnets: Subnets = None,
    engine: Annotated[
        str | None, typer.Option(metavar="tensorrt|tensorrt-rtx", help="[default: the one that is installed]")
    ] = None,
    capability: Annotated[
        str | None,
        typer.Option(
            "--compute-capability", metavar="X.Y", help="GPU to build for, as in 8.9 [default: that of this machine]."
        ),
    ] = None,
    batch: Annotated[int, typer.Option(min=1, metavar="N", help="Most images of a call.")] = 1,
    tasks: Tasks = None,
    dla: Annotated[int | None, typer.Option(metavar="N", help="Deep-learning accelerator of a Jetson.")] = None,
    as_json: Json = False,
) -> None:
    """Build TensorRT engines of subnets, or find those that were built: they are kept on this machine.

    TensorRT builds for the GPU that is here; TensorRT for RTX (in a checkout `pip install '.[tensorrt-rtx]'`) also for
    another one, on a machine without any. What is built for this machine runs with `--provider tensorrt` or
    `tensorrt-rtx`, and plans choose among it; what is built for another GPU says that it can be.

    \b
    Examples:
      pliant build scenes.pliant --subnet s04-int8
      pliant build scenes.pliant --engine tensorrt-rtx --compute-capability 8.9
    """
    from ..runtime.format.suite_file import no_graph
    from ..runtime.tensorrt.bindings import installed
    from ..runtime.tensorrt.cache import EngineCache
    from ..runtime.tensorrt.engines import build_engines
    from ..runtime.tensorrt.load import engine_settings
    from .tables import print_json

    cache = EngineCache()
    with suite_at(model) as suite:
        asked = engine_settings(suite, suite.check_tasks(tasks), engine or installed(), batch)
        settings = replace(asked, capability=capability, dla=dla)
        chosen = once(subnets) or [subnet.id for subnet in suite.subnets if "tensorrt" in subnet.graphs]
        absent = [] if subnets else [subnet.id for subnet in suite.subnets if "tensorrt" not in subnet.graphs]
        if not chosen:
            raise no_graph(suite, suite.subnets[0], "tensorrt")
        if absent:
            note(f"without a graph for TensorRT, where their precision costs too much: {', '.join(absent)}")
        with progress_bar() as report:
            found = list(build_engines(suite, chosen, settings, cache=cache, report=report))
    if as_json:
        engines = [{"fresh": each.fresh, "replaced": each.replaced, **asdict(each.info)} for each in found]
        print_json({"model": str(model), "settings": settings.to_json(), "engines": engines})
        return
    _print(found)
    note(f"{settings}; kept in {cache.folder}")


def _print(found: list[EngineResult]) -> None:
    from .tables import print_table, size

    rows = []
    for each in found:
        layers = ", ".join(f"{count} {name}" for name, count in sorted(each.info.precisions.items()))
        how = f"built in {each.info.seconds:.1f} s" if each.fresh else f"of {each.info.built[:10]}"
        how += f", in place of {each.replaced}" if each.replaced else ""
        rows.append((each.subnet, how, size(each.info.bytes), layers))
    print_table(("subnet", "engine", "bytes", "layers"), rows)
