"""Compiling ahead of the first use, as when an image is built."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from autorec import compiled
from autorec.datasets.sample import load_sample
from autorec.errors import InputError
from autorec.evaluation.evaluate import evaluate
from autorec.models.autorec import AutoRec
from autorec.models.ease import Ease
from autorec.ratings.split import random_split


def warm_up() -> Path:
    """Compile what training, recommending and evaluating need, by doing each once on the built-in sample.

    Returns the folder in which the compiled functions are kept. Functions kept there already are not compiled again.
    InputError: they cannot be kept.

    >>> folder = autorec.warm_up()  # doctest: +SKIP
    """
    split = random_split(load_sample(), 0.1)
    stars = split.train
    csr = stars.csr.copy()
    csr.data = csr.data + np.linspace(0, 0.1, len(csr.data), dtype=csr.data.dtype)
    many_values = replace(stars, csr=csr)  # more than fit a byte, for which other versions are compiled
    for ratings in (many_values, stars):
        for orientation in ("item", "user"):
            model = AutoRec(orientation, hidden=8, epochs=1, penalty="l2:10").fit(ratings)
    evaluate(model, split.test)
    model.set_params(optimizer="rprop").fit(stars)  # whose gradients are made whole
    new = split.test.to_frame()
    for ranked in (Ease().fit(stars), model.fold_in(new.assign(user="new " + new["user"].astype(str)))):
        ranked.recommend(n=1)  # indices of ratings that are folded in are of another type
    model.recommend(stars.user_ids[:1], n=1)  # scores of few users are made without BLAS
    folder = compiled.find_kept()
    if folder is None:
        tried = " nor ".join(map(str, compiled.cache_folders()))
        raise InputError(f"compiled functions cannot be kept: {tried} cannot be written; set NUMBA_CACHE_DIR to one")
    return folder
