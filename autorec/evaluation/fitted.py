"""What `evaluate` is given → a fitted model and the ratings that it is tested on."""

from typing import Any

from sklearn.base import clone

from autorec.errors import ParameterError
from autorec.models.base import Recommender
from autorec.models.own import wrap
from autorec.models.presets import create
from autorec.ratings.split import Split


def take_fitted(model: Any, test: Any, fold_in: Any) -> tuple[Recommender, Any, Any]:
    """(fitted model, test ratings, ratings that fold in).

    Of a Split, a model that is not fitted is: a name, an estimator or a model of one's own, on the training part; of a
    split of choices, a rating model on its ratings. ParameterError: without a Split, a model that is not fitted.
    """
    if not isinstance(test, Split):
        if not isinstance(model, Recommender):
            raise ParameterError(
                f"a model of type {type(model).__name__}; allowed: a fitted model; with a Split in place of the test "
                "ratings also a name, an estimator or a model of one's own; compare takes several"
            )
        model._fitted()
        return model, test, fold_in
    if fold_in is not None:
        raise ParameterError("fold_in is given beside a Split, which has its own; leave it out")
    if isinstance(model, (list, tuple)):
        raise ParameterError("evaluate takes one model; compare takes several")
    taken = create(model) if isinstance(model, str) else wrap(model)
    parts = test.rated or test if taken.rates else test
    fitted = taken if hasattr(taken, "ratings_") else clone(taken).fit(parts.train)
    return fitted, parts.test, parts.fold_in
