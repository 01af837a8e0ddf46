"""Built-in data: pictures rendered by ray casting, with exact labels (see `picture.py`)."""

from .picture import CLASSES, TASKS, render

__all__ = ["CLASSES", "TASKS", "render"]
