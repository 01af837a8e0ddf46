"""A suite's file that answers budgets: what a model needs of a suite, which it switches by."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..devices.errors import BudgetError
from .format.suite_file import SuiteFile

if TYPE_CHECKING:
    from .planning.plan import Plan


class PlannableSuite(SuiteFile):
    """A suite's file with plans. Safe to use from many threads; a context manager."""

    def plan(self, **budget: Any) -> Plan:
        """Choose a subnet for a budget: `latency="15 ms"`, `memory="50 MB"`, `macs`, `bytes`, `energy`,
        `prefer={task: weight}`, `floors={task: quality}`, `tasks`, `quantile`, `provider`, `threads`, `measure`.

        Raises BudgetError for what cannot be understood, NoSubnetFits where nothing fits.
        """
        from .planning.deciding import make_plan

        _check_words(budget, make_plan.__kwdefaults__ or {})
        return make_plan(self, **budget)


def _check_words(budget: dict[str, Any], known: dict[str, Any]) -> None:
    """BudgetError for a word that is not known, with the nearest that is."""
    for word in budget:
        if word not in known:
            import difflib

            near = difflib.get_close_matches(word, known, n=1)
            raise BudgetError(
                f"a budget has no word {word!r}: {f'did you mean {near[0]!r}?' if near else ', '.join(known)}"
            )
