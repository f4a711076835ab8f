"""The arrays of an AutoRec in a file: which there are, what each has to be, and a model made of them."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from autorec import checks
from autorec.fitting.form import HEAD, has_mask
from autorec.network.encoding import array_shapes
from autorec.storage.arrays import Arrays, Expected, Shape

NETWORK = "network."  # begins the names of those of its network

Model = Any  # autorec.models.autorec.AutoRec, which imports this file


def arrays_of(model: Model) -> Arrays:
    """See `Hooks._arrays`."""
    arrays: Arrays = {NETWORK + name: array for name, array in model._arrays_of_network.items()}
    if model._solved is not None:
        arrays |= {"decoder.weight": model._solved[0], "decoder.bias": model._solved[1]}
    arrays |= {"mean": np.array([model.mean_]), "row_bias": model.row_bias_, "l2": np.array([model.l2_])}
    arrays["dampings"] = np.array([model.user_damping_, model.item_damping_])
    arrays |= {} if model.centre_ is None else {"centre": model.centre_}
    return arrays if model._codes is None else arrays | {"codes": model._codes}


def expected_arrays(model: Model, shapes: Mapping[str, Shape]) -> dict[str, Expected]:
    """See `Hooks._expected_arrays`."""
    n_rows, n_columns = model._flipped((model.ratings_.n_users, model.ratings_.n_items))
    layers = checks.layers(model.hidden)
    expected = {
        "mean": Expected("float64", (1,)),
        "l2": Expected("float64", (1,), least=0),
        "dampings": Expected("float64", (2,), least=0),
        "row_bias": Expected("float64", (n_rows,)),
    }
    solved = "decoder.weight" in shapes  # columns that were folded in; the network has those of the training
    if solved or model.orientation == "item":
        expected["codes"] = Expected("float32", (n_rows, layers[-1]))
    if solved:
        expected["decoder.weight"] = Expected("float32", (n_columns, layers[-1]))
        expected["decoder.bias"] = Expected("float32", (n_columns,))
        n_columns = shapes.get(f"{NETWORK}encoder.weights.0", (0,))[0]
    inputs = model.summary_["inputs"]
    if inputs != "ratings":
        expected["centre"] = Expected("float32", (n_columns,))
    network = array_shapes(n_columns, layers, 2 if has_mask(inputs) else 1, model.code == "gaussian", HEAD)
    return expected | {NETWORK + name: Expected("float32", shape) for name, shape in network.items()}


def set_arrays(model: Model, arrays: Arrays) -> None:
    """See `Hooks._set_arrays`."""
    named = {name.removeprefix(NETWORK): array for name, array in arrays.items() if name.startswith(NETWORK)}
    model._arrays_of_network, model._network = named, None
    model.l2_ = float(arrays["l2"][0])
    model.user_damping_, model.item_damping_ = map(float, arrays["dampings"])
    model.mean_, model.row_bias_ = float(arrays["mean"][0]), arrays["row_bias"]
    model._solved = (arrays["decoder.weight"], arrays["decoder.bias"]) if "decoder.weight" in arrays else None
    model._codes, model.centre_ = arrays.get("codes"), arrays.get("centre")
