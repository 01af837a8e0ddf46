"""How latency follows width on a device: steps, where a thinner layer is no faster, as numbers and as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ...models.space import SearchSpace, SubnetConfig
from ...runtime.format.tasks import Task
from ..latency.model import LatencyModel
from .plot import COLORS, GREY, INK, STYLE, save_picture


@dataclass(frozen=True)
class Stair:
    """Estimated milliseconds of the whole network by the width of one part, all others at full width."""

    name: str
    widths: tuple[float, ...]
    milliseconds: tuple[float, ...]

    @property
    def wasted(self) -> tuple[float, ...]:
        """Widths that are no faster than a wider one."""
        pairs = list(zip(self.widths, self.milliseconds, strict=True))
        return tuple(width for width, own in pairs if any(other > width and time <= own for other, time in pairs))


def stairs(model: LatencyModel, space: SearchSpace, tasks: Sequence[Task]) -> list[Stair]:
    """One for each encoder stage, and one for each kind of decoder: decoders of a kind share their times."""
    found = []
    for stage in range(space.stages):
        widths = space.encoder_widths
        configs = [_with_stage(space, stage, width) for width in widths]
        found.append(Stair(f"encoder stage {stage}", widths, tuple(model(config) for config in configs)))
    kinds = {task.kind == "classification": task.name for task in reversed(tasks)}
    for name in kinds.values():
        widths = space.decoder_widths
        configs = [_with_decoder(space, name, width) for width in widths]
        what = f"decoder of {name}" if len(kinds) > 1 else "a decoder"
        found.append(Stair(what, widths, tuple(model(config) for config in configs)))
    return found


def plot_stairs(found: Sequence[Stair], where: str, path: str | Path) -> None:
    """Write a PNG: a panel for each part, its steps, and in red the widths that buy nothing."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context(STYLE):  # type: ignore[arg-type]
        figure = Figure(figsize=(2.6 * len(found) + 0.3, 2.9), dpi=130, layout="constrained")
        panels = figure.subplots(1, len(found), squeeze=False, sharey=True)[0]
        for axes, stair in zip(panels, found, strict=True):
            axes.grid(True, linewidth=0.8)
            axes.step(stair.widths, stair.milliseconds, where="mid", color=GREY, linewidth=1.2)
            for width, value in zip(stair.widths, stair.milliseconds, strict=True):
                axes.plot(width, value, "o", color=COLORS[1] if width in stair.wasted else INK, markersize=5)
            axes.set_title(stair.name, loc="left")
            axes.set_xlabel("width")
            axes.set_xticks(stair.widths)
        panels[0].set_ylabel("latency, ms (estimated)")
        note = "; coloured: no faster than a wider one" if any(stair.wasted for stair in found) else ""
        figure.suptitle(f"the widest subnet with one part thinner, on {where}{note}", fontsize=10, x=0.01, ha="left")
        save_picture(figure, path)


def _with_stage(space: SearchSpace, stage: int, width: float) -> SubnetConfig:
    widest = space.widest
    encoder = tuple(width if index == stage else full for index, full in enumerate(widest.encoder))
    return SubnetConfig(encoder, widest.decoders)


def _with_decoder(space: SearchSpace, task: str, width: float) -> SubnetConfig:
    widest = space.widest
    return SubnetConfig(
        widest.encoder, tuple((name, width if name == task else full) for name, full in widest.decoders)
    )
