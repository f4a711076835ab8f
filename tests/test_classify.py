"""Labels from a few: planted groups are told, and sooner by a model than by ratings; files of labels are read."""

import copy
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import normalize
from test_cli import run, told

import autorec
from autorec.errors import InputError, ParameterError
from autorec.insight.classify import _measure, _regress
from autorec.insight.joint_labels import _Labels
from autorec.insight.joint_training import train_on
from autorec.models.choice_network import HEAD, make_choice_examples, prepare
from autorec.network.likelihood import LIKELIHOODS


@pytest.fixture(scope="module")
def model() -> autorec.BiasedMF:
    return autorec.BiasedMF(factors=8).fit(autorec.load_sample())


@pytest.mark.parametrize("of", ["users", "items"])
def test_planted_groups_are_told_from_few_labels(model: Any, of: str) -> None:
    planted = dict(zip(("users", "items"), autorec.sample_groups(), strict=True))[of]
    known = planted.sample(150, random_state=0)
    found = autorec.classify(model, known, of, repeats=2)
    accuracy = found.curve.pivot(index="labels", columns="features", values="accuracy")
    assert accuracy.index.tolist() == [20, 50, 100, 120]
    assert accuracy.loc[20, "model"] > accuracy.loc[20, "ratings"] + 0.1
    assert accuracy["model"].min() > 0.85 and accuracy.loc[120, "model"] > 0.95
    rest = found.predicted.set_index(of.removesuffix("s"))
    assert len(rest) == len(planted) - 150 and not rest.index.isin(known.index).any()
    assert (rest["label"] == planted.loc[rest.index]).mean() > 0.95
    assert found.classes == known.value_counts().sort_index().to_dict()


def test_labels_that_say_nothing_are_not_told(model: Any) -> None:
    users = autorec.sample_groups()[0].index
    labels = pd.Series(np.random.default_rng(0).choice(["a", "b"], len(users)), users)
    found = autorec.classify(model, labels, repeats=2)
    assert found.curve["balanced_accuracy"].between(0.38, 0.62).all()
    assert not len(found.predicted) and found.predicted.columns.tolist() == ["user", "label", "probability"]


def test_ratings_are_scikit_learns_rows_of_length_1(model: Any) -> None:
    X = normalize(model.ratings_.csr)
    classes = autorec.sample_groups()[0].loc[model.ratings_.user_ids].to_numpy(dtype=str)
    learned, test = np.arange(7), np.arange(7, 600)  # too few for folds
    told_right = LogisticRegression(max_iter=2000).fit(X[learned], classes[learned]).score(X[test], classes[test])
    assert _measure(partial(_regress, X), np.arange(600), classes, learned, test)[0] == pytest.approx(told_right)


def test_a_network_that_learns_the_labels_tells_more_than_one_trained_without(monkeypatch: Any) -> None:
    """On a third of the sample, where five groups are hard to see; the model itself stays as it was.

    Bounds that hold for ten draws of sample, model and split; with 50 labels the gain is within its spread.
    """
    monkeypatch.setattr("autorec.insight.classify.NUMBERS", ())
    frame = autorec.load_sample().to_frame()
    thin = frame[np.random.default_rng(0).random(len(frame)) < 0.3]
    model = autorec.create("mult-vae", hidden=10, batch=200, epochs=30).fit(thin)
    before = model.network_.encoder.weights[0].detach().clone()
    groups = autorec.sample_groups()[0]
    found = autorec.classify(model, groups[groups.index.isin(model.ratings_.user_ids)], repeats=1, joint=True)
    accuracy = found.curve.set_index("features")["accuracy"]
    for name in ("fine-tuned", "joint"):
        assert accuracy[name] > max(accuracy["both"], accuracy[["model", "ratings"]].max() + 0.05, 0.65)
    assert found.features in ("fine-tuned", "joint")
    assert torch.equal(model.network_.encoder.weights[0], before)


