"""The targets that pliant knows: `boards/`, one JSON file each, found by name or by what a machine is."""

from __future__ import annotations

import json
from functools import lru_cache
from importlib import resources

from .errors import ConfigError
from .fingerprint import Fingerprint
from .target import Target
from .target_reading import read_target


@lru_cache(maxsize=1)
def all_targets() -> dict[str, Target]:
    """Every descriptor, by name."""
    folder = resources.files(__package__).joinpath("boards")
    files = sorted((file for file in folder.iterdir() if file.name.endswith(".json")), key=lambda file: file.name)
    found = [read_target(json.loads(file.read_text(encoding="utf-8"))) for file in files]
    return {target.name: target for target in found}


def get_target(name: str) -> Target:
    """The descriptor of a name; ConfigError lists those that exist."""
    targets = all_targets()
    if name not in targets:
        raise ConfigError(f"no target is called {name!r}: there are {', '.join(targets)}")
    return targets[name]


def match_target(fingerprint: Fingerprint) -> Target | None:
    """The most special descriptor that this machine is of, graphics cards aside, or None."""
    matching = [target for target in all_targets().values() if not target.match.gpu and target.matches(fingerprint)]
    return max(matching, key=lambda target: (target.match.names_a_board, len(target.match.isa)), default=None)


def match_card(fingerprint: Fingerprint) -> Target | None:
    """The descriptor of the machine's graphics card, or None without one."""
    cards = (target for target in all_targets().values() if target.match.gpu)
    return next((target for target in cards if target.matches(fingerprint)), None)
