"""A model as one HTML page that recommends in the browser: no server, no network, the history stays in the page.

It is the page of the service with a model in the place of the service: `page/index.html` asks, `page/model.js` answers.
The arrays are rounded (`autorec.exports.quantise`), no more than that the lists stay those of the model.
"""

import base64
import functools
import json
from bisect import bisect_left
from collections.abc import Mapping
from importlib.resources import files
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from autorec.errors import AutoRecError
from autorec.exports import recommend
from autorec.exports.formula import Arrays, Formula
from autorec.exports.quantise import Rounded, Rounder, deflate, keep_floats, round_ease, round_vectors
from autorec.hashes import sha256
from autorec.models.base import Recommender
from autorec.models.recommending import fallback_scores
from autorec.ranking.topn import best_of_rows

LIST, PARITY = 10, 0.9995  # items of a list, and the share of them that is to be the same; on histories not seen .999
FINENESS = [2**k for k in range(8, 22)]  # root mean square of the scores, in steps
HISTORIES, LISTED = 200, 30  # lists compared; items of a list, near whose end it counts how exact a score is
MOST_BYTES = 50_000_000  # of a page
_PLACE = "<!-- model -->"
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; form-action 'none'"


def make_page(
    model: Recommender, formula: Formula, names: dict[str, Any], histories: sparse.csr_array
) -> tuple[str, dict[str, Any]]:
    """(the page, {"parity": share of the items of the lists that are the same, "histories": how many were compared}).

    histories [B × items]: of the training, by which the arrays are rounded: to the coarsest steps that keep the lists.
    AutoRecError: the page would be too large, or no step keeps them.
    """
    own = np.asarray(model._to_ratings(model._score(model._encode(histories))), dtype=np.float32)
    lists, _ = best_of_rows(own.copy(), min(LISTED, own.shape[1]), np.arange(len(own)), histories)
    compared = np.unique(np.linspace(0, len(own) - 1, HISTORIES).astype(np.int64))
    rounders = _find_rounders(model, formula, histories, lists)

    def round_to(fineness: int) -> dict[str, Rounded]:
        return {name: make(step / fineness) for name, (make, step) in rounders.items()}

    @functools.cache
    def keep(fineness: int) -> float:
        arrays = {name: one.array for name, one in round_to(fineness).items()}
        return _compare(formula.facts, arrays, histories, lists, compared)

    coarsest = bisect_left(FINENESS, True, key=lambda fineness: keep(fineness) >= PARITY)  # finer keeps more
    if coarsest == len(FINENESS):
        differ = 1 - keep(FINENESS[-1])
        raise AutoRecError(f"{differ:.2%} of the lists' items differ however fine the arrays are rounded: not written")
    page = _assemble(model, formula, names, round_to(FINENESS[coarsest]))
    if len(page) > MOST_BYTES:
        raise AutoRecError(f"the page would take {len(page) / 1e6:.0f} MB: export ONNX or a folder instead")
    return page, {"parity": keep(FINENESS[coarsest]), "histories": len(compared)}


def _find_rounders(
    model: Any, formula: Formula, histories: sparse.csr_array, lists: npt.NDArray[Any]
) -> dict[str, tuple[Rounder, float]]:
    """Of each array a rounder, and the root mean square of the scores."""
    facts, arrays = formula
    if facts["kind"] == "joint":
        found = {}
        for name, coarser in (("choice", 1.0), ("rating", 1 / 16)):  # vectors cost little beside the matrix
            part = Formula(facts[name], recommend.part(arrays, f"{name}."))
            for key, (make, step) in _find_rounders(getattr(model, f"{name}_"), part, histories, lists).items():
                found[f"{name}.{key}"] = make, coarser * step
        return found
    users = model._encode(histories)
    size = float(np.sqrt(np.mean(np.square(model._score(users), dtype=np.float64))))
    makers = {name: keep_floats(array) for name, array in arrays.items()}
    if "items" not in arrays:
        listed = np.bincount(lists[lists >= 0], minlength=len(arrays["input"])) + LISTED / 100
        chosen = (np.bincount(histories.indices, minlength=len(listed)) + 0.1) / histories.shape[0]
        diagonal = model.inverse_diagonal_.astype(np.float64)
        makers["input"] = round_ease(arrays["input"], diagonal, chosen, listed / listed.mean())
    else:
        items, vectors = arrays["items"].astype(np.float64), users.factors.astype(np.float64)
        makers["items"] = round_vectors(items, vectors.T @ vectors / len(vectors))
        for name in {"input", "input_rated"} & set(arrays):
            width = arrays[name].shape[1]
            metric = items.T @ items / len(items) if width == items.shape[1] else np.eye(width)
            makers[name] = round_vectors(arrays[name], metric)
    return {name: (make, size) for name, make in makers.items()}


def _compare(
    facts: dict[str, Any], arrays: Arrays, histories: sparse.csr_array, lists: npt.NDArray[Any], rows: Any
) -> float:
    """The share of the first items of the lists of these rows that are those of the arrays too."""
    same = wanted = 0
    for row in rows:
        entries = slice(histories.indptr[row], histories.indptr[row + 1])
        items = histories.indices[entries]
        scores = np.array(recommend.score(facts, arrays, items, histories.data[entries].astype(np.float64)))
        scores[items] = -np.inf
        own = lists[row, :LIST][lists[row, :LIST] >= 0]
        same += len(np.intersect1d(np.argsort(-scores, kind="stable")[: len(own)], own))
        wanted += len(own)
    return same / max(wanted, 1)


def _assemble(model: Recommender, formula: Formula, names: dict[str, Any], rounded: Mapping[str, Rounded]) -> str:
    deflated = {name: [deflate(part) for part in one.parts] for name, one in rounded.items()}
    data = b"".join(part for parts in deflated.values() for part in parts)
    told = {
        "formula": formula.facts,
        "arrays": {name: {**one.facts, "lengths": list(map(len, deflated[name]))} for name, one in rounded.items()},
        **names,
        "by_count": np.argsort(-model.ratings_.item_counts, kind="stable").tolist(),
        "fallback": [round(float(score), 4) for score in fallback_scores(model)],
        "model": {
            "name": "In this page alone: what you like stays in it",
            "class": type(model).__name__,
            "hash": sha256(data),
        },
    }
    facts = json.dumps(told).replace("<", "\\u003c")  # no title ends the script
    folder = files("autorec.exports").joinpath("page")
    page, script = (folder.joinpath(name).read_text(encoding="utf-8") for name in ("index.html", "model.js"))
    parts = [
        f'<script type="application/json" id="facts">{facts}</script>',
        f'<script type="text/plain" id="bytes">{base64.b64encode(data).decode()}</script>',
        f"<script>\n{script}</script>",
    ]
    policy = f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
    return page.replace("<head>", f"<head>\n{policy}", 1).replace(_PLACE, "\n".join(parts), 1)
