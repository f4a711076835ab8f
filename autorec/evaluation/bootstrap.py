"""95 % bootstrap intervals of metrics over the test users."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

SAMPLES = 1000
_BLOCK = 2**24  # numbers drawn at once


def bootstrap_intervals(per_user: pd.DataFrame, seed: int = 0) -> dict[str, tuple[float, float]]:
    """Metric → (2.5 %, 97.5 %) quantiles of its values over 1,000 samples of the users, with replacement (Efron, 1979).

    per_user: DataFrame of one row a test user: `ratings` (how many are tested), `squared_error` (their mean, where the
    model rates) and one column a metric that is a mean over users, NaN for users without a value. RMSE is that over all
    ratings of the users drawn. Left out: metrics that fewer than two users have. It measures the choice of users, not
    that of the split or of the model's seed.
    """
    values = per_user.drop(columns=["user", "ratings", "squared_error"], errors="ignore")
    parts: dict[Any, tuple[Any, Any]] = {
        name: (column.fillna(0).to_numpy(), column.notna().to_numpy()) for name, column in values.items()
    }
    if "squared_error" in per_user:
        weight = per_user["ratings"].to_numpy(dtype=np.float64)
        error = per_user["squared_error"].to_numpy()
        parts |= {"rmse": (error * weight, weight), "rmse_by_user": (np.sqrt(error), np.ones(len(error)))}
    parts = {name: part for name, part in parts.items() if np.count_nonzero(part[1]) > 1}
    if not parts:
        return {}
    above, below = (np.stack([part[i] for part in parts.values()], axis=1).astype(np.float64) for i in (0, 1))
    rng = np.random.default_rng(seed)
    drawn = [_draw_ratios(rng, rows, above, below) for rows in _split_samples(len(per_user))]
    found = np.concatenate(drawn)  # [samples × metrics]
    if "rmse" in parts:
        found[:, list(parts).index("rmse")] **= 0.5
    low, high = np.nanpercentile(found, [2.5, 97.5], axis=0)
    return {str(name): (float(low[i]), float(high[i])) for i, name in enumerate(parts)}


def _split_samples(n_users: int) -> list[int]:
    """SAMPLES in numbers that fit memory."""
    size = max(1, min(SAMPLES, _BLOCK // n_users))
    return [min(size, SAMPLES - start) for start in range(0, SAMPLES, size)]


def _draw_ratios(
    rng: np.random.Generator, samples: int, above: npt.NDArray[np.float64], below: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """[samples × metrics] Σ above ÷ Σ below over the users drawn; NaN where no user drawn has a value."""
    n = len(above)
    owner = np.repeat(np.arange(samples), n)
    times = np.bincount(owner * n + rng.integers(0, n, samples * n), minlength=samples * n).reshape(samples, n)
    times = times.astype(np.float64)
    total, count = times @ above, times @ below
    return np.asarray(np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0))
