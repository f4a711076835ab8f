"""U-AutoRec and I-AutoRec (Sedhain, Menon, Sanner, Xie: AutoRec, WWW 2015) as one estimator."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from autorec import checks, words
from autorec.array_types import Float32
from autorec.errors import ParameterError, shown
from autorec.fitting import biases as bias_tools
from autorec.fitting.biases import Biases
from autorec.fitting.form import HEAD, check_read, has_biases, is_linear
from autorec.fitting.scale import inside, outside, rows_inside
from autorec.models import autorec_arrays
from autorec.models.base import FloatArray, IntArray, OnValidation, RandomState, Recommender, Scores
from autorec.models.columns import fit_columns, keep_products, solve_columns, sum_products, weigh_targets
from autorec.models.vectors import Vectors, vectors
from autorec.network.activations import activation
from autorec.network.encoding import ArrayEncoder, encode_csr, encode_rows, encoder_of
from autorec.network.rows import Rows
from autorec.ratings.matrix import Ratings
from autorec.ratings.sorting import transposed
from autorec.ratings.stored import Stored
from autorec.storage.arrays import Arrays, Expected, Shape

if TYPE_CHECKING:  # torch is loaded where a network is trained or asked for
    from autorec.fitting.settings import Settings
    from autorec.network.autoencoder import Autoencoder

_ANYWHERE = {"device": "cpu", "random_state": 0}  # settings that draw nothing from a generator, and need no device


class AutoRec(Recommender):
    """An autoencoder of the observed ratings of each item (`orientation="item"`) or of each user (`"user"`).

    r̂ = g(V · f(W · r + a) + b + offset), r a row of ratings on the scale 1 … 5 with 0 where missing (paper, eq. 1);
    the squared error counts at observed entries only; objective and factors in `autorec.training.objective`.

    orientation    "item" | "user": what a row is
    hidden         units of the hidden layers: 500, (500, 250, 500) or "500-250-500"
    encoder        activation of the hidden layers: identity, sigmoid, tanh, relu, elu, selu, swish
    decoder        activation of the output, the same names; bounded ones are stretched over the scale
    code           "point": the last hidden layer; "gaussian": that layer, without its activation, is the mean of a code
                   that is drawn while training, beside another that is its log variance; afterwards the code is its
                   mean. With the penalty gaussian_kl:β it is a variational autoencoder: β = 2σ² is the ELBO of ratings
                   with a noise of variance σ²
    penalty        "l2:λ" in the paper's scale, "none", or "l2:auto": 250 (residuals: 125), halved or doubled as long as
                   that clearly lowers the validation RMSE after half the epochs, the last ones where damped biases have
                   that RMSE too; above 300,000 ratings 350 (item) or 550 (user; residuals+rated: 300), a quarter where
                   that is far better after an eighth of them, doubled as long as a training overfits. More of
                   `autorec.network.penalty` is added by +: "l2:auto+l1:0.01"
    corruption     of the inputs in training: "none", "masking:p", "gaussian:sd", see `autorec.network.corruption`
    offset         "biases": the mean and the damped bias of each row, with b the damped bias of each column: with few
                   ratings the model falls back to them; "means": the paper's model, started at the columns' means and
                   with centred hidden units; "none": the paper to the letter, all biases from 0; "auto": biases where
                   the decoder is the identity, else means
    inputs         "ratings": a missing entry is 0, below the lowest rating (paper); "residuals" of damped biases: a
                   missing entry is an expected rating; "residuals+rated": residuals, and as a second input with weights
                   of its own, 1 where there is a rating, both times √(100 / ratings of the row):
                   r̂ = g(V · f(√(100/n) (W · r + W′ · m) + a) + …); "auto": residuals (item) or residuals+rated (user)
                   where their validation RMSE is lower by more than 1 % (user: 0.5 %) after a quarter of the epochs
                   (above 300,000 ratings an eighth); residuals need offset biases
    user_damping   number of extra ratings at the mean that each user, and each item, counts where its bias is learned
    item_damping   (offset biases), or "auto": chosen on held-out ratings, see `choose_dampings`
    optimizer      "adam", "rprop", "lbfgs" (the last two on the full batch)
    learning_rate  of Adam, at its peak; the first step size of RProp; L-BFGS uses none
    epochs         at most; for lbfgs an epoch is 4 iterations; "auto": 40, and trained again with twice as many, up to
                   160, as long as the validation RMSE still falls by more than 0.1 % in the last quarter
    batch          rows in a batch of Adam, or "auto": a quarter of the rows, at most 4096 or what holds two ratings a
                   column, 2¹⁸ at most
    validation     share of the training ratings held out for early stopping and choice, or "auto": 10 %, at most
                   20,000, and up to 300,000 ratings a last training on all of them with what was chosen; when the
                   share makes fewer than 100 ratings: none, and all epochs run
    patience       validations without a better one before the training stops
    random_state   seed of everything random: same seed, same number of threads, same bits
    device         "cpu" or a torch device such as "cuda"; the fitted model is on the CPU

    A validation RMSE above that of damped biases is noted, from 1 % on in a warning; offset biases then are the model.

    Learned: `network_`; `decoder_weight_` [columns × H] and `decoder_bias_` [columns]; `mean_` and `row_bias_` [rows],
    zeros without offset; all on the scale 1 … 5; `l2_`, `user_damping_`, `item_damping_`; `summary_`.

    >>> ratings = autorec.load_sample()
    >>> model = autorec.AutoRec("item", hidden=8, epochs=2, penalty="l2:50").fit(ratings)
    >>> model.predict([1, 1], [2, 3]).shape
    (2,)
    >>> model.learning_curve().columns.tolist()
    ['epoch', 'seconds', 'train_rmse', 'validation_rmse']
    """

    def __init__(
        self,
        orientation: words.Orientation = "item",
        hidden: int | str | Sequence[int] = 500,
        encoder: words.Activation = "sigmoid",
        decoder: words.Activation = "identity",
        code: words.Code = "point",
        penalty: str = "l2:auto",
        corruption: str = "none",
        offset: words.Offset = "auto",
        inputs: words.Inputs = "auto",
        user_damping: float | words.Auto = "auto",
        item_damping: float | words.Auto = "auto",
        optimizer: words.Optimizer = "adam",
        learning_rate: float = 0.003,
        epochs: int | words.Auto = "auto",
        batch: int | words.Auto = "auto",
        validation: float | words.Auto = "auto",
        patience: int = 5,
        random_state: RandomState = 0,
        device: str = "cpu",
    ) -> None:
        self.orientation = orientation
        self.hidden = hidden
        self.encoder = encoder
        self.decoder = decoder
        self.code = code
        self.penalty = penalty
        self.corruption = corruption
        self.offset = offset
        self.inputs = inputs
        self.user_damping = user_damping
        self.item_damping = item_damping
        self.optimizer = optimizer
        self.learning_rate = learning_rate
        self.epochs = epochs
        self.batch = batch
        self.validation = validation
        self.patience = patience
        self.random_state = random_state
        self.device = device

    spreads = reads_parts = True

    mean_: float
    row_bias_: FloatArray
    centre_: Float32 | None  # [columns] damped biases taken off inputs that are residuals
    l2_: float
    user_damping_: float
    item_damping_: float
    _arrays_of_network: Arrays  # by the names of torch
    _network: "Autoencoder | None" = None  # of these arrays, once it is asked for
    _codes: Float32 | None  # [rows × H]; None where they are encoded from `ratings_` when asked for
    _solved: tuple[Float32, Float32] | None  # weight and bias of the decoder for columns that were folded in
    _products: Float32 | None = None  # [rows × rows] of the codes, where a service has them kept

    def _check_parameters(self) -> None:
        """All but that the device is there, which `fit` tries."""
        import torch

        self._check_place((str, torch.device))
        self._check_settings(**_ANYWHERE)

    def _check_read(self) -> None:
        """One that was trained elsewhere is on the CPU when it is read."""
        self._check_place((str,))
        check_read(self.get_params(deep=False))

    def _check_place(self, types: tuple[type, ...]) -> None:
        if not isinstance(self.device, types):
            raise ParameterError(f"device is {shown(self.device)}; allowed: cpu, or cuda where torch has it")
        checks.random_state("random_state", self.random_state)

    def _check_settings(self, **others: Any) -> "Settings":
        """The parameters as settings, with `others` in place of some. ParameterError: one is not allowed."""
        from autorec.fitting.settings import check_settings

        return check_settings(self.get_params(deep=False) | others)

    def _fit(self, ratings: Ratings | Stored, on_validation: OnValidation | None) -> dict[str, Any]:
        from autorec.models import autorec_fitting  # which imports torch

        return autorec_fitting.fit(self, ratings, on_validation)

    def _fit_from(self, old: "AutoRec", ratings: Ratings, epochs: int) -> dict[str, Any] | None:
        if old.summary_["fell_back"]:  # all its weights are 0, from where no gradient leads
            return None
        from autorec.models import autorec_fitting

        return autorec_fitting.fit_further(self, old, ratings, epochs)

    def _memory(self, n_users: int, n_items: int, n_ratings: int) -> int:
        from autorec.models import autorec_fitting

        return autorec_fitting.memory(self._check_settings(), *self._flipped((n_users, n_items)), n_ratings)

    def _seconds(self, n_users: int, n_items: int, n_ratings: int) -> float:
        from autorec.models import autorec_fitting

        return autorec_fitting.seconds(self._check_settings(), *self._flipped((n_users, n_items)), n_ratings)

    # --- the network: arrays, and a network of torch where it is asked for -----------------------------------

    @property
    def network_(self) -> "Autoencoder":
        """The network, as torch has it; it shares the memory of the arrays."""
        if self._network is None:
            from torch import Generator

            from autorec.fitting.one_training import make_network
            from autorec.storage.network_arrays import unpack

            n_columns, settings = len(self._arrays_of_network["encoder.weights.0"]), self._check_settings(**_ANYWHERE)
            build = partial(make_network, n_columns, self.summary_["inputs"], settings, Generator())
            self._network = unpack(build, self._arrays_of_network)
        return self._network

    @network_.setter
    def network_(self, network: "Autoencoder") -> None:
        from autorec.storage import network_arrays

        self._network, self._arrays_of_network = network, network_arrays.pack(network)

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "_network": None}  # its arrays are there

    @property
    def decoder_weight_(self) -> npt.NDArray[np.float32]:
        """[columns × H], of the network; of new columns that were folded in, as they were solved."""
        return self._arrays_of_network[f"heads.{HEAD}.weight"] if self._solved is None else self._solved[0]

    @property
    def decoder_bias_(self) -> npt.NDArray[np.float32]:
        """[columns]"""
        return self._arrays_of_network[f"heads.{HEAD}.bias"] if self._solved is None else self._solved[1]

    # --- orientation and scale: rows inside, users and items outside ----------------------------------------

    def _rows_of(self, csr: sparse.csr_array, scale: tuple[float, float]) -> Rows:
        """Users × items → rows × columns of this orientation, on the scale 1 … 5."""
        rows = rows_inside(csr, scale)
        return rows if self.orientation == "user" else rows.transposed()

    def _flipped(self, pair: tuple[Any, Any]) -> tuple[Any, Any]:
        """What is of (users, items) as of (rows, columns), and the other way."""
        return pair if self.orientation == "user" else pair[::-1]

    def _chosen_dampings(self) -> tuple[float, float] | None:
        return (self.user_damping_, self.item_damping_) if has_biases(self.decoder, self.offset) else None

    def _to_ratings(self, scores: FloatArray) -> FloatArray:
        if not is_linear(self.decoder):
            import torch

            scores = activation(self.decoder).output(torch.from_numpy(np.ascontiguousarray(scores))).numpy()
        return outside(scores, self.ratings_.scale)

    # --- vectors: codes of rows, decoder rows of columns ----------------------------------------------------

    def _encode(self, histories: sparse.csr_array) -> Vectors:
        if self.orientation == "item":
            weight, bias = self._solve(histories, self._all_codes())
            return vectors(weight, bias + self.mean_)
        return vectors(*self._encode_new(histories))

    def _users(self, rows: IntArray) -> Vectors:
        if self.orientation == "item":
            return vectors(self.decoder_weight_[rows], self.decoder_bias_[rows] + self.mean_)
        if self._codes is not None:
            return vectors(self._codes[rows], self.row_bias_[rows])
        self._refuse_solved()
        chosen = rows_inside(self.ratings_.csr[rows], self.ratings_.scale)
        return vectors(self._encode_rows(chosen, self.row_bias_[rows]), self.row_bias_[rows])

    def _items(self) -> Vectors:
        if self.orientation == "user":
            return vectors(self.decoder_weight_, self.decoder_bias_ + self.mean_)
        return vectors(self._all_codes(), self.row_bias_)

    @property
    def scores_together(self) -> bool:
        return super().scores_together and self._products is None

    def _keep_products(self) -> None:
        if self.orientation == "item" and is_linear(self.decoder):
            self._products = keep_products(self._all_codes())

    def _score_history(self, history: sparse.csr_array) -> Scores:
        if self._products is not None and history.nnz < self._all_codes().shape[1]:  # of more there are more equations
            outputs = sum_products(self._products, self._targets(history), self.l2_, self._bias_damping())
            if outputs is not None:
                return (outputs + (self.mean_ + self.row_bias_).astype(np.float32))[None]
        return super()._score_history(history)

    def _all_codes(self) -> Float32:
        """[rows × H] codes of the model's own rows: of items they are kept, of users encoded when asked for."""
        if self._codes is not None:
            return self._codes
        return self._encode_rows(self._rows_of(self.ratings_.csr, self.ratings_.scale), self.row_bias_)

    def _encode_new(self, rows: sparse.csr_array) -> tuple[Float32, FloatArray]:
        """[n × H] codes and [n] biases of rows [n × columns], on the scale of the ratings."""
        self._refuse_solved()
        given = inside(rows, self.ratings_.scale)
        bias = self._bias_of_rows(given)
        return encode_csr(self._encoder(), given, (self.mean_ + bias).astype(np.float32), self.centre_), bias

    def _encode_rows(self, rows: Rows, bias: FloatArray) -> Float32:
        """[n × H] codes of rows [n × columns] inside, whose biases are known."""
        return encode_rows(self._encoder(), rows, (self.mean_ + bias).astype(np.float32), self.centre_)

    def _encoder(self) -> ArrayEncoder:
        return encoder_of(self._arrays_of_network, self.encoder, self.offset != "none", self.code == "gaussian")

    def _refuse_solved(self) -> None:
        if self._solved is not None:
            side, other = ("users", "items") if self.orientation == "user" else ("items", "users")
            raise ParameterError(
                f"the {other} of this model were folded in, and {side} are encoded by those it was fitted on; fold the "
                f"{side} into the model as it was fitted"
            )

    # --- fold-in: new rows are encoded, new columns solved --------------------------------------------------

    def _with_users(self, histories: sparse.csr_array) -> dict[str, Any]:
        return self._with_rows(histories) if self.orientation == "user" else self._with_columns(histories)

    def _with_items(self, histories: sparse.csr_array) -> dict[str, Any]:
        of_items = transposed(histories)
        return self._with_rows(of_items) if self.orientation == "item" else self._with_columns(of_items)

    def _with_rows(self, rows: sparse.csr_array) -> dict[str, Any]:
        """rows [new rows × columns]. Users are encoded when they are asked for, items now."""
        if self.orientation == "user":
            self._refuse_solved()
            return {"row_bias_": self._bias_of_rows(inside(rows, self.ratings_.scale)), "_codes": None}
        codes, bias = self._encode_new(rows)
        return {"row_bias_": bias, "_codes": codes, "_products": None}

    def _with_columns(self, columns: sparse.csr_array) -> dict[str, Any]:
        """columns [new columns × rows]."""
        codes = self._all_codes()
        return {"_solved": self._solve(columns, codes), "_codes": codes}

    def _bias_of_rows(self, rows: sparse.csr_array) -> FloatArray:
        """[n] damped biases of rows [n × columns] on 1 … 5 given those of the columns; zeros where there are none."""
        if not has_biases(self.decoder, self.offset):
            return np.zeros(rows.shape[0])
        return bias_tools.fold_in_users(self._biases(), rows).user

    def _biases(self) -> Biases:
        """Of rows (`user`) and columns (`item`)."""
        of_columns = self.decoder_bias_ if self.centre_ is None else self.centre_
        dampings = self._flipped((self.user_damping_, self.item_damping_))
        return Biases(self.mean_, self.row_bias_, of_columns.astype(np.float64), *dampings)

    def _solve(self, columns: sparse.csr_array, codes: Float32) -> tuple[Float32, Float32]:
        """Decoder rows [n × H] and biases [n] of new columns [n × rows], from the codes of all rows."""
        targets = self._targets(columns)
        if not is_linear(self.decoder):
            return fit_columns(codes, targets, self.decoder, self.l2_)
        return solve_columns(codes, targets, self.l2_, self._bias_damping())

    def _targets(self, columns: sparse.csr_array) -> sparse.csr_array:
        """Ratings [n × rows] → what the decoder rows of these columns are solved for: inside, less the rows' offset."""
        given = inside(columns, self.ratings_.scale)
        given.data -= (self.mean_ + self.row_bias_[given.indices]).astype(np.float32)
        return given

    def _bias_damping(self) -> float:
        """Of the bias of a new column; 0, as without biases, leaves it free."""
        return float(self._flipped((self.user_damping_, self.item_damping_))[1])

    def _contributions(self, history: sparse.csr_array, column: int) -> FloatArray | None:
        """Item orientation with a linear decoder: the user's decoder row is linear in what is solved for."""
        if self.orientation == "user" or not is_linear(self.decoder):
            return None
        codes, targets = self._all_codes(), self._targets(history)
        weights = weigh_targets(codes[targets.indices], codes[column], self.l2_, self._bias_damping())
        return np.asarray(weights * targets.data)

    # --- file -----------------------------------------------------------------------------------------------

    def _arrays(self) -> Arrays:
        return autorec_arrays.arrays_of(self)

    def _expected_arrays(self, shapes: Mapping[str, Shape]) -> dict[str, Expected]:
        return autorec_arrays.expected_arrays(self, shapes)

    def _set_arrays(self, arrays: Arrays) -> None:
        autorec_arrays.set_arrays(self, arrays)
