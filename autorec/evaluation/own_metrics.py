"""Metrics of one's own: plain functions of pairs or of lists, told apart by the names of their arguments."""

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from autorec import checks
from autorec.errors import ParameterError, shown
from autorec.evaluation import metrics as built_in
from autorec.evaluation.lists import Lists
from autorec.ratings.matrix import Ratings

Float = npt.NDArray[np.float64]
Metric = Callable[[Any, Any], float]

OF_PAIRS, OF_LISTS = ("predicted", "true"), ("recommended", "relevant")


@dataclass(frozen=True)
class OwnMetrics:
    """Name → function: of_pairs (predicted [pairs], true [pairs]), of_lists (recommended ids [≤ k], relevant ids)."""

    of_pairs: dict[str, Metric]
    of_lists: dict[str, Metric]

    @property
    def formulas(self) -> dict[str, str]:
        """Name → first line of the docstring."""
        functions = self.of_pairs | self.of_lists
        return {name: _describe(function) for name, function in functions.items()}

    def rate(self, predicted: Float, true: Float) -> dict[str, float]:
        """Name → value on the pairs [pairs]."""
        return {name: float(function(predicted, true)) for name, function in self.of_pairs.items()}

    def rank(self, lists: Lists, ks: Sequence[int], test: Ratings, item_ids: Any, threshold: float) -> dict[str, Float]:
        """Name → [U × ks] value of each ranked user of `lists`; item_ids [items]: of the model."""
        if not self.of_lists:
            return {}
        found = {name: np.empty((len(lists.users), len(ks))) for name in self.of_lists}
        for u, row in enumerate(lists.users):
            entries = slice(test.csr.indptr[row], test.csr.indptr[row + 1])
            liked = test.csr.indices[entries][test.csr.data[entries] >= threshold]
            relevant = set(test.item_ids[liked].tolist())
            shown = item_ids[lists.items[u][lists.items[u] >= 0]].tolist()
            for name, function in self.of_lists.items():
                found[name][u] = [function(shown[:k], relevant) for k in ks]
        return found


NONE = OwnMetrics({}, {})


def sort_metrics(functions: Sequence[Metric]) -> OwnMetrics:
    """The functions by what they take, named as they are. ParameterError: other arguments, a name that is taken."""
    found = OwnMetrics({}, {})
    given = checks.listed("metrics", functions, "functions")
    if not all(map(callable, given)):
        raise ParameterError(f"metrics is {shown(functions)}; allowed: a list of functions")
    for function in given:
        name = getattr(function, "__name__", "")
        arguments = tuple(inspect.signature(function).parameters)
        if arguments not in (OF_PAIRS, OF_LISTS):
            raise ParameterError(
                f"the metric {name or function!r} takes ({', '.join(arguments)}); allowed: (predicted, true), arrays "
                "of ratings, or (recommended, relevant), a list and a set of item ids"
            )
        if not name.isidentifier() or name in built_in.FORMULAS or name in found.formulas:
            raise ParameterError(f"a metric is named {name!r}; give it a name of its own by def")
        (found.of_pairs if arguments == OF_PAIRS else found.of_lists)[name] = function
    return found


def _describe(function: Metric) -> str:
    return (inspect.getdoc(function) or "a metric of one's own, without a docstring").splitlines()[0]
