"""What an evaluation says before its numbers: test ratings that the model has, test ratings of another scale; and what
its memory figure leaves alone."""

import json
import platform
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from conftest import random_frame

from autorec import Bias, Ease, Popularity, evaluate, split
from autorec.cli.main import autorec as command_line
from autorec.evaluation.environment import peak_memory


def test_test_ratings_that_the_model_has_are_a_caution(tmp_path: Path) -> None:
    frame = random_frame(20, 30)
    (one,) = split(frame, "random:0.2", 0)
    model = Bias().fit(one.train)
    assert evaluate(model, one.test).caution is None
    mixed = pd.concat([one.train.to_frame().head(7), one.test.to_frame()])
    result = evaluate(model, mixed)
    assert f"Caution: 7 of {len(mixed)} test ratings are of pairs that the model was given" in result.caution
    assert result.caution in result.to_markdown() and result.to_dict()["caution"] == result.caution
    assert result.caution in result.to_html()
    other = one.train.to_frame().head(7).assign(rating=3.0)  # the pair counts, not the value
    assert "Caution: 7 of 7" in evaluate(model, other).caution

    frame.to_csv(tmp_path / "r.csv", index=False)
    model.save(tmp_path / "model")
    command = ["evaluate", str(tmp_path / "model"), str(tmp_path / "r.csv")]
    shown = CliRunner().invoke(command_line, [*command, "-o", str(tmp_path / "e.json")])
    assert shown.stdout.startswith(f"Caution: {len(one.train)} of {len(frame)} test ratings")
    assert "rmse " in shown.stdout  # the table is shown beside a file too
    assert json.loads((tmp_path / "e.json").read_text())["caution"] in shown.stdout


def test_a_test_of_strangers_alone_is_a_caution() -> None:
    frame = random_frame()
    model = Popularity().fit(frame.assign(user="00" + frame["user"].astype(str)))
    found = evaluate(model, frame)
    assert f"knows user and item of none of the {len(frame)} test ratings" in found.caution
    assert "such as user 0, item 0; those of the training, user '000', item 0" in found.caution
    assert found.counts.cold_ratings == len(frame)


def test_ratings_folded_in_count_as_given() -> None:
    (one,) = split(random_frame(), "users:5", 0)
    model = Bias().fit(one.train)
    assert evaluate(model, one.test, fold_in=one.fold_in).caution is None
    both = pd.concat([one.test.to_frame(), one.fold_in.to_frame(), one.train.to_frame()])
    seen = len(one.fold_in) + len(one.train)
    assert f"Caution: {seen} of {len(both)} " in evaluate(model, both, fold_in=one.fold_in).caution


def test_test_ratings_of_another_scale_are_named_and_have_defined_metrics() -> None:
    (one,) = split(random_frame(40, 40), "random:0.2", 0)
    model = Popularity().fit(one.train)
    usual = evaluate(model, one.test).metrics
    shares = one.test.to_frame()
    shares["rating"] = (shares["rating"] - 1) / 4
    with pytest.warns(UserWarning, match=r"of \d+ test ratings lie outside 1 … 5.* None reaches 4; relevant are those"):
        found = evaluate(model, shares)
    assert found.settings.relevant == 0.75
    assert found.metrics["ndcg@10"] == usual["ndcg@10"]
    assert all(np.isfinite(value) for value in found.metrics.values())
    with pytest.warns(UserWarning, match="is it the right file"):
        assert evaluate(model, shares, relevant=2).settings.relevant == 2  # what is asked for stays


def test_a_choice_model_of_ratings_all_alike_knows_no_scale() -> None:
    (one,) = split(random_frame(40, 40).assign(rating=1.0), "random:0.2", 0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        metrics = evaluate(Ease().fit(one.train), one.test).metrics
        evaluate(Ease().fit(one.train), one.test.to_frame().assign(rating=3.0))
    assert metrics["ndcg_graded@10"] == pytest.approx(metrics["ndcg@10"])
    assert all(np.isfinite(value) for value in metrics.values())


def test_a_rating_that_no_item_of_the_test_reaches_is_named() -> None:
    (one,) = split(random_frame(40, 40), "strong:8")  # of choices, which are 1
    with pytest.warns(UserWarning, match="the test ratings is 1, none reaches relevant=4: no list is judged"):
        evaluate("ease", one, relevant=4)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc gives back what is below a used block")
def test_memory_that_was_freed_before_counts_where_it_is_used_again() -> None:
    sizes = []
    for _ in range(2):
        with peak_memory() as peak:
            blocks = [np.ones(10_000) for _ in range(1000)]  # 80 MB in pieces that malloc keeps
        last = blocks[-1]
        del blocks
        sizes.append(peak.bytes)
    assert last.all() and min(sizes) > 70e6


def test_measuring_memory_changes_nothing_of_the_process() -> None:
    """The system's mark of the highest memory stays, so a smaller peak below it is found by readings."""
    status = Path("/proc/self/status")
    if not status.exists():
        pytest.skip("no /proc")

    def record() -> int:
        return next(int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith("VmHWM"))

    with peak_memory() as above:
        np.ones(2**25)  # 256 MiB, let go at once
    assert 2**28 * 0.9 < above.bytes < 2**28 * 1.5
    before = record()
    with peak_memory() as below:
        held = np.ones(2**24)
        for _ in range(20):
            held += 1
    assert record() == before
    assert 2**27 * 0.9 < below.bytes < 2**27 * 1.5
