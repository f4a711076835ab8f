"""`autorec.export`: a fitted model as ONNX, as a folder for NumPy, or as one HTML page; each is checked before it is
written."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import numpy as np
from scipy import sparse

from autorec import checks, files, words
from autorec.array_types import FloatArray
from autorec.errors import AutoRecError, InputError, ParameterError
from autorec.exports import onnx_file, recommend
from autorec.exports.formula import find_formula
from autorec.exports.html_page import make_page
from autorec.exports.numpy_folder import write_folder
from autorec.extras import require
from autorec.models.base import Recommender

SUFFIXES = {".onnx": "onnx", ".html": "html", "": "numpy"}
TOLERANCE = 1e-4  # of the largest score, at least of 1
CHECKED, ROUNDED_BY = 50, 3000  # histories, at most: whose scores are compared; by which a page is rounded

Score = Callable[[Any, Any], FloatArray]  # items [n], ratings [n] → scores [items]


def export(model: Recommender, path: str | os.PathLike[str], form: words.Exported | None = None) -> dict[str, Any]:
    """Write a fitted model for a program without this library; it scores the history of anyone.

    form: None: by the suffix of `path`
      "onnx"   .onnx    inputs items int64 [n] and ratings float [n], output scores float [items]
      "html"   .html    a page that recommends in a browser, without a server; the history stays in it
      "numpy"  a folder .npy files, the formula, a script that needs NumPy alone, and the vectors of users, if any

    For autorec, i-autorec, u-autorec and their variants with decoder identity, biased-mf, ease, edlae, elsa, pure-svd,
    svd-ae, and the networks of choices and their adversarial kin. Ids are those of the training, in the order of the
    indices; the ratings of users are not exported, so that who asks leaves out what a person has seen.

    Returns "form", "bytes", "histories" whose scores were compared with those of the model, and the largest
    "difference", as a share of the largest score (at least of 1); of a page, whose arrays are rounded, "parity", the
    share of the ten best items that are the same. AutoRecError: a difference above 1e-4, a parity below .9995 (.9992
    with a matrix items × items), or a page of more than 50 MB: nothing is written.
    ParameterError: a model or a form that is not exported. InputError: the path is something else's.

    >>> model = autorec.Ease().fit(autorec.load_sample())
    >>> found = autorec.export(model, "for-numpy", "numpy")
    >>> found["form"], found["difference"] < 1e-4
    ('numpy', True)
    """
    chosen = _find_form(path, form)
    formula = find_formula(model)
    ratings = model.ratings_
    names = {"ids": ratings.item_ids.tolist(), "titles": None if ratings.titles is None else ratings.titles.tolist()}
    if chosen == "onnx":
        require("export", "an ONNX file")
        file = onnx_file.make_onnx(formula, names)
        checked = _compare(model, onnx_file.start_onnx(file), chosen)
        with files.atomic_file(path) as temporary:
            temporary.write_bytes(file)
        return {"form": chosen, "bytes": len(file), **checked}
    if chosen == "html":
        page, kept = make_page(model, formula, names, _find_histories(model, ROUNDED_BY))
        with files.atomic_file(path) as temporary:
            temporary.write_bytes(page)
        return {"form": chosen, "bytes": len(page), **kept}
    checked = _compare(model, lambda items, rated: recommend.score(*formula, items, rated), chosen)
    write_folder(model, formula, names, path)
    return {"form": chosen, "bytes": sum(one.stat().st_size for one in Path(path).iterdir()), **checked}


def _find_form(path: str | os.PathLike[str], form: str | None) -> str:
    suffix = checks.path("path", path).suffix.lower()
    if form is not None:
        return checks.one_of("form", form, get_args(words.Exported))
    if suffix not in SUFFIXES:
        raise ParameterError(f"{path} ends in {suffix}; allowed: .onnx, .html, or a folder, without a suffix")
    return SUFFIXES[suffix]


def _compare(model: Recommender, score: Score, form: str) -> dict[str, Any]:
    """The scores of an exported form beside those of the model, for users of the training taken evenly."""
    histories = _find_histories(model, CHECKED)
    own = model._to_ratings(model._score(model._encode(histories)))
    difference = 0.0
    for row in range(len(own)):
        entries = slice(histories.indptr[row], histories.indptr[row + 1])
        made = score(histories.indices[entries], histories.data[entries])
        difference = max(difference, float(np.abs(made - own[row]).max() / max(1, np.abs(own[row]).max())))
    if not difference <= TOLERANCE:
        raise AutoRecError(f"the scores of the {form} form differ by {difference:.2g} from the model's: not written")
    return {"histories": len(own), "difference": difference}


def _find_histories(model: Recommender, most: int) -> sparse.csr_array:
    """[at most `most` × items] of users of the training, taken evenly. InputError: there is none."""
    rated = np.flatnonzero(np.diff(model.ratings_.csr.indptr))
    if not len(rated):
        raise InputError("the model holds no rating by which an exported form could be checked")
    return sparse.csr_array(model.ratings_.csr[rated[np.unique(np.linspace(0, len(rated) - 1, most).astype(np.int64))]])
