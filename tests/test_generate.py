"""Synthetic users: planted groups come out, statistics are what they are said to be, a copy is found."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import sparse
from scipy.stats import spearmanr
from sklearn.metrics import pairwise_distances
from test_cli import run, told

import autorec
from autorec.errors import InputError, ParameterError
from autorec.insight.generate import _draw_items, _select_choices
from autorec.insight.likeness import compare_choices, find_nearest


@pytest.fixture(scope="module")
def model() -> autorec.ChoiceAutoencoder:
    return autorec.create("mult-vae", hidden=20, batch=100).fit(autorec.load_sample())


@pytest.fixture(scope="module")
def made(model: Any) -> Any:
    return autorec.generate(model, 500)


def genres_of(frame: pd.DataFrame) -> "pd.Series[Any]":
    """The genre that each user chose most, and the mean share of the choices that it has."""
    own = autorec.sample_groups()[1].loc[frame["item"]].to_numpy()
    shares = pd.crosstab(frame["user"].to_numpy(), own, normalize="index")
    return pd.Series({"shares": shares.idxmax(axis=1).value_counts(normalize=True), "mean": shares.max(axis=1).mean()})


def test_planted_groups_come_out(model: Any, made: Any) -> None:
    genres = genres_of(made.to_frame())
    assert len(genres["shares"]) == 5 and genres["shares"].min() > 0.1
    shuffled = made.to_frame()
    shuffled["item"] = np.random.default_rng(0).permutation(shuffled["item"])  # popular items, no taste
    assert genres["mean"] > genres_of(shuffled)["mean"] + 0.15
    measures = made.measures.set_index("measure")["synthetic"]
    assert measures["popularity, rank correlation"] > 0.85 and measures["pairs of items, correlation"] > 0.4
    of_prior = autorec.generate(model, 500, codes="prior").measures.set_index("measure")["synthetic"]
    assert of_prior["pairs of items, correlation"] < measures["pairs of items, correlation"] - 0.1


def test_numbers_of_items_and_ratings_are_those_of_real_users(model: Any, made: Any) -> None:
    real = _select_choices(model.ratings_, None)
    counts, ours = np.diff(real.csr.indptr), np.diff(made.ratings.csr.indptr)
    assert set(ours) <= set(counts) and ours.mean() == pytest.approx(counts.mean(), rel=0.1)
    assert made.ratings.csr.data.min() >= 4 and made.ratings.scale == model.ratings_.scale
    pairs = real.to_frame()[["item", "rating"]].drop_duplicates()
    assert len(made.to_frame().merge(pairs)) == len(made.ratings)  # each rating was given to its item by somebody
    assert made.histogram["real"].sum() == pytest.approx(1) and made.histogram["synthetic"].sum() == pytest.approx(1)
    np.testing.assert_allclose(made.histogram["real"], made.histogram["synthetic"], atol=0.03)


def test_items_are_drawn_in_proportion_to_their_probabilities(model: Any) -> None:
    codes = torch.zeros(20_000, 20)
    found = _draw_items(model.network_, codes, np.ones(20_000, dtype=np.int64), np.random.default_rng(0))
    expected = model.network_.head("choice").all(codes[:1], torch.zeros(1)).softmax(dim=1)[0].detach().numpy()
    shares = np.bincount(found.indices, minlength=300) / 20_000
    spread = np.sqrt(expected * (1 - expected) / 20_000)
    assert (np.abs(shares - expected) < 5 * spread + 1e-4).all()


def test_a_copied_user_is_found(made: Any, model: Any) -> None:
    real = _select_choices(model.ratings_, None)
    victim = int(np.argmax(np.diff(real.csr.indptr) == 20))
    stolen = sparse.vstack([made.ratings.csr[:7], real.csr[[victim]], made.ratings.csr[8:]], format="csr")
    copied = replace(made.ratings, csr=sparse.csr_array(stolen))
    found = find_nearest(copied, real)
    assert found.loc[7, "nearest"] == real.user_ids[victim] and found.loc[7, "distance"] == 0
    shares = [
        compare_choices(real, one, 0).set_index("measure").loc["share with the items of another", "synthetic"]
        for one in (made.ratings, copied)
    ]
    assert shares[1] == pytest.approx(shares[0] + 1 / 500)


def test_measures_are_those_of_other_libraries(made: Any, model: Any) -> None:
    real = _select_choices(model.ratings_, None)
    ours, theirs = (one.csr.toarray() > 0 for one in (made.ratings, real))
    distances = pairwise_distances(ours, theirs, metric="jaccard")
    np.testing.assert_allclose(made.nearest["distance"], distances.min(axis=1), atol=1e-12)
    among = pairwise_distances(theirs, metric="jaccard") + 2 * np.eye(len(theirs))
    measures = made.measures.set_index("measure")
    assert measures.loc["distance to the nearest, median", "real"] == pytest.approx(np.median(among.min(axis=1)))
    rank = spearmanr(ours.sum(axis=0), theirs.sum(axis=0)).statistic
    assert measures.loc["popularity, rank correlation", "synthetic"] == pytest.approx(rank)
    pairs = np.triu_indices(300, 1)
    phis = [np.corrcoef(one.T)[pairs] for one in (ours, theirs)]
    known = np.isfinite(phis[0])
    expected = np.corrcoef(phis[0][known], phis[1][known])[0, 1]
    assert measures.loc["pairs of items, correlation", "synthetic"] == pytest.approx(expected)


def test_what_is_learned_from_synthetic_users_ranks_real_ones() -> None:
    frame = autorec.load_sample().to_frame()
    seen = frame["user"] <= 500
    model = autorec.create("mult-vae", hidden=20, batch=100).fit(frame[seen])
    use = autorec.generate(model, test=frame[~seen]).use.set_index("model")
    real, synthetic = use.loc["ease"]
    assert real > synthetic > use.loc["popularity", "real"]


@pytest.mark.parametrize("name", ["wae", "aae", "hali", "rec-vae"])
def test_all_models_that_draw_codes_generate(name: str, ratings: autorec.Ratings) -> None:
    model = autorec.create(name, hidden=4, epochs=2).fit(ratings)
    for codes in ("users", "prior"):
        frames = [autorec.generate(model, 9, codes, random_state=seed).to_frame() for seed in (1, 1, 2)]
        assert frames[0].equals(frames[1]) and not frames[0].equals(frames[2])
        assert frames[0]["user"].nunique() == 9 and set(frames[0]["item"]) <= set(ratings.item_ids)


def test_what_it_refuses(model: Any, ratings: autorec.Ratings) -> None:
    with pytest.raises(ParameterError, match="Ease draws no codes of users; models that do: mult-vae, beta-vae, "):
        autorec.generate(autorec.Ease().fit(ratings))
    of_items = autorec.create("rating-vae", hidden="6-4", epochs=2).fit(ratings)
    sentence = r"AutoRec draws no codes of users; .* wae, rec-vae, aae, wgan-ae, .* alice$"
    with pytest.raises(ParameterError, match=sentence):
        autorec.generate(of_items)
    with pytest.raises(ParameterError, match="codes is 'all'; allowed: users, prior"):
        autorec.generate(model, codes="all")
    with pytest.raises(InputError, match="test: nobody has 5 choices"):
        autorec.generate(model, test=pd.DataFrame({"user": [1, 1], "item": [1, 2], "rating": [5.0, 1.0]}))


def test_the_verb(model: Any, tmp_path: Path) -> None:
    model.save(tmp_path / "model")
    out = tmp_path / "made.csv"
    facts = told("generate", tmp_path / "model", "-n", 50, "--seed", 3, "-o", out)
    expected = autorec.generate(model, 50, random_state=3)
    assert facts["measures"] == expected.measures.to_dict("records") and facts["use"] is None
    again = autorec.read_ratings(out, scale=(1, 5))
    assert again.n_users == 50 and len(again) == facts["rows"] == len(expected.ratings)
    text = run("generate", tmp_path / "model", "-n", 50, "-o", out).stdout
    assert "pairs of items, correlation" in text and "synthetic-" in text
