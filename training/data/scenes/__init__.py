"""Built-in data: pictures rendered by ray casting, with exact labels (see `render.render`)."""

from .render import CLASSES, TASKS, render

__all__ = ["CLASSES", "TASKS", "render"]
