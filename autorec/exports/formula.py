"""How a model scores a history, as numbers and arrays: what every exported form is made of.

A formula is of one of three kinds; `autorec.exports.recommend` computes them with NumPy alone.

network  sums of the rows of `input` that belong to the history, layers, products with the vectors `items`: AutoRec by
         users, the networks of choices, and with no layers at all the linear models of lists
ridge    the person's vector is the ridge regression of the ratings on the vectors of their items: AutoRec by items,
         biased matrix factorisation
joint    one of each, the probability of a choice times that of a liking
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from autorec.errors import ParameterError
from autorec.fitting.form import has_biases, has_mask, is_linear
from autorec.models.adversarial import AdversarialAutoencoder
from autorec.models.autorec import AutoRec
from autorec.models.base import Recommender
from autorec.models.choice import ChoiceAutoencoder
from autorec.models.choice_network import HEAD
from autorec.models.columns import bias_scale
from autorec.models.ease import Ease
from autorec.models.elsa import Elsa
from autorec.models.hooks import fitted
from autorec.models.joint import Joint
from autorec.models.mf import BiasedMF
from autorec.models.puresvd import PureSVD
from autorec.models.svdae import SvdAE
from autorec.network.activations import ACTIVATIONS, Activation
from autorec.network.autoencoder import NORM_EPSILON, Autoencoder
from autorec.network.encoding import LENGTH
from autorec.ratings.matrix import liked_from

Arrays = dict[str, npt.NDArray[Any]]

_IDENTITY = {"activation": "identity", "less": 0.0, "epsilon": None}
_KINDS = "autorec, i-autorec, u-autorec, biased-mf, ease, edlae, elsa, pure-svd, mult-vae and its kin"


class Formula(NamedTuple):
    """facts: JSON-ready, "kind" first; arrays: by name, float32 but for the biases of items."""

    facts: dict[str, Any]
    arrays: Arrays


def find_formula(model: Recommender) -> Formula:
    """The formula of a fitted model. ParameterError: its scores of a history are none of the three kinds."""
    fitted(model)
    for kind, make in _MAKERS:
        if isinstance(model, kind):
            return make(model)
    raise ParameterError(
        f"{type(model).__name__} does not score a history by a formula that is exported; models that do: {_KINDS}"
    )


def _joint(model: Joint) -> Formula:
    parts = {"choice": find_formula(model.choice_), "rating": find_formula(model.rating_)}
    facts = {"kind": "joint", "liked_above": model.threshold_, "spread": model.spread_, "scale": _scale(model)}
    arrays = {f"{name}.{key}": array for name, part in parts.items() for key, array in part.arrays.items()}
    arrays["choice.item_bias"] = model.popularity * model.shares_.astype(np.float64)
    return Formula(facts | {name: part.facts for name, part in parts.items()}, arrays)


def _autorec(model: AutoRec) -> Formula:
    if not is_linear(model.decoder):
        raise ParameterError(f"decoder is {model.decoder!r}; exported are models with the decoder identity")
    if model.orientation == "user":
        return _autorec_by_users(model)
    damping = model._bias_damping()
    unit = bias_scale(model.l2_, damping) if damping and model.l2_ else None
    return _ridge(model, model._all_codes(), model.row_bias_, model.l2_ / 2, unit)


def _autorec_by_users(model: AutoRec) -> Formula:
    model._refuse_solved()
    facts, arrays = _layers(model.network_)
    inputs = model.summary_["inputs"]
    biased = has_biases(model.decoder, model.offset)
    facts |= _facts(model, "ratings" if inputs == "ratings" else "residuals")
    facts |= {"mean": model.mean_, "damping": model.user_damping_ if biased else None}
    if has_mask(inputs):
        facts["length"] = LENGTH
        arrays["input_rated"] = _array(model.network_.encoder.weights[1])
    if biased:
        arrays["centre"] = (model.decoder_bias_ if model.centre_ is None else model.centre_).astype(np.float64)
    return Formula(facts, arrays | {"items": model.decoder_weight_, "item_bias": model.decoder_bias_})


def _biased_mf(model: BiasedMF) -> Formula:
    items = model.items_
    return _ridge(model, items[:, :-1].astype(np.float32), items[:, -1], model.l2, 1.0, times_n=True)


def _ridge(
    model: Any, items: npt.NDArray[Any], bias: npt.NDArray[Any], l2: float, unit: float | None, times_n: bool = False
) -> Formula:
    """items [items × H], bias [items]; l2: strength of the regression; unit: value of the unit whose weight is the bias
    of the person, None for a free bias; times_n: whether the strength is that for each rating."""
    if not l2:
        raise ParameterError("the model has no l2 penalty, without which few ratings do not settle a person's vector")
    numbers = {"mean": model.mean_, "l2": l2, "times_n": times_n, "unit": unit}
    facts = {"kind": "ridge", "rates": True, "scale": _scale(model), **numbers}
    return Formula(facts, {"items": items, "item_bias": np.asarray(bias, dtype=np.float64)})


def _choice_network(model: Any) -> Formula:
    facts, arrays = _layers(model.network_)
    head = model.network_.head(HEAD)
    arrays |= {"items": _array(head.weight), "item_bias": _array(head.bias)}
    return Formula(facts | _facts(model, "choices", normalised=True), arrays)


def _ease(model: Ease) -> Formula:
    model._refuse_folded()
    return Formula({"kind": "network", "layers": [], **_facts(model, "choices")}, {"input": model.weights_})


def _low_rank(model: Any) -> Formula:
    vectors: Arrays = {"input": model.factors_, "items": model.factors_}
    return Formula({"kind": "network", "layers": [], **_facts(model, "choices")}, vectors)


def _svd_ae(model: SvdAE) -> Formula:
    facts = {"kind": "network", "layers": [], **_facts(model, "choices", normalised=True)}
    return Formula(facts, {"input": model.basis_, "items": model.factors_})


def _facts(model: Any, values: str, normalised: bool = False) -> dict[str, Any]:
    facts = {"rates": model.rates, "scale": _scale(model), "values": values, "mean": 0.0, "damping": None}
    facts["length"] = None  # else the sums are times √(length / number of ratings)
    if values != "choices":
        return facts
    relevant = liked_from(model.ratings_.scale) if model.relevant is None else model.relevant
    return facts | {"liked_from": float(relevant), "normalised": normalised}


def _layers(network: Autoencoder) -> tuple[dict[str, Any], Arrays]:
    """The encoder, of a drawn code its mean, and the hidden layers of the decoder as one list of layers."""
    encoder, head = network.encoder, network.head(next(iter(network.heads)))
    weights = [_array(encoder.weights[0]), *map(_array, encoder.inner_weights)]
    biases = [_array(encoder.bias), *map(_array, encoder.inner_biases)]
    named = {"activation": _name(encoder.activation), "less": encoder.centre, "epsilon": None}
    layers = [named] * len(weights)
    norms: Arrays = {}
    for number, norm in enumerate(encoder.norms):
        layers[number] = named | {"epsilon": NORM_EPSILON}
        norms |= {f"layer{number}_scale": _array(norm.weight), f"layer{number}_shift": _array(norm.bias)}
    if encoder.linear_code:  # its last layer holds the means, and after them the variances
        layers[-1] = _IDENTITY
        means = weights[-1].shape[1] // 2
        weights[-1], biases[-1] = weights[-1][:, :means], biases[-1][:means]
    weights += map(_array, head.inner_weights)
    biases += map(_array, head.inner_biases)
    layers += [_IDENTITY | {"activation": _name(head.inner)}] * len(head.inner_weights)
    arrays = norms | {f"layer{number}_bias": bias for number, bias in enumerate(biases)}
    arrays |= {f"layer{number}": weight for number, weight in enumerate(weights) if number}
    return {"kind": "network", "layers": layers}, arrays | {"input": weights[0]}


def _name(function: Activation) -> str:
    return next(name for name, one in ACTIVATIONS.items() if one is function)


def _array(tensor: Any) -> npt.NDArray[np.float32]:
    return np.asarray(tensor.detach().numpy(), dtype=np.float32)


def _scale(model: Any) -> list[float]:
    return [float(end) for end in model.ratings_.scale]


_MAKERS: tuple[tuple[type, Callable[[Any], Formula]], ...] = (
    (Joint, _joint),
    (AutoRec, _autorec),
    (BiasedMF, _biased_mf),
    (Ease, _ease),
    (Elsa, _low_rank),
    (PureSVD, _low_rank),
    (SvdAE, _svd_ae),
    (ChoiceAutoencoder, _choice_network),
    (AdversarialAutoencoder, _choice_network),
)
