"""A comparison as lines of text."""

from collections.abc import Iterator, Sequence

from autorec.evaluation.comparison import Comparison
from autorec.report.tables import number


def tell(title: str, compared: Comparison, metrics: Sequence[str]) -> Iterator[str]:
    """The title, then a line for each model: mean and standard deviation of each metric, seconds of a fit."""
    yield f"{title}: {', '.join(f'{name} mean, sd' for name in metrics)}, fit seconds"
    for model in compared.to_dict()["models"]:
        cells = [model["metrics"].get(name, {}) for name in metrics]
        shown = " ".join(f"{number(cell.get('mean')):>8} {number(cell.get('sd')):>6}" for cell in cells)
        yield f"  {model['name']:<16} {shown} {model['fit_seconds']:6.1f}"
