"""The result of a search for settings, and the preset file made of it."""

import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from autorec import __version__, files
from autorec.audits.finding import many
from autorec.evaluation.comparison import Comparison
from autorec.models.base import Recommender
from autorec.models.presets import create
from autorec.plain_json import to_json
from autorec.report.comparison_report import Verdict
from autorec.report.frames import to_notebook
from autorec.report.plots import plot_trials
from autorec.report.save import save_result
from autorec.report.tuning_report import TuningReport, tuning_latex, tuning_markdown, tuning_page

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_SAID = {"complete": "complete", "pruned": "pruned (behind most others early on)", "failed": "failed"}  # of a state


@dataclass(frozen=True, eq=False, repr=False)
class Tuning:
    """The result of `tune`.

    settings     the best trial's, those that were fixed among them; the defaults' when no trial did better
    value        its metric on the validation part; default_value: that of the defaults
    trials       DataFrame: trial (0 is the defaults), state (complete, pruned, failed), the metric, settings, seconds
    held_out     "tuned" and "defaults" on the test part that no trial saw; "defaults" alone when these are the best
    comparison   the same on fresh splits; None for splits that a seed does not change
    interrupted  Ctrl-C ended it; held_out and comparison are None then

    >>> ratings = autorec.load_sample()
    >>> tuning = autorec.tune(ratings, "ease", trials=2, repeats=1)
    >>> tuning.metric, sorted(tuning.settings)
    ('ndcg@10', ['l2'])
    >>> tuning.save("preset.json")  # `create`, `train` and `compare` take it as a model
    """

    model: str
    settings: dict[str, Any]
    metric: str
    value: float
    default_value: float
    trials: pd.DataFrame
    split: dict[str, Any]
    how: str
    held_out: Comparison | None
    comparison: Comparison | None
    interrupted: bool

    def estimator(self) -> Recommender:
        """A fresh model with the settings found."""
        return create(self.model, **self.settings)

    @property
    def improved(self) -> bool | None:
        """Whether the tuned settings beat the defaults: better on the test part set aside, and significantly on fresh
        splits, or where there are none on that test part. None when that was not measured."""
        if self.held_out is None:
            return None
        if not self._differs():
            return False
        values = self._means(self.held_out)
        tuned, defaults = values["tuned"], values["defaults"]
        ahead = tuned is not None and defaults is not None and (tuned < defaults) == (self.metric == "rmse")
        verdict = self._verdict(self.comparison or self.held_out)
        return ahead and verdict is not None and verdict.winner == "tuned"

    def sentences(self) -> list[str]:
        """What was measured and what follows, the verdict last."""
        tried = ", ".join(f"{count} {_SAID[state]}" for state, count in self._counts().items() if count)
        better = "lower" if self.metric == "rmse" else "higher"
        found = [
            f"{many(len(self.trials), 'trial')}: {tried}.",
            f"On the validation part, {self.metric}, {better} is better: best {self.value:.4f}, "
            f"defaults {self.default_value:.4f}.",
        ]
        failed = self.trials[self.trials["state"] == "failed"]
        if len(failed):
            found.append(f"The first that failed is trial {failed['trial'].iloc[0]}: {failed['error'].iloc[0]}.")
        for comparison, where in ((self.held_out, "the test part set aside"), (self.comparison, "fresh splits")):
            if comparison is not None:
                found.append(self._measured(comparison, where))
        return [*found, self._conclusion()]

    def _measured(self, comparison: Comparison, where: str) -> str:
        means = self._means(comparison)
        if None in means.values():
            return f"On {where}: no {self.metric}, for none of the users there has a relevant item."
        known = ", ".join(f"{name} {value:.4f}" for name, value in means.items())
        verdict = self._verdict(comparison)
        count = comparison.split.splits
        mean = f" (mean of {count})" if count > 1 else ""
        return f"On {where}{mean}: {known}.{' ' + verdict.sentence if verdict else ''}"

    def _conclusion(self) -> str:
        if self.interrupted:
            return "Interrupted: the settings are the best so far, not compared with the defaults on test ratings."
        if self.improved:
            return "The tuned settings beat the defaults."
        if not self._differs():
            return "No trial did better than the defaults: the preset holds the defaults."
        return "The tuned settings do not beat the defaults: keep the defaults."

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready; what is not known is None."""
        return {
            "model": self.model,
            "settings": self.settings,
            "metric": self.metric,
            "value": self.value,
            "default_value": self.default_value,
            "improved": self.improved,
            "interrupted": self.interrupted,
            "sentences": self.sentences(),
            "trials": self.trials.astype(object).where(self.trials.notna(), None).to_dict("records"),
            "split": self.split,
            "how": self.how,
            "held_out": self.held_out and self.held_out.to_dict(),
            "fresh": self.comparison and self.comparison.to_dict(),
        }

    def preset(self) -> dict[str, Any]:
        """{"model", "settings", "tuned": how they were found}: what `save` writes and `create` reads."""
        tuned = {
            "how": self.how,
            "metric": self.metric,
            "trials": self._counts(),
            "values": {
                "validation": {"tuned": self.value, "defaults": self.default_value},
                "held_out": self.held_out and self._means(self.held_out),
                "fresh": self.comparison and self._means(self.comparison),
            },
            "conclusion": self._conclusion(),
            "split": self.split,
            "version": __version__,
        }
        return {"model": self.model, "settings": self.settings, "tuned": tuned}

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the preset file, a path that ends in .json, or the report: .html, .md, .csv or .tex. ParameterError:
        another suffix."""
        if Path(path).suffix.lower() == ".json":
            files.write_text(path, to_json(self.preset(), indent=2))
        else:
            save_result(self, path)

    def report(self) -> TuningReport:
        """What pages and files print."""
        measured = {"On the test part set aside": self.held_out, "On fresh splits": self.comparison}
        *sentences, conclusion = self.sentences()
        return TuningReport(
            model=self.model,
            metric=self.metric,
            settings=self.settings,
            trials=self._known_trials(),
            sentences=sentences,
            conclusion=conclusion,
            how=self.how,
            measured={title: one.report() for title, one in measured.items() if one is not None},
        )

    def to_html(self) -> str:
        """One HTML page with what was measured and the trials. AutoRecError: the extra `report` is missing."""
        return tuning_page(self.report())

    def to_markdown(self) -> str:
        """The same as Markdown, without the figure."""
        return tuning_markdown(self.report())

    def to_latex(self) -> str:
        """The trials, the best first, as a table for the package booktabs. AutoRecError: the extra `report` is
        missing."""
        return tuning_latex(self.report())

    def to_frame(self) -> pd.DataFrame:
        """The trials, the best first: DataFrame trial, state, the metric, settings, seconds, error."""
        return self.trials.sort_values(self.metric, ascending=self.metric == "rmse", kind="stable", ignore_index=True)

    def _known_trials(self) -> pd.DataFrame:
        """`to_frame` without the errors where none failed."""
        table = self.to_frame()
        return table if table["error"].notna().any() else table.drop(columns="error")

    def plot(self, ax: "Axes | None" = None) -> "Axes":
        """Draw the metric of each trial on matplotlib axes, the current ones by default; returns the axes."""
        return plot_trials(self.trials, self.metric, ax)

    def __repr__(self) -> str:
        tried = many(len(self.trials), "trial")
        return f"<Tuning of {self.model}, {tried}: {self.metric} {self.value:.4f}, defaults {self.default_value:.4f}>"

    def _repr_html_(self) -> str:
        facts = {"settings": ", ".join(f"{name}={value}" for name, value in self.settings.items())}
        return to_notebook(
            self._known_trials().set_index("trial"), repr(self).strip("<>"), {**facts, "result": self._conclusion()}
        )

    def _differs(self) -> bool:
        return self.value != self.default_value

    def _counts(self) -> dict[str, int]:
        """Trials by state."""
        counts = self.trials["state"].value_counts()
        return {state: int(counts.get(state, 0)) for state in _SAID}

    def _means(self, comparison: Comparison) -> dict[str, float | None]:
        """Over the splits where the metric is defined; None where it is on none."""
        known = {
            result.name: [value for value in result.values(self.metric) if not math.isnan(value)]
            for result in comparison.results
        }
        return {name: float(np.mean(values)) if values else None for name, values in known.items()}

    def _verdict(self, comparison: Comparison) -> Verdict | None:
        """The paired test of the metric; None without two models."""
        return next((verdict for verdict in comparison.significance if verdict.metric == self.metric.upper()), None)
