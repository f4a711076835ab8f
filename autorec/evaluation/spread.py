"""The variation of a metric between splits."""

import math
from collections.abc import Sequence

import numpy as np
from scipy import stats

from autorec.report.comparison_report import Spread


def spread(values: Sequence[float]) -> Spread:
    """Values [splits] → mean, sd (n − 1) and 95 % t-interval of the mean of those not NaN; None where undefined."""
    known = np.array(values)[~np.isnan(values)]
    mean = float(known.mean()) if len(known) else None
    sd = float(known.std(ddof=1)) if len(known) > 1 else None
    interval = None
    if mean is not None and sd is not None:
        half = float(stats.t.ppf(0.975, len(known) - 1)) * sd / math.sqrt(len(known))
        interval = (mean - half, mean + half)
    return Spread(mean, sd, interval, tuple(None if np.isnan(value) else float(value) for value in values))
