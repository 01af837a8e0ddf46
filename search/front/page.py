"""A front as a page to play with: sliders for the budget and the tasks' weights, and the subnet that they choose.

The page is one file that needs nothing else: `page.html` with `page.css` and the scripts in it, and the front as JSON.

| file           | what it holds                                                       |
|----------------|---------------------------------------------------------------------|
| page_choice.js | the data, the choice, budgets as the command line writes them       |
| page.js        | the state, which lives in the address; the controls and the card    |
| page_charts.js | the scatter plots                                                   |
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

from ...devices.errors import InputError
from ...devices.writing import write_atomically
from ..score import Yardstick
from ..wording import precision_in_words
from .front import Front
from .plot import COLORS, GREY, INK, RULE, title

_SCRIPTS = ("page_choice.js", "page_charts.js", "page.js")


def write_page(front: Front, path: str | Path) -> None:
    """Write the HTML file, whole or not at all; InputError where it cannot be written."""
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, _page(front))
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror}") from error


def _page(front: Front) -> str:
    colors = {"INK": INK, "GREY": GREY, "RULE": RULE, "ACCENT": COLORS[0]}
    parts = {
        # As numbers where it is not ASCII: a title can hold what UTF-8 cannot, a lone surrogate.
        "TITLE": html.escape(title(front)).encode("ascii", "xmlcharrefreplace").decode(),
        "STYLE": _filled("page.css", colors),
        "SCRIPT": "\n".join(_filled(name, {}) for name in _SCRIPTS),
        "FRONT": _data(front.to_json()),
        "FACTS": _data(_facts(front)),
    }
    return _filled("page.html", parts)


def _facts(front: Front) -> dict[str, Any]:
    """What the script needs beside the front. Relative quality is worked out here, by the rule that plans use."""
    relative = Yardstick(front.tasks, front.widest.quality).relative([entry.quality for entry in front.entries])
    return {
        "tasks": [task.name for task in front.tasks],
        "colors": COLORS,
        "widest": front.entries.index(front.widest),
        "relative": relative.tolist(),
        "precision": [precision_in_words(entry.config) for entry in front.entries],
    }


def _data(value: Any) -> str:
    """JSON that stays data inside a script element: no `</script>` or `<!--`, whatever a task is called."""
    return json.dumps(value, separators=(",", ":")).replace("<", "\\u003c")


def _filled(name: str, parts: Mapping[str, str]) -> str:
    """A file of this package with `__NAME__` replaced, in one pass: what is put in is not read again."""
    text = resources.files(__package__).joinpath(name).read_text(encoding="utf-8")
    return re.sub("__([A-Z]+)__", lambda found: parts[found[1]], text)
