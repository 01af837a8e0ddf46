"""Fresh processes of this Python that import nothing from where they are started: a module `numpy` there would be run.

PYTHONSAFEPATH asks for that from Python 3.11 on; 3.10 looks into the working directory first, whatever it is told.
"""

from __future__ import annotations

import sys

_SAFE = "import sys; sys.path[:] = [place for place in sys.path if place]; "
_MODULE = "import runpy; runpy.run_module(sys.argv.pop(1), run_name='__main__', alter_sys=True)"


def code_command(code: str) -> list[str]:
    """What runs some code in a fresh process."""
    return [sys.executable, "-c", _SAFE + code]


def module_command(module: str, *arguments: str) -> list[str]:
    """What runs a module in a fresh process, as `python -m` does."""
    return [*code_command(_MODULE), module, *arguments]
