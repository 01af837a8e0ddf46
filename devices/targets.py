"""The targets that pliant knows: `boards/`, one JSON file each, found by name or by what a machine is."""

from __future__ import annotations

from functools import lru_cache

from .errors import ConfigError
from .fingerprint import Fingerprint
from .target import Target
from .target_reading import read_folder, read_target


@lru_cache(maxsize=1)
def all_targets() -> dict[str, Target]:
    """Every descriptor, by name."""
    return {target.name: target for target in read_folder("boards", read_target)}


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
