"""A model as one HTML page that recommends in the browser: no server, no network, the history stays in the page.

It is the page of the service with a model in the place of the service: `page/index.html` asks, `page/model.js` answers.
The arrays are rounded (`autorec.exports.quantise`), no more than that the lists stay those of the model.

The page is UTF-16, whose mark at the beginning goes before what a server says of it: 15 bits of the arrays are a
character, U+4000 … U+BFFF, which takes a fifteenth more than their bytes. Base64 in UTF-8 takes a third more.
"""

import functools
import json
import zlib
from bisect import bisect_left
from collections.abc import Mapping
from importlib.resources import files
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from autorec.array_types import Float32, FloatArray, IntArray
from autorec.errors import AutoRecError
from autorec.exports import recommend
from autorec.exports.formula import Arrays, Formula
from autorec.exports.quantise import Rounded, Rounder, deflate, keep_floats, round_ease, round_turned, round_vectors
from autorec.hashes import sha256
from autorec.models.base import Recommender
from autorec.models.recommending import fallback_scores
from autorec.ranking.topn import best_of_rows

LIST, PARITY, OF_MATRIX = 10, 0.9995, 0.9992  # items of a list, the share to be the same, and of items × items
FINENESS = [2 ** (k / 8) for k in range(64, 169)]  # root mean square of the scores, in steps
HISTORIES, LISTED = 200, 30  # lists compared; items of a list, near whose end it counts how exact a score is
AMPLIFIED = 4  # times the errors, by which steps are found too: few lists then tell how many of others will differ
MOST_BYTES = 50_000_000  # of a page
_PLACE = "<!-- model -->"
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; form-action 'none'"


def make_page(
    model: Recommender, formula: Formula, names: dict[str, Any], histories: sparse.csr_array
) -> tuple[bytes, dict[str, Any]]:
    """(the file, {"parity": share of the items of the lists that are the same, "histories": how many were compared}).

    histories [B × items]: of the training, by which the arrays are rounded: to the coarsest steps that keep the lists.
    AutoRecError: the page would be too large, or no step keeps them.
    """
    own = np.asarray(model._to_ratings(model._score(model._encode(histories))), dtype=np.float32)
    lists, _ = best_of_rows(own.copy(), min(LISTED, own.shape[1]), np.arange(len(own)), histories)
    compared = np.unique(np.linspace(0, len(own) - 1, HISTORIES).astype(np.int64))
    rounders = _find_rounders(model, formula, histories, lists)
    has_matrix = "items" not in formula.arrays and "choice.items" not in formula.arrays
    wanted = OF_MATRIX if has_matrix else PARITY

    def round_to(fineness: float) -> dict[str, Rounded]:
        return {name: make(step / fineness) for name, (make, step) in rounders.items()}

    @functools.cache
    def keep(fineness: float) -> tuple[float, float]:
        arrays = {name: one.array for name, one in round_to(fineness).items()}
        return _compare(formula.facts, arrays, histories, own, compared)

    def is_fine(fineness: float) -> bool:
        return min(keep(fineness)) >= wanted

    coarsest = bisect_left(FINENESS, True, key=is_fine)  # finer keeps more
    if coarsest == len(FINENESS):
        differ = 1 - min(keep(FINENESS[-1]))
        raise AutoRecError(f"{differ:.2%} of the lists' items differ however fine the arrays are rounded: not written")
    page = _assemble(model, formula, names, round_to(FINENESS[coarsest])).encode("utf-16")
    if len(page) > MOST_BYTES:
        raise AutoRecError(f"the page would take {len(page) / 1e6:.0f} MB: export ONNX or a folder instead")
    return page, {"parity": keep(FINENESS[coarsest])[0], "histories": len(compared)}


