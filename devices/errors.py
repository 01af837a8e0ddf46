"""Every error that pliant raises on purpose, in the lowest room so that each room can raise them.

PliantError                 the root: catch this to catch all of them
├── SuiteError              the file: not a suite, truncated, lying, or changed while it was open
├── BudgetError             the request: an unreadable unit, an unknown task or subnet, an impossible limit
│   └── NoSubnetFits        nothing meets the budget; `.nearest` says what comes closest and by how much it misses
├── EngineUnavailable       an engine or extra is not installed; the message names the command that installs it
├── InputError              images or files of a wrong shape, type or content
├── RecipeError             a recipe: the one real mistake and its place
├── DataError               training data that is missing or wrong; the message says what to put where
├── ConfigError             a subnet configuration or search space that does not exist, or does not fit the other
├── TrainingError           a training that cannot go on: a loss that is not finite, a device that is not there
├── CheckpointError         a checkpoint folder that is missing, damaged or of another network
├── QuantizeError           a precision policy or calibration data that cannot give an int8 subnet
└── ExportError             an exported graph that does not do what the network does

Messages are one line: what is wrong, then what to do. The terminal prints them as they stand. `check_memory` tells
which errors of an engine are none of these, but want of memory.
"""

from __future__ import annotations

from .words import one_line


class PliantError(Exception):
    """Root of all errors that pliant raises on purpose."""


class SuiteError(PliantError):
    """The suite file cannot be used."""


class BudgetError(PliantError):
    """The request cannot be understood or can never be met."""


class NoSubnetFits(BudgetError):
    """No subnet meets the budget.

    `nearest` is the id of the subnet that misses by least; `misses` maps each limit that it
    breaks to the factor by which it does (1.3 means 30 % over).
    """

    def __init__(self, message: str, nearest: str | None = None, misses: dict[str, float] | None = None):
        super().__init__(message)
        self.nearest = nearest
        self.misses = misses or {}


class EngineUnavailable(PliantError):
    """An engine or an optional dependency is missing."""


class InputError(PliantError):
    """An image or a file given as input has the wrong shape, type or content."""


class RecipeError(PliantError):
    """A recipe has a mistake; the message names the key, its place and the nearest right one."""


class DataError(PliantError):
    """Training data is missing or wrong."""


class ConfigError(PliantError):
    """A configuration or a space does not exist, or does not fit the other."""


class TrainingError(PliantError):
    """Training cannot start or go on."""


class CheckpointError(PliantError):
    """A checkpoint cannot be read, or belongs to another network."""


class QuantizeError(PliantError):
    """A precision policy names unknown layers, or calibration gives no usable ranges."""


class ExportError(PliantError):
    """An exported graph differs from the network that it was made from."""


# How onnxruntime tells, on the CPU and on CUDA.
_OUT_OF_MEMORY = ("bad_alloc", "Failed to allocate memory", "out of memory")


def check_memory(error: Exception) -> None:
    """Raise MemoryError where an engine failed for want of memory: neither its graph nor the suite is to blame."""
    if any(sign in str(error) for sign in _OUT_OF_MEMORY):
        raise MemoryError(one_line(error)) from error
