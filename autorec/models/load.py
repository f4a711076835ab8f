"""`load`, beside `store`, which the base of all models stands on: here its type is known."""

from autorec import files
from autorec.models.base import Recommender
from autorec.models.store import load_described


def load(path: files.PathLike) -> Recommender:
    """Read the model in the folder `path`: the same class, parameters and scores, bit for bit.

    All arrays are checked against `model.json` and the class before they are used: names, types, shapes, bounds. So a
    malicious folder too ends in a ModelFileError, as does one that is missing, damaged, of another format version, or
    of a class unknown to this version.

    >>> autorec.Ease().fit(autorec.load_sample()).save("my-model")
    >>> autorec.load("my-model")
    Ease()
    """
    model: Recommender = load_described(path)[0]
    return model