def test_the_weight_of_reconstruction_is_the_difference_between_joint_and_fine_tuned() -> None:
    """Labels that no choice tells of, learned by heart: the network of labels alone gives up its reconstruction."""
    frame, rng = autorec.load_sample().to_frame(), np.random.default_rng(0)
    model = autorec.create("mult-vae", hidden=10, batch=200, epochs=20).fit(frame)
    n = model.ratings_.n_users
    labels = _Labels(torch.randn(n, 10), np.arange(n), rng.integers(0, 2, n), n)
    losses = []
    for reconstruct in (True, False):
        network = copy.deepcopy(model.network_)
        train_on(model, network, labels.penalty, labels.parameters(), 0, reconstruct=reconstruct)
        (example,) = make_choice_examples(prepare(model.ratings_, None, 0.0, 0), 1000)
        likelihood = LIKELIHOODS["multinomial"].make()
        trace = network(example)
        losses.append(likelihood(network.head(HEAD), example.targets[HEAD], trace.code, example.offset).item() / n)
    assert losses[0] < losses[1] - 1


def test_joint_training_is_for_users_and_autoencoders_of_choices(model: Any) -> None:
    users, items = autorec.sample_groups()
    with pytest.raises(ParameterError, match="joint training learns labels of users; leave it out for items"):
        autorec.classify(model, items, "items", joint=True)
    with pytest.raises(ParameterError, match="BiasedMF cannot be trained for labels; models that can: mult-dae"):
        autorec.classify(model, users, joint=True)


def test_what_is_left_out_and_refused(model: Any) -> None:
    groups = autorec.sample_groups()[0].iloc[:100]
    labels = pd.concat([groups, pd.Series({9999: "Crime", 300: "rare"})])
    with pytest.warns(UserWarning, match="left out: 1 of users that the model does not know, 1 of classes with fewer"):
        found = autorec.classify(model, labels, repeats=1)
    assert sum(found.classes.values()) == 100
    with pytest.raises(InputError, match="39 labels of 2 classes with 10 or more are left; needed are 40"):
        autorec.classify(model, {user: user % 2 for user in range(1, 40)})
    with pytest.raises(InputError, match="100 labels of 1 classes"):
        autorec.classify(model, dict.fromkeys(range(1, 101), "one"))
    with pytest.raises(ParameterError, match="Ease has no vectors"):
        autorec.classify(autorec.Ease().fit(autorec.load_sample()), groups)


@pytest.mark.parametrize(
    ("text", "column", "expected"),
    [
        ("1|24|M|technician\n2|53|F|\n", 3, {"1": "M", "2": "F"}),
        ("1|24|M|technician\n2|53|F|\n", "4", {"1": "technician"}),
        ("1::F::1\r\n2::M::56\r\n", 2, {"1": "F", "2": "M"}),
        ("id,label\nx,a\ny,b\nx,c\n", 2, {"y": "b", "x": "c"}),
        ('user_id;"gender";age\n007;"m";3\n', "gender", {"007": "m"}),
    ],
)
def test_files_of_labels(tmp_path: Path, text: str, column: Any, expected: dict[str, str]) -> None:
    path = tmp_path / "labels"
    path.write_bytes(text.encode())
    assert autorec.read_labels(str(path), column).to_dict() == expected


@pytest.mark.parametrize(
    ("text", "column", "sentence"),
    [
        ("1 2\n", 2, "has one column; labels need two"),
        ("id,label\n1,a\n", "lable", "no labels in column lable; allowed: 2 to 2, or label.*label"),
        ("1,a\n", 1, "no labels in column 1; allowed: 2 to 2$"),
        ("1,a\n2,b,c\n", 2, "cannot be read as a table"),
    ],
)
def test_files_without_labels_are_refused(tmp_path: Path, text: str, column: Any, sentence: str) -> None:
    path = tmp_path / "labels"
    path.write_text(text)
    with pytest.raises(InputError, match=sentence):
        autorec.read_labels(str(path), column)


def test_the_verb(model: Any, tmp_path: Path) -> None:
    model.save(tmp_path / "model")
    groups = autorec.sample_groups()[0].iloc[:80]
    groups.rename("genre").rename_axis("id").to_csv(tmp_path / "labels.csv")
    options = ("classify", tmp_path / "model", "--labels", tmp_path / "labels.csv", "--column", "genre", "--repeats", 2)
    facts = told(*options, "-o", tmp_path / "others.csv")
    expected = autorec.classify(model, groups, repeats=2)
    assert facts["curve"] == expected.curve.to_dict("records") and facts["features"] == expected.features
    written = pd.read_csv(tmp_path / "others.csv")
    assert written["label"].tolist() == expected.predicted["label"].tolist() and len(written) == 520
    assert f"5 classes of 80 labels; always the largest: {16 / 80:.4f}" in run(*options).stdout
