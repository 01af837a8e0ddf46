"""Built-in data: pictures rendered by ray casting, with exact labels (see `picture.py`)."""

from .picture import TASKS, render
from .scene import CLASSES

__all__ = ["CLASSES", "TASKS", "render"]
