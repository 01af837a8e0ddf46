"""The options that several verbs share, and the request that the runtime's planner takes."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable, Sequence
from typing import Annotated, Any

import typer

from ..devices.errors import BudgetError


def path_argument(metavar: str, help: str) -> Any:
    """A path that stands without an option."""
    # Whether a file can be read is found out by reading it, wherever it lies: typer's own check calls it misuse.
    return typer.Argument(metavar=metavar, help=help, show_default=False, readable=False)


def path_option(metavar: str, help: str, *, show_default: bool = False) -> Any:
    """A path that an option names."""
    return typer.Option(metavar=metavar, help=help, show_default=show_default, readable=False)


Json = Annotated[bool, typer.Option("--json", help="JSON on stdout instead of a table.")]
Suite = Annotated[str, path_argument("MODEL.pliant", "A suite: a file, https://... or hf://owner/repo/file.")]
Subnets = Annotated[list[str] | None, typer.Option("--subnet", metavar="ID", help="Only this subnet; may be repeated.")]

Latency = Annotated[str | None, typer.Option(metavar="TIME", help="Limit, as in 15ms or 0.1s.")]
Memory = Annotated[str | None, typer.Option(metavar="SIZE", help="Limit of resident memory, as in 50MB.")]
Macs = Annotated[str | None, typer.Option(metavar="COUNT", help="Limit of multiply-adds, as in 2G.")]
Bytes = Annotated[str | None, typer.Option("--bytes", metavar="SIZE", help="Limit of weight bytes, as in 20MB.")]
Energy = Annotated[str | None, typer.Option(metavar="ENERGY", help="Limit for an inference, as in 30mJ.")]
Prefer = Annotated[
    list[str] | None,
    typer.Option(metavar="TASK=WEIGHT", help="Weight of a task (1 unless said); may be repeated."),
]
Floor = Annotated[
    list[str] | None,
    typer.Option(metavar="TASK=VALUE", help="Worst quality allowed of a task, in its metric; may be repeated."),
]
Tasks = Annotated[str | None, typer.Option(metavar="A,B", help="Only these tasks; the others cost nothing.")]
Quantile = Annotated[
    float | None, typer.Option(metavar="Q", help="Quantile that meets the latency limit [default: 0.5].")
]
Provider = Annotated[
    str | None,
    typer.Option(metavar="P", help="cpu, cuda, tensorrt, tensorrt-rtx or onnxruntime-tensorrt [default: cpu]."),
]
Threads = Annotated[
    int | None, typer.Option(min=1, metavar="N", help="Threads of the engine [default: one a physical core].")
]
Measure = Annotated[
    str | None,
    typer.Option(
        metavar="auto|never|known",
        help="Measure what was not measured yet, refuse, or choose among what was measured [default: auto].",
    ),
]


def pairs(option: str, given: Sequence[str] | None) -> dict[str, float]:
    """`depth=2` -> {"depth": 2.0}; BudgetError names the one that is not of that form."""
    found: dict[str, float] = {}
    for text in given or ():
        name, equals, value = text.partition("=")
        try:
            number = float(value)
        except ValueError:
            number = float("nan")
        if not name or not equals or number != number:
            raise BudgetError(f"{option} {text!r} is not TASK=NUMBER: write, for example, {option} depth=2")
        if name in found:
            raise BudgetError(f"{option} names {name!r} twice: give each task once")
        found[name] = number
    return found


def request(
    *,
    prefer: Sequence[str] | None = None,
    floor: Sequence[str] | None = None,
    tasks: str | None = None,
    **limits: Any,
) -> dict[str, Any]:
    """The keyword arguments of `Suite.plan`: only what was said."""
    asked = {name: value for name, value in limits.items() if value is not None}
    if prefer:
        asked["prefer"] = pairs("--prefer", prefer)
    if floor:
        asked["floors"] = pairs("--floor", floor)
    if tasks is not None:
        asked["tasks"] = tuple(name.strip() for name in tasks.split(",") if name.strip())
    return asked


def once(names: Iterable[str] | None) -> tuple[str, ...]:
    """What a repeatable option was given, each only once."""
    return tuple(dict.fromkeys(names or ()))


def _budget(
    latency: Latency = None,
    memory: Memory = None,
    macs: Macs = None,
    size: Bytes = None,
    energy: Energy = None,
    prefer: Prefer = None,
    floor: Floor = None,
    tasks: Tasks = None,
    quantile: Quantile = None,
    provider: Provider = None,
    threads: Threads = None,
    measure: Measure = None,
) -> dict[str, Any]:
    limits = {"latency": latency, "memory": memory, "macs": macs, "bytes": size, "energy": energy}
    how = {"quantile": quantile, "provider": provider, "threads": threads, "measure": measure}
    return request(prefer=prefer, floor=floor, tasks=tasks, **limits, **how)


def with_budget(verb: Callable[..., None]) -> Callable[..., None]:
    """Give a verb the options of a budget where its parameter `asked` stands: the keyword arguments of `Suite.plan`."""
    options = inspect.signature(_budget, eval_str=True).parameters
    own = inspect.signature(verb, eval_str=True)
    parameters = [
        parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY)
        for place in own.parameters.values()
        for parameter in (options.values() if place.name == "asked" else (place,))
    ]

    @functools.wraps(verb)
    def asking(**given: Any) -> None:
        verb(asked=_budget(**{name: given.pop(name) for name in options}), **given)

    # typer reads the options off both.
    asking.__signature__ = own.replace(parameters=parameters)  # type: ignore[attr-defined]
    asking.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return asking
