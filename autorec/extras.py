"""Packages that only some work needs: which belong to which extra, and what to install when one is missing."""

from importlib.util import find_spec

from autorec.errors import AutoRecError

EXTRAS = {
    "export": ("onnx", "onnxruntime"),
    "prepare": ("duckdb",),
    "ray": ("ray",),
    "report": ("jinja2", "matplotlib"),
    "spark": ("pyspark",),
    "serve": ("fastapi", "uvicorn", "prometheus_client"),
    "tune": ("optuna",),
}


def require(extra: str, what: str) -> None:
    """AutoRecError, naming what is missing and how to install it, unless all packages of the extra are there.

    what: the work that needs them, as the sentence begins.
    """
    missing = [name for name in EXTRAS[extra] if find_spec(name) is None]
    if missing:
        raise AutoRecError(
            f"{what} needs {' and '.join(missing)}, not installed: python -m pip install 'autorec-cf[{extra}]'"
        )
