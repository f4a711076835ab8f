"""Recommendations from an exported folder, with NumPy alone: python recommend.py ITEM[=RATING]…

`score` is the formula of the model in full. formula.json says which kind it is and holds its numbers, each .npy file an
array of the same name; items.json the raw id, and where it is known the title, of each index.
"""

import json
import math
import sys
from pathlib import Path
from typing import Any

import numpy as np

Facts = dict[str, Any]  # formula.json
Arrays = dict[str, Any]  # name → NumPy array

ACTIVATIONS: dict[str, Any] = {
    "identity": lambda x: x,
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "tanh": np.tanh,
    "relu": lambda x: np.maximum(x, 0),
    "elu": lambda x: np.where(x > 0, x, np.expm1(np.minimum(x, 0))),
    "selu": lambda x: 1.0507009873554805 * np.where(x > 0, x, 1.6732632423543772 * np.expm1(np.minimum(x, 0))),
    "swish": lambda x: x / (1 + np.exp(-x)),
}


def score(model: Facts, arrays: Arrays, items: Any, ratings: Any) -> Any:
    """Scores [items] of all items for a history: indices items [n], ratings [n] on the scale of the training."""
    if model["kind"] == "joint":  # P(rated) · P(liked | rated)
        rated = score(model["choice"], part(arrays, "choice."), items, ratings)
        stars = score(model["rating"], part(arrays, "rating."), items, ratings)
        z = (stars - model["liked_above"]) / model["spread"]
        liked = np.array([(1 + math.erf(x / math.sqrt(2))) / 2 for x in z])
        return np.where(rated > 0, rated * liked, rated)
    if model["kind"] == "ridge":
        return to_scale(model, ridge(model, arrays, items, inside(model, ratings)))
    return to_scale(model, network(model, arrays, items, ratings))


def ridge(model: Facts, arrays: Arrays, items: Any, ratings: Any) -> Any:
    """Item vectors · v + bias: the v that explains the ratings [n], by a ridge regression on the vectors of their
    items, in which the person's own bias is the weight of one more unit."""
    Z, b = arrays["items"], arrays["item_bias"] + model["mean"]
    t, rows = ratings - b[items], Z[items].astype(np.float64)
    strength = model["l2"] * (len(items) if model["times_n"] else 1)
    if model["unit"] is None:  # a free bias: centre, solve, shift back
        v = solve(rows - rows.mean(axis=0), t - t.mean(), strength)
        return Z @ v + b + t.mean() - rows.mean(axis=0) @ v
    v = solve(np.column_stack((rows, np.full(len(items), model["unit"]))), t, strength)
    return Z @ v[:-1] + b + model["unit"] * v[-1]


def solve(rows: Any, t: Any, strength: float) -> Any:
    """argmin ‖t − rows · v‖² + strength ‖v‖²"""
    return rows.T @ np.linalg.solve(rows @ rows.T + strength * np.eye(len(rows)), t)


def network(model: Facts, arrays: Arrays, items: Any, ratings: Any) -> Any:
    """Layers of a network whose first sums are those of the rows of its weight that belong to the history."""
    bias = 0.0
    if model["values"] == "choices":
        items = items[ratings >= model["liked_from"]]
        values = np.full(len(items), 1 / math.sqrt(max(len(items), 1)) if model["normalised"] else 1.0)
    else:
        values = inside(model, ratings)
        if model["damping"] is not None:
            left = values - model["mean"] - arrays["centre"][items]
            bias = left.sum() / max(len(items) + model["damping"], 1e-30)
            values = left - bias if model["values"] == "residuals" else values
    x = values @ arrays["input"][items]
    x = x + arrays["input_rated"][items].sum(axis=0) if "input_rated" in arrays else x
    x = x if model["length"] is None else x * math.sqrt(model["length"] / max(len(items), 1))
    before: Any = 0.0  # the sum of the layers that are normalised, which those after them have added
    for number, layer in enumerate(model["layers"]):
        x = x @ arrays[f"layer{number}"] if f"layer{number}" in arrays else x
        x = x + arrays[f"layer{number}_bias"] + (0.0 if layer["epsilon"] is None else before)
        x = ACTIVATIONS[layer["activation"]](x) - layer["less"]
        if layer["epsilon"] is not None:
            x = (x - x.mean()) / np.sqrt(x.var() + layer["epsilon"])
            x = x * arrays[f"layer{number}_scale"] + arrays[f"layer{number}_shift"]
            before = before + x
    x = arrays["items"] @ x if "items" in arrays else x
    return x + arrays["item_bias"] + model["mean"] + bias if "item_bias" in arrays else x


def inside(model: Facts, ratings: Any) -> Any:
    """Ratings on 1 … 5, the scale of the networks."""
    low, high = model["scale"]
    return 1 + (ratings - low) * 4 / (high - low)


def to_scale(model: Facts, scores: Any) -> Any:
    """Scores of a model that rates, back on the scale of the ratings; lists have no scale."""
    low, high = model["scale"]
    return low + (scores - 1) * (high - low) / 4 if model["rates"] else scores


def part(arrays: Arrays, name: str) -> Arrays:
    """The arrays whose names begin so, without that beginning."""
    return {key[len(name) :]: array for key, array in arrays.items() if key.startswith(name)}


def main(words: list[str], n: int = 10) -> None:
    folder = Path(__file__).parent
    model = json.loads((folder / "formula.json").read_text(encoding="utf-8"))
    names = json.loads((folder / "items.json").read_text(encoding="utf-8"))
    arrays = {name: np.load(folder / f"{name}.npy", mmap_mode="r") for name in model["arrays"]}
    found = {str(item): index for index, item in enumerate(names["ids"])}
    given = [word.rpartition("=")[::2] if "=" in word else (word, model["scale"][1]) for word in words]
    unknown = [item for item, _ in given if item not in found]
    if unknown or not given:
        sys.exit(f"unknown items: {', '.join(unknown)}" if unknown else "give items: ITEM or ITEM=RATING, several")
    items = np.array([found[item] for item, _ in given])
    scores = score(model, arrays, items, np.array([float(rating) for _, rating in given]))
    scores[items], titles = -np.inf, names["titles"] or [""] * len(scores)
    for index in np.argsort(-scores, kind="stable")[:n]:
        print(names["ids"][index], f"{scores[index]:.4f}", titles[index], sep="\t")


if __name__ == "__main__":
    main(sys.argv[1:])
