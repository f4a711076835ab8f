"""A training of AutoRec's network that goes on from the weights of an earlier one, on other ratings.

Rows are items or users, by the orientation; all ratings are on the scale 1 … 5 inside the network.
"""

from dataclasses import replace
from typing import Any

import numpy as np
import torch
from scipy import sparse

from autorec.array_types import BoolArray, IntArray
from autorec.fitting import biases as bias_tools
from autorec.fitting.biases import Biases
from autorec.fitting.fit import Fitted, choose_streaming, finish
from autorec.fitting.form import HEAD, has_biases
from autorec.fitting.one_training import make_data, make_network, train_once
from autorec.fitting.scale import inside
from autorec.fitting.settings import Settings
from autorec.network.autoencoder import Autoencoder, copy_weights
from autorec.network.rows import Rows
from autorec.ratings.join import find_changed
from autorec.ratings.matrix import Ratings
from autorec.ratings.sorting import transposed
from autorec.training.batches import batch_size, partition


def extend_model(model: Any, old: Any, ratings: Ratings) -> Biases | None:
    """Make `model`, an AutoRec, what `old` is, with the rows and columns of `ratings`; returns their biases, None where
    the model has none.

    Columns that are new are not read, and are predicted as if they were folded in.
    """
    known = old.ratings_
    rows, columns = model._flipped((known.find_users(ratings.user_ids), known.find_items(ratings.item_ids)))
    given = ratings.csr if model.orientation == "user" else transposed(ratings.csr)
    model.l2_, model.user_damping_, model.item_damping_ = old.l2_, old.user_damping_, old.item_damping_
    model.mean_, model.row_bias_, model.centre_, biases = old.mean_, np.zeros(len(rows)), None, None
    if has_biases(model.decoder, model.offset):
        changed = model._flipped(find_changed(known, ratings))[0]
        biases = extend_biases(old._biases(), rows, columns, inside(given, ratings.scale), changed)
        model.row_bias_ = biases.user
        model.centre_ = None if old.centre_ is None else biases.item.astype(np.float32)
    model.ratings_, model._solved, model._codes = ratings, None, None
    model.network_ = make_network(len(columns), old.summary_["inputs"], model._check_settings(), torch.Generator())
    copy_weights(old.network_, model.network_, columns)
    new = np.flatnonzero(columns < 0)
    if len(new):
        solved = model._solve(sparse.csr_array(transposed(given)[new]), model._all_codes())
        model.network_.head(HEAD).set_columns(torch.from_numpy(new), *map(torch.from_numpy, solved))
    return biases


def extend_biases(
    old: Biases, rows: IntArray, columns: IntArray, given: sparse.csr_array, changed: BoolArray
) -> Biases:
    """Biases of the rows (`user`) and columns (`item`) of the ratings `given` [n × m], by those of an earlier fit.

    rows [n], columns [m]: the number of each in `old`, −1 where it is new. changed [n]: rows with other ratings than
    then. The mean, the columns' biases and those of rows as they were stay; those of new columns are folded in from the
    rows that are known, then those of changed rows from all columns.
    """
    user, item = (np.append(known, 0.0)[at] for known, at in ((old.user, rows), (old.item, columns)))
    new = columns < 0
    of_columns = sparse.csr_array(given[:, np.flatnonzero(new)])
    item[new] = bias_tools.fold_in_items(replace(old, user=user), of_columns).item
    of_rows = sparse.csr_array(given[np.flatnonzero(changed)])
    user[changed] = bias_tools.fold_in_users(replace(old, item=item), of_rows).user
    return replace(old, user=user, item=item)


def continue_network(
    rows: Rows, network: Autoencoder, biases: Biases | None, inputs: str, l2: float, settings: Settings, epochs: int
) -> Fitted:
    """Train a network further, on rows [rows × columns], ratings 1 … 5, for so many epochs; 0: not at all.

    biases: of rows and columns; None: the model learns without. Nothing is held out and nothing chosen. The learning
    rate has its schedule over these epochs.
    """
    stream = choose_streaming(rows.nnz, rows.shape, settings)
    size = batch_size(rows.shape, rows.nnz, settings.batch)
    parts = partition(rows.shape[0], size, np.random.default_rng(settings.seed), in_order=settings.batch == "full")
    dampings = (0.0, 0.0) if biases is None else (biases.user_damping, biases.item_damping)
    none = rows.only(np.zeros(0, dtype=np.int64))
    data = make_data(rows, none, parts, dampings, inputs, settings, stream, biases)
    network, log = train_once(data, l2, settings, epochs, epochs, None, network)
    return Fitted(
        network=finish(network),
        mean=data.biases.mean,
        row_bias=data.biases.user,
        inputs=inputs,
        centre=data.centre,
        dampings=dampings,
        l2=l2,
        epochs=epochs,
        log=log,
        n_train=rows.nnz,
        n_validation=0,
        tried=[],
        seconds=log.seconds,
        biases_rmse=float("nan"),
        falls_back=False,
        streamed=stream,
    )
