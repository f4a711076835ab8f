"""Recommenders made of autoencoders: U-AutoRec and I-AutoRec, sparse from end to end.

The names below are the public face. They load on first use, so that importing `autorec` costs next to
nothing.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from autorec.errors import AutoRecError as AutoRecError
    from autorec.models.autorec import AutoRec as AutoRec
    from autorec.models.baselines import Bias as Bias
    from autorec.models.baselines import GlobalMean as GlobalMean
    from autorec.models.baselines import Popularity as Popularity
    from autorec.models.presets import PRESETS as PRESETS
    from autorec.models.presets import create as create
    from autorec.models.store import describe as describe
    from autorec.models.store import load as load
    from autorec.models.unknown import recommend_unknown as recommend_unknown
    from autorec.ratings.matrix import Ratings as Ratings
    from autorec.ratings.summary import summarize as summarize
    from autorec.threads import set_threads as set_threads

__version__ = "0.1.0"

_HOME = {
    "AutoRec": "autorec.models.autorec",
    "AutoRecError": "autorec.errors",
    "Bias": "autorec.models.baselines",
    "GlobalMean": "autorec.models.baselines",
    "PRESETS": "autorec.models.presets",
    "Popularity": "autorec.models.baselines",
    "Ratings": "autorec.ratings.matrix",
    "create": "autorec.models.presets",
    "describe": "autorec.models.store",
    "load": "autorec.models.store",
    "recommend_unknown": "autorec.models.unknown",
    "set_threads": "autorec.threads",
    "summarize": "autorec.ratings.summary",
}

__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'autorec' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOME])
