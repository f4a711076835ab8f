"""`score`, and with it scikit-learn's own searches."""

import numpy as np
import pandas as pd
import pytest
from sklearn.model_selection import GridSearchCV, cross_validate

import autorec


@pytest.fixture(scope="module")
def split():
    (one,) = autorec.split(autorec.load_sample())
    return one


@pytest.mark.parametrize("name", ["bias", "global-mean", "popularity", "ease", "item-knn"])
def test_the_score_is_the_metric_of_evaluate(name, split):
    model = autorec.create(name).fit(split.train)
    found = autorec.evaluate(model, split.test).metrics
    assert model.score(split.test) == pytest.approx(-found["rmse"] if model.rates else found["ndcg@10"], abs=1e-9)


def test_unknown_users_and_items_count_as_in_evaluate(split):
    test = split.test.to_frame()[["user", "item", "rating"]]
    strange = pd.DataFrame({"user": [1, 99_999], "item": [88_888, 1], "rating": [5.0, 5.0]})
    test = pd.concat([test, strange], ignore_index=True)
    for model in (autorec.Bias(), autorec.Popularity()):
        model.fit(split.train)
        found = autorec.evaluate(model, test).metrics
        assert model.score(test) == pytest.approx(-found["rmse"] if model.rates else found["ndcg@10"], abs=1e-9)
    assert np.isnan(autorec.Popularity().fit(split.train).score(strange.iloc[1:]))


def test_scikit_learn_searches_and_validates_without_a_scorer_of_ones_own(split):
    frame = split.train.to_frame()[["user", "item", "rating"]].sample(frac=1, random_state=0)
    search = GridSearchCV(autorec.Ease(), {"l2": [1.0, 300.0]}, cv=3).fit(frame)
    assert search.best_params_ == {"l2": 300.0}
    scores = cross_validate(autorec.Bias(user_damping=5.0, item_damping=5.0), frame, cv=3)["test_score"]
    assert len(scores) == 3 and all(-2 < score < -0.5 for score in scores)
