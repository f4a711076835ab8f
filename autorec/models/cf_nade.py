"""CF-NADE (Zheng, Tang, Ding, Zhou: A Neural Autoregressive Approach to Collaborative Filtering, ICML 2016)."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple, get_args

import numpy as np
import numpy.typing as npt
import torch
from scipy import sparse

from autorec import checks, words
from autorec.array_types import Float32
from autorec.errors import ParameterError
from autorec.models.base import FloatArray, IntArray, OnValidation, RandomState, Recommender, Scores
from autorec.models.level_fitting import (
    COSTS,
    HEAD,
    Settings,
    build_network,
    encode_rows,
    fit_network,
    solve_columns,
    summarise,
)
from autorec.models.level_scale import MOST, distinct_ratings, expected_ratings, level_rows, nearest_levels
from autorec.models.vectors import cosines_with
from autorec.network.autoencoder import Autoencoder
from autorec.network.parts import parse_sum
from autorec.network.penalty import PENALTIES
from autorec.network.rows import Rows
from autorec.ratings.matrix import Ratings
from autorec.storage import network_arrays
from autorec.storage.arrays import Expected, Shape

_OUTPUTS = 2**21  # outputs computed at once
_PAIRS = 1024  # pairs computed at once


class Columns(NamedTuple):
    """Decoder rows of m columns, K − 1 each: weight [m × (K − 1) × H], bias [m × (K − 1)]."""

    weight: Float32
    bias: Float32


class CFNade(Recommender):
    """An autoregressive autoencoder of the levels of each item's ratings, or of each user's.

    The ratings of a row are told one after the other, in any order; each is given a probability for every level by the
    ratings before it (see `autorec.network.levels` for the decoder, whose parameters the levels share, and
    `autorec.models.level_fitting` for the objective). A prediction is the expected rating given all of the row's.

    orientation    "item" | "user": what a row is
    hidden         units of the tanh layers of the encoder: 500, (500, 500) or "500-500"
    cost           of a level: "ordinal" (paper, section 4.2) or "categorical", −log p
    penalty        "l2:λ", half of λ times the squared weights, beside the sum of the costs; "none"; or more of
                   `autorec.network.penalty`, joined by +
    learning_rate  of Adam
    averaging      0 … 1: the share of its old value that the mean of the weights keeps at each step; the model is this
                   mean; 0: the last weights
    epochs         at most
    batch          rows in a batch
    validation     share of the training ratings held out for early stopping, or "auto": 10 %, at most 20,000; when that
                   makes fewer than 100: none, and all epochs run
    patience       validations without a better one before the training stops
    random_state   seed of everything random: same seed, same number of threads, same bits

    Learned: `values_` [K] the rating of each level, `network_`, `codes_` [rows × H], `summary_` with the learning
    curve. A new row is encoded; for a new column the decoder's rows are solved for fixed codes, see
    `autorec.models.level_fitting.solve_columns`. A new rating counts as the nearest of `values_`. InputError: more than
    20 different ratings.

    >>> ratings = autorec.load_sample()
    >>> model = autorec.CFNade(hidden=4, epochs=1).fit(ratings)
    >>> model.values_.tolist()
    [1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0, 4.5, 5.0]
    """

    network_: Autoencoder
    values_: Float32
    codes_: Float32
    _solved: Columns | None  # of columns that were folded in

    def __init__(
        self,
        orientation: words.Orientation = "item",
        hidden: int | str | Sequence[int] = 500,
        cost: words.Cost = "ordinal",
        penalty: str = "l2:50",
        learning_rate: float = 0.001,
        averaging: float = 0.995,
        epochs: int = 100,
        batch: int = 128,
        validation: float | words.Auto = "auto",
        patience: int = 4,
        random_state: RandomState = 0,
    ) -> None:
        self.orientation = orientation
        self.hidden = hidden
        self.cost = cost
        self.penalty = penalty
        self.learning_rate = learning_rate
        self.averaging = averaging
        self.epochs = epochs
        self.batch = batch
        self.validation = validation
        self.patience = patience
        self.random_state = random_state

    def _check_parameters(self) -> None:
        checks.one_of("orientation", self.orientation, get_args(words.Orientation))
        checks.layers(self.hidden)
        checks.one_of("cost", self.cost, tuple(COSTS))
        parse_sum("penalty", self.penalty, PENALTIES)
        checks.number("learning_rate", self.learning_rate, above=0)
        checks.share("averaging", self.averaging)
        checks.whole("epochs", self.epochs)
        checks.whole("batch", self.batch)
        checks.auto_or(checks.share, "validation", self.validation)
        checks.whole("patience", self.patience)
        checks.random_state("random_state", self.random_state)

    def _fit(self, ratings: Ratings, on_validation: OnValidation | None) -> dict[str, Any]:
        self._require_memory(ratings)
        values = distinct_ratings(ratings)
        rows = self._rows_of(ratings.csr, values)
        settings = Settings(
            hidden=checks.layers(self.hidden),
            costs=COSTS[self.cost],
            penalties=parse_sum("penalty", self.penalty, PENALTIES),
            learning_rate=self.learning_rate,
            averaging=self.averaging,
            epochs=self.epochs,
            batch=self.batch,
            validation=self.validation,
            patience=self.patience,
            seed=checks.seed("random_state", self.random_state),
            values=values,
        )
        with torch.inference_mode(False), torch.enable_grad():  # whatever the caller has set
            network, log, n_validation = fit_network(rows, settings, on_validation)
        self.network_, self.values_, self._solved = network, values, None
        self.codes_ = encode_rows(network, rows, len(values))
        return summarise(log, network, n_validation)

    def _memory(self, n_users: int, n_items: int, n_ratings: int) -> int:
        n_columns, n_rows = (n_items, n_users) if self.orientation == "user" else (n_users, n_items)
        units, levels = max(checks.layers(self.hidden)), MOST // 2
        parameters = 2 * levels * n_columns * (units + 1) * 4 * 5  # itself, two means, the average, the best so far
        return super()._memory(n_users, n_items, n_ratings) * levels + parameters + 4 * n_rows * units

    def _seconds(self, n_users: int, n_items: int, n_ratings: int) -> float:
        units = sum(checks.layers(self.hidden))
        n_columns, n_rows = (n_items, n_users) if self.orientation == "user" else (n_users, n_items)
        steps = max(n_rows / self.batch, 1)
        return float(self.epochs * units * (1e-9 * n_ratings + 1e-8 * n_columns * steps))

    # --- scores: the expected rating of each pair -----------------------------------------------------------

    def _encode(self, histories: sparse.csr_array) -> Any:
        """Codes [B × H] in user orientation, else Columns [B]."""
        return self._encode_rows(histories) if self.orientation == "user" else self._solve(histories)

    def _users(self, rows: IntArray) -> Any:
        if self.orientation == "user":
            return self.codes_[rows]
        weight, bias = self._columns()
        return Columns(weight[rows], bias[rows])

    def _score(self, users: Any) -> Scores:
        """[B × items] float32 expected ratings, on the scale of the ratings; users: of `encode_users`."""
        if self.orientation == "user":
            return _expect_all(users, self._columns(), self.values_)
        return np.ascontiguousarray(_expect_all(self.codes_, users, self.values_).T)

    def _score_pairs(self, rows: IntArray, columns: IntArray) -> FloatArray:
        if self.orientation == "item":
            rows, columns = columns, rows
        weight, bias = self._columns()
        scores = np.empty(len(rows))
        for start in range(0, len(rows), _PAIRS):
            part = slice(start, start + _PAIRS)
            outputs = np.einsum("ph,pkh->pk", self.codes_[rows[part]], weight[columns[part]]) + bias[columns[part]]
            scores[part] = expected_ratings(outputs, self.values_)
        return scores

    def _similarities(self) -> Callable[..., Scores]:
        """Cosines of the items' codes, or of their decoder rows."""
        if self.orientation == "item":
            return cosines_with(self.codes_)
        weight = self._columns().weight
        return cosines_with(weight.reshape(len(weight), -1))

    def _columns(self) -> Columns:
        return self._trained_columns() if self._solved is None else self._solved

    def _trained_columns(self) -> Columns:
        head, n_outputs = self.network_.head(HEAD), len(self.values_) - 1
        weight = head.weight.detach().numpy()
        bias = head.bias.detach().numpy()
        return Columns(weight.reshape(-1, n_outputs, weight.shape[1]), bias.reshape(-1, n_outputs))

    def _rows_of(self, csr: sparse.csr_array, values: Float32) -> Rows:
        """Ratings [users × items] → levels [rows × columns] of this orientation."""
        rows = level_rows(nearest_levels(csr, values))
        return rows if self.orientation == "user" else rows.transposed()

    # --- fold-in: new rows are encoded, new columns solved --------------------------------------------------

    def _with_users(self, histories: sparse.csr_array) -> dict[str, Any]:
        if self.orientation == "user":
            return {"codes_": self._encode_rows(histories)}
        return {"_solved": self._solve(histories)}

    def _with_items(self, histories: sparse.csr_array) -> dict[str, Any]:
        if self.orientation == "item":
            return {"codes_": self._encode_rows(histories)}
        by_item = histories.T.tocsr()
        by_item.sort_indices()
        return {"_solved": self._solve(by_item)}

    def _encode_rows(self, histories: sparse.csr_array) -> Float32:
        """[n × H] codes of new users [n × items], or items [users × n]."""
        if self._solved is not None:
            others, ones = ("items", "users") if self.orientation == "user" else ("users", "items")
            raise ParameterError(
                f"the {others} of this model were folded in, and {ones} are encoded by those it was fitted on; "
                f"fold the {ones} into the model as it was fitted"
            )
        return encode_rows(self.network_, self._rows_of(histories, self.values_), len(self.values_))

    def _solve(self, columns: sparse.csr_array) -> Columns:
        """Decoder rows of new columns, ratings [n × rows]."""
        parts = parse_sum("penalty", self.penalty, PENALTIES)
        l2 = (parts["l2"].value or 0.0) if "l2" in parts else 0.0
        levels = nearest_levels(columns, self.values_)
        mean = self._trained_columns().bias.mean(axis=0)
        return Columns(*solve_columns(self.codes_, levels, COSTS[self.cost], l2, mean))

    # --- file -----------------------------------------------------------------------------------------------

    def _arrays(self) -> dict[str, npt.NDArray[Any]]:
        arrays = {"values": self.values_, "codes": self.codes_} | network_arrays.pack(self.network_, "network.")
        if self._solved is not None:
            arrays |= {"solved.weight": self._solved.weight, "solved.bias": self._solved.bias}
        return arrays

    def _build(self, n_columns: int, n_levels: int) -> Autoencoder:
        return build_network(n_columns, n_levels, checks.layers(self.hidden), torch.Generator())

    def _expected_arrays(self, shapes: Mapping[str, Shape]) -> dict[str, Expected]:
        n_rows, n_columns = self.ratings_.csr.shape if self.orientation == "user" else self.ratings_.csr.shape[::-1]
        layers, n_levels = checks.layers(self.hidden), (*shapes.get("values", ()), 0)[0]
        if not 2 <= n_levels <= MOST:
            raise ValueError(f"it has {n_levels} levels; 2 to {MOST} are allowed")
        solved = {}
        if "solved.weight" in shapes:
            solved = {
                "solved.weight": Expected("float32", (n_columns, n_levels - 1, layers[-1])),
                "solved.bias": Expected("float32", (n_columns, n_levels - 1)),
            }
            n_columns = (*shapes.get("network.encoder.weights.0", ()), 0)[0] // n_levels
        build = partial(self._build, n_columns, n_levels)
        low, high = self.ratings_.scale
        return {
            "values": Expected("float32", (n_levels,), least=low, most=high),
            "codes": Expected("float32", (n_rows, layers[-1])),
            **solved,
            **network_arrays.expected(build, shapes, len(layers), "network."),
        }

    def _set_arrays(self, arrays: dict[str, npt.NDArray[Any]]) -> None:
        self.values_, self.codes_ = arrays["values"], arrays["codes"]
        if not (np.diff(self.values_) > 0).all():
            raise ValueError("array 'values' does not ascend")
        n_columns = len(arrays["network.encoder.weights.0"]) // len(self.values_)
        build = partial(self._build, n_columns, len(self.values_))
        self.network_ = network_arrays.unpack(build, arrays, "network.")
        solved = "solved.weight" in arrays
        self._solved = Columns(arrays["solved.weight"], arrays["solved.bias"]) if solved else None


def _expect_all(codes: Float32, columns: Columns, values: Float32) -> Scores:
    """[n × m] expected ratings of codes [n × H] and m columns, some columns at a time."""
    (m, n_outputs, units), n = columns.weight.shape, len(codes)
    found = np.empty((n, m), dtype=np.float32)
    block = max(1, _OUTPUTS // max(n * n_outputs, 1))
    for start in range(0, m, block):
        part = slice(start, start + block)
        outputs = codes @ columns.weight[part].reshape(-1, units).T + columns.bias[part].reshape(-1)
        found[:, part] = expected_ratings(outputs.reshape(n, -1, n_outputs), values)
    return found
