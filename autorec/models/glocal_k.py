"""GLocal-K (Han, Lim, Long, Burgstaller, Poon: Global and Local Kernels for Recommender Systems, CIKM 2021)."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, get_args

import numpy as np
import numpy.typing as npt
import torch
from scipy import sparse

from autorec import checks, words
from autorec.array_types import Float32
from autorec.errors import ParameterError
from autorec.fitting.scale import inside, outside
from autorec.models.base import FloatArray, IntArray, OnValidation, RandomState, Recommender
from autorec.models.columns import solve_columns
from autorec.models.glocal_fitting import HEAD, Parts, Settings, chosen_epochs, encode_rows, fit_network, summarise
from autorec.models.vectors import Vectors, vectors
from autorec.network.activations import HIGH, LOW
from autorec.network.autoencoder import Autoencoder, build_autoencoder
from autorec.network.glocal_kernels import BLOCK
from autorec.ratings.matrix import Ratings
from autorec.storage import network_arrays
from autorec.storage.arrays import Expected, Shape
from autorec.training.validation import held_out_entries

SMALL = 300_000  # ratings, up to which a last training has all of them


class GlocalK(Recommender):
    """I-AutoRec whose weights have local kernels, trained on the ratings, then on the ratings under a global kernel.

        ½ (Σ_observed (r − r̂)²  +  λ₂ Σ ‖w‖²  +  λₛ Σ ‖K‖²)

    with weights w ∘ K (see `autorec.network.glocal_kernels`), sigmoid layers, a linear output; a row is an item, on the
    scale 1 … 5 with 0 where missing. The second training reads the ratings convolved with a 3 × 3 kernel that depends
    on the mean prediction of each item (see `autorec.network.glocal_kernels`); neighbours are items, and users, whose
    ids follow each other. L-BFGS on all rows. With global_epochs 0 it is the SparseFC of Muller et al., ICML 2018.

    hidden             units of the layers: 500, (500, 500) or "500-500"
    dimensions         of the vectors u and v
    l2                 λ₂; twice this is the λ of AutoRec
    sparsity           λₛ
    iterations         of L-BFGS in an epoch of the first training, epochs of it at most
    global_iterations  the same of the second training, global_epochs of it at most
    global_start       "identity": the kernel starts as 1 in the middle, so that the second training begins where the
                       first ended; "random": as in the paper
    global_scale       factor of the kernel (dot_scale in the released code)
    validation         share of the training ratings held out to choose the epoch of each training, or "auto": 10 %, at
                       most 20,000, and up to 300,000 ratings a last training on all of them with what was chosen;
                       when that makes fewer than 100: none, and all epochs run
    patience           validations without a better one before a training stops
    random_state       seed of everything random: same seed, same number of threads, same bits

    Learned: `network_`, an ordinary network of the weights w ∘ K; `kernel_` [3 × 3], the identity where the second
    training is no better on validation ratings; `codes_` [items × H]; `summary_` with both learning curves. New users
    are solved as in I-AutoRec; a new item is encoded alone, without items before and after it. Memory beside the
    ratings and 25 copies of the weights (L-BFGS): blocks of 2²¹ numbers.

    >>> ratings = autorec.load_sample().to_frame()[:1000]
    >>> model = autorec.GlocalK(hidden=4, epochs=1, iterations=1, global_epochs=0).fit(ratings)
    >>> model.predict([1], [2]).shape
    (1,)
    """

    network_: Autoencoder
    kernel_: Float32
    codes_: Float32
    _solved: tuple[Float32, Float32] | None  # weight and bias of users that were folded in

    def __init__(
        self,
        hidden: int | str | Sequence[int] = "500-500",
        dimensions: int = 5,
        l2: float = 20.0,
        sparsity: float = 0.006,
        iterations: int = 5,
        epochs: int = 20,
        global_iterations: int = 5,
        global_epochs: int = 5,
        global_start: words.Start = "identity",
        global_scale: float = 1.0,
        validation: float | words.Auto = "auto",
        patience: int = 5,
        random_state: RandomState = 0,
    ) -> None:
        self.hidden = hidden
        self.dimensions = dimensions
        self.l2 = l2
        self.sparsity = sparsity
        self.iterations = iterations
        self.epochs = epochs
        self.global_iterations = global_iterations
        self.global_epochs = global_epochs
        self.global_start = global_start
        self.global_scale = global_scale
        self.validation = validation
        self.patience = patience
        self.random_state = random_state

    def _check_parameters(self) -> None:
        checks.layers(self.hidden)
        for name in ("dimensions", "iterations", "epochs", "global_iterations", "patience"):
            checks.whole(name, getattr(self, name))
        checks.whole("global_epochs", self.global_epochs, least=0)
        for name in ("l2", "sparsity"):
            checks.number(name, getattr(self, name), least=0)
        checks.one_of("global_start", self.global_start, get_args(words.Start))
        checks.number("global_scale", self.global_scale, above=0)
        checks.auto_or(checks.share, "validation", self.validation)
        checks.random_state("random_state", self.random_state)

    def _fit(self, ratings: Ratings, on_validation: OnValidation | None) -> dict[str, Any]:
        self._require_memory(ratings)
        rows = _transposed(inside(ratings.csr, ratings.scale))
        factor = (ratings.scale[1] - ratings.scale[0]) / (HIGH - LOW)
        watch = None if on_validation is None else lambda epoch, rmse: on_validation(epoch, rmse * factor)
        settings = self._settings()
        aside = np.zeros(rows.nnz, dtype=bool)
        aside[held_out_entries(rows.nnz, self.validation, np.random.default_rng(settings.seed))] = True
        parts = Parts(_only(rows, ~aside), _only(rows, aside))
        with torch.inference_mode(False), torch.enable_grad():  # whatever the caller has set
            network, kernel, logs = fit_network(parts, settings, watch)
            if self.validation == "auto" and aside.any() and rows.nnz <= SMALL and logs[-1].stopped != "interrupted":
                everything = Parts(rows, _only(rows, aside & ~aside))
                first, second = chosen_epochs(logs)
                last = replace(settings, epochs=first, global_epochs=second)
                network, kernel, _ = fit_network(everything, last, None)
        self.network_, self.kernel_, self._solved = network, kernel, None
        self.codes_ = encode_rows(network, rows, kernel)
        return summarise(logs, network, kernel, int(aside.sum()), factor)

    def _settings(self) -> Settings:
        names = ("dimensions", "l2", "sparsity", "iterations", "epochs", "global_iterations", "global_epochs")
        same = {name: getattr(self, name) for name in (*names, "global_start", "global_scale", "patience")}
        seed = checks.seed("random_state", self.random_state)
        return Settings(hidden=checks.layers(self.hidden), seed=seed, **same)

    def _memory(self, n_users: int, n_items: int, n_ratings: int) -> int:
        layers = checks.layers(self.hidden)
        weights = n_users * (layers[0] + layers[-1]) + n_items * 9 + sum(layers) ** 2
        codes = n_items * sum(layers) * 6
        return super()._memory(n_users, n_items, n_ratings) + 4 * (30 * weights + codes + 8 * BLOCK)

    def _seconds(self, n_users: int, n_items: int, n_ratings: int) -> float:
        units = sum(checks.layers(self.hidden))
        local = self.epochs * self.iterations * 1e-9 * units * n_ratings
        return float(local + self.global_epochs * self.global_iterations * 4e-11 * units * n_users * n_items)

    def _encode(self, histories: sparse.csr_array) -> Vectors:
        return vectors(*self._solve(histories))

    def _users(self, rows: IntArray) -> Vectors:
        weight, bias = self._columns()
        return vectors(weight[rows], bias[rows])

    def _items(self) -> Vectors:
        return vectors(self.codes_, np.zeros(len(self.codes_)))

    def _to_ratings(self, scores: FloatArray) -> FloatArray:
        return outside(scores, self.ratings_.scale)

    def _columns(self) -> tuple[Float32, Float32]:
        """Decoder rows [users × H] and biases [users]."""
        if self._solved is not None:
            return self._solved
        head = self.network_.head(HEAD)
        return head.weight.detach().numpy(), head.bias.detach().numpy()

    def _solve(self, histories: sparse.csr_array) -> tuple[Float32, Float32]:
        """The same of new users [n × items]."""
        return solve_columns(self.codes_, inside(histories, self.ratings_.scale), 2 * self.l2, 0.0)

    def _with_users(self, histories: sparse.csr_array) -> dict[str, Any]:
        return {"_solved": self._solve(histories)}

    def _with_items(self, histories: sparse.csr_array) -> dict[str, Any]:
        if self._solved is not None:
            raise ParameterError(
                "the users of this model were folded in, and items are encoded by those it was fitted on; "
                "fold the items into the model as it was fitted"
            )
        alone = self.kernel_ * np.array([[0], [1], [0]], dtype=np.float32)
        rows = _transposed(inside(histories, self.ratings_.scale))
        return {"codes_": encode_rows(self.network_, rows, alone)}

    def _arrays(self) -> dict[str, npt.NDArray[Any]]:
        arrays = {"kernel": self.kernel_, "codes": self.codes_} | network_arrays.pack(self.network_, "network.")
        if self._solved is not None:
            arrays |= {"solved.weight": self._solved[0], "solved.bias": self._solved[1]}
        return arrays

    def _build(self, n_users: int) -> Autoencoder:
        layers = checks.layers(self.hidden)
        return build_autoencoder(n_users, layers, "sigmoid", "identity", torch.Generator(), centred=False, head=HEAD)

    def _expected_arrays(self, shapes: Mapping[str, Shape]) -> dict[str, Expected]:
        (n_users, n_items), layers = self.ratings_.csr.shape, checks.layers(self.hidden)
        expected = {
            "kernel": Expected("float32", (3, 3)),
            "codes": Expected("float32", (n_items, layers[-1])),
        }
        if "solved.weight" in shapes:
            expected |= {
                "solved.weight": Expected("float32", (n_users, layers[-1])),
                "solved.bias": Expected("float32", (n_users,)),
            }
            n_users = (*shapes.get("network.encoder.weights.0", ()), 0)[0]
        return expected | network_arrays.expected(partial(self._build, n_users), shapes, len(layers), "network.")

    def _set_arrays(self, arrays: dict[str, npt.NDArray[Any]]) -> None:
        self.kernel_, self.codes_ = arrays["kernel"], arrays["codes"]
        build = partial(self._build, len(arrays["network.encoder.weights.0"]))
        self.network_ = network_arrays.unpack(build, arrays, "network.")
        solved = "solved.weight" in arrays
        self._solved = (arrays["solved.weight"], arrays["solved.bias"]) if solved else None


def _transposed(csr: sparse.csr_array) -> sparse.csr_array:
    rows = csr.T.tocsr()
    rows.sort_indices()
    return rows


def _only(rows: sparse.csr_array, kept: npt.NDArray[np.bool_]) -> sparse.csr_array:
    """The entries where `kept` [entries] is True, of the same shape."""
    before = np.concatenate(([0], np.cumsum(kept)))[rows.indptr]
    return sparse.csr_array((rows.data[kept], rows.indices[kept], before), shape=rows.shape)
