"""What Prometheus may ask for at /metrics; no label holds an id.

With several workers each keeps its numbers in a file of PROMETHEUS_MULTIPROC_DIR, and any of them answers for all.
"""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Metric, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from autorec.serve.served import Live

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_FOLDER = "PROMETHEUS_MULTIPROC_DIR"
_SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10)  # upper ends of the histogram


class Metrics:
    """Requests by path and status, their seconds, answers by the fallback, and the model that is served.

    paths: those that are answered; any other is counted as "other".
    """

    def __init__(self, live: Live) -> None:
        self._live = live
        self.paths: set[str] = set()
        self._registry = CollectorRegistry()
        new: Any = {"registry": self._registry}
        self._requests = Counter("autorec_requests", "Requests answered.", ["path", "status"], **new)
        self._seconds = Histogram("autorec_request_seconds", "Time to answer.", ["path"], buckets=_SECONDS, **new)
        self._fallbacks = Counter("autorec_fallbacks", "Lists for persons of whom nothing is known.", **new)
        most: Any = {"multiprocess_mode": "mostrecent", **new}
        self._loaded = Gauge("autorec_model_loaded_timestamp", "When the model was loaded.", **most)
        self._swaps = Gauge("autorec_model_swaps", "Models swapped in.", **most)
        self._failures = Gauge("autorec_model_failures", "Readings of a model that failed.", **most)

    def observe(self, path: str, status: int, seconds: float) -> None:
        """Count a request that was answered."""
        path = path if path in self.paths else "other"
        self._requests.labels(path, status).inc()
        self._seconds.labels(path).observe(seconds)

    def observe_fallback(self) -> None:
        """Count a list by the fallback."""
        self._fallbacks.inc()

    def to_text(self) -> bytes:
        """All numbers in the format of Prometheus."""
        current = self._live.current
        self._loaded.set(0 if current is None else current.loaded)
        self._swaps.set(self._live.swaps)
        self._failures.set(self._live.failures)
        if _FOLDER not in os.environ:
            return generate_latest(self._registry)
        of_all = CollectorRegistry()
        of_all.register(_AllWorkers())
        return generate_latest(of_all)


class _AllWorkers(Collector):
    """The numbers of all workers. A file is empty until its worker has begun to write, and for good where that was
    killed before."""

    def collect(self) -> Iterable[Metric]:
        files = [str(path) for path in Path(os.environ[_FOLDER]).glob("*.db") if path.stat().st_size]
        merged: Iterable[Metric] = MultiProcessCollector.merge(files)  # type: ignore[no-untyped-call]
        return merged
