"""The errors that this library raises, as a tree.

    AutoRecError
    ├── InputError        a file, a table or an id that cannot be used as given (also a ValueError)
    ├── ParameterError    a parameter outside what is allowed (also a ValueError)
    ├── NotFittedError    a model asked before `fit` (also a ValueError and AttributeError, as in scikit-learn)
    ├── ModelFileError    a model folder that is missing, damaged or of another version
    ├── DivergedError     training whose loss is no longer finite
    └── NotEnoughMemoryError  work that cannot fit, refused before it begins (also a MemoryError)

A message says what was got, what is allowed and what to do. The command line prints it as one sentence.
"""

import difflib
from collections.abc import Iterable
from typing import Any

_SHORT = 80  # characters


class AutoRecError(Exception):
    """Base of all errors that this library raises; its text is one sentence: what was got, what is allowed, what to
    do.

    >>> try:
    ...     autorec.Ease(l2=0).fit(autorec.load_sample())
    ... except autorec.AutoRecError as error:
    ...     print(error)
    l2 is 0; allowed: a finite number above 0
    """


class InputError(AutoRecError, ValueError):
    """Ratings, ids or files that cannot be used as given."""


class ParameterError(AutoRecError, ValueError):
    """A parameter outside what is allowed."""


class NotFittedError(AutoRecError, ValueError, AttributeError):
    """A model was asked for results before `fit`."""


class ModelFileError(AutoRecError):
    """A model folder is missing, damaged, or of another version."""


class DivergedError(AutoRecError):
    """The training loss is no longer a finite number."""


class NotEnoughMemoryError(AutoRecError, MemoryError):
    """The work needs more memory than there is."""


def nearest(name: Any, allowed: Iterable[str]) -> str:
    """ "; did you mean bias?" for the one of `allowed` that is most like `name`, "" where none is."""
    alike = difflib.get_close_matches(name if isinstance(name, str) else shown(name), list(allowed), n=1)
    return f"; did you mean {alike[0]}?" if alike else ""


def shown(value: Any) -> str:
    """A value for a sentence: what Python writes for it where that is short and one line, else its type."""
    try:
        text = repr(value)
    except Exception:  # its own, or Python's for an integer of too many digits
        text = ""
    if isinstance(value, str) and len(text) > _SHORT:
        return f"{value[: _SHORT - 20]!r}…"
    return text if 0 < len(text) <= _SHORT and text.isprintable() else f"an object of type {type(value).__name__}"
