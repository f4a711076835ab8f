"""Results as JSON text: NumPy's arrays and numbers as JSON's, what is not finite as null."""

import json
import math
from typing import Any


def to_json(value: Any, indent: int | None = None) -> str:
    """JSON text of dicts, lists, tuples, arrays, numbers, text and None; keys become text."""
    return json.dumps(_plain(value), indent=indent, ensure_ascii=False, allow_nan=False)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if hasattr(value, "tolist"):
        return _plain(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