def _find_rounders(
    model: Any, formula: Formula, histories: sparse.csr_array, lists: npt.NDArray[Any]
) -> dict[str, tuple[Rounder, float]]:
    """Of each array a rounder, and the root mean square of the scores."""
    facts, arrays = formula
    if facts["kind"] == "joint":
        found = {}
        for name, coarser in (("choice", 1.0), ("rating", 1 / 8)):  # vectors cost little beside the matrix
            part = Formula(facts[name], recommend.part(arrays, f"{name}."))
            for key, (make, step) in _find_rounders(getattr(model, f"{name}_"), part, histories, lists).items():
                found[f"{name}.{key}"] = make, coarser * step
        return found
    users = model._encode(histories)
    size = float(np.sqrt(np.mean(np.square(model._score(users), dtype=np.float64))))
    makers = {name: keep_floats(array) for name, array in arrays.items()}
    order = _by_count(model)
    listed = np.bincount(lists[lists >= 0], minlength=len(order)) + LISTED / 300
    chosen = (np.bincount(histories.indices, minlength=len(order)) + 0.1) / histories.shape[0]
    if "items" not in arrays:
        diagonal = model.inverse_diagonal_.astype(np.float64)
        near = listed**1.25  # lists differ by the error, not its square: what is listed most counts more than its share
        makers["input"] = round_ease(arrays["input"], diagonal, chosen, near / near.mean(), order)
    elif facts["kind"] == "ridge":
        moment = users.factors.T.astype(np.float64) @ users.factors / len(users.factors)
        makers["items"] = round_turned(arrays["items"], moment, listed / listed.mean() + chosen / chosen.mean(), order)
    else:
        items, vectors = arrays["items"].astype(np.float64), users.factors.astype(np.float64)
        makers["items"] = round_vectors(items, vectors.T @ vectors / len(vectors))
        for name in {"input", "input_rated"} & set(arrays):
            width = arrays[name].shape[1]
            metric = items.T @ items / len(items) if width == items.shape[1] else np.eye(width)
            makers[name] = round_vectors(arrays[name], metric)
    return {name: (make, size) for name, make in makers.items()}


def _compare(
    facts: dict[str, Any], arrays: Arrays, histories: sparse.csr_array, own: Float32, rows: IntArray
) -> tuple[float, float]:
    """The share of the first items of the lists of these rows that are those of the arrays too; and the same of errors
    AMPLIFIED times as large, by which as many times more items differ."""
    wanted, same = 0, np.zeros(2)
    for row in rows:
        entries = slice(histories.indptr[row], histories.indptr[row + 1])
        items = histories.indices[entries]
        scores = np.asarray(recommend.score(facts, arrays, items, histories.data[entries].astype(np.float64)))
        differs = scores - own[row]
        lists = [_list(one, items) for one in (own[row], scores, own[row] + AMPLIFIED * differs)]
        same += [len(np.intersect1d(lists[0], other)) for other in lists[1:]]
        wanted += len(lists[0])
    differ = 1 - same / max(wanted, 1)
    return float(1 - differ[0]), float(1 - differ[1] / AMPLIFIED)


def _list(scores: FloatArray, seen: IntArray) -> IntArray:
    """The first LIST items that are not seen, a tie by the lower index."""
    left = np.delete(np.arange(len(scores)), seen)
    return left[np.argsort(-scores[left], kind="stable")[:LIST]]


def _by_count(model: Recommender) -> IntArray:
    """[items], those with most ratings first."""
    return np.argsort(-model.ratings_.item_counts, kind="stable")


def _assemble(model: Recommender, formula: Formula, names: dict[str, Any], rounded: Mapping[str, Rounded]) -> str:
    deflated = {name: [deflate(part) for part in one.parts] for name, one in rounded.items()}
    data = b"".join(part for parts in deflated.values() for part in parts)
    told = {
        "formula": formula.facts,
        "arrays": {name: {**one.facts, "lengths": list(map(len, deflated[name]))} for name, one in rounded.items()},
        **names,
        "by_count": _by_count(model).tolist(),
        "fallback": [round(float(score), 4) for score in fallback_scores(model)],
        "model": {
            "name": "In this page alone: what you like stays in it",
            "class": type(model).__name__,
            "hash": sha256(data),
        },
    }
    facts = zlib.compress(json.dumps(told).encode(), 9)
    folder = files("autorec.exports").joinpath("page")
    page, script = (folder.joinpath(name).read_text(encoding="utf-8") for name in ("index.html", "model.js"))
    parts = [
        f'<script type="text/plain" id="model-bytes" data-facts="{len(facts)}">{_write_bits(facts + data)}</script>',
        f"<script>\n{script}</script>",
    ]
    policy = f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
    page = page.replace('<meta charset="utf-8">\n', policy + "\n", 1)
    return page.replace(_PLACE, "\n".join(parts), 1)


def _write_bits(data: bytes) -> str:
    """15 bits a character, U+4000 … U+BFFF; the last ones followed by zeros."""
    bits = np.unpackbits(np.frombuffer(data, dtype=np.uint8))
    groups = np.pad(bits, (0, -len(bits) % 15)).reshape(-1, 15)
    numbers = np.packbits(np.pad(groups, ((0, 0), (1, 0))), axis=1).view(">u2")
    return (numbers + 0x4000).astype("<u2").tobytes().decode("utf-16-le")
