"""Exported models: each form has the scores of the model it was made from."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import random_frame
from scipy import sparse

import autorec
from autorec.errors import AutoRecError, InputError, ParameterError
from autorec.exports import recommend
from autorec.exports.formula import find_formula
from autorec.exports.onnx_file import make_onnx, start_onnx

NETWORK = {"hidden": 8, "epochs": 2, "validation": 0.0}
FAST: dict[str, dict[str, Any]] = {
    "autorec": {},
    "i-autorec": {**NETWORK, "penalty": "l2:10"},
    "i-autorec-paper": {"hidden": 8, "epochs": 2, "validation": 0.0},
    "u-autorec": {**NETWORK, "hidden": "12-8", "penalty": "l2:10", "inputs": "residuals+rated"},
    "rating-vae": {**NETWORK, "orientation": "user", "hidden": "12-8", "penalty": "l2:10+gaussian_kl:1@10"},
    "u-autorec-paper": {"hidden": 8, "epochs": 2, "validation": 0.0},
    "biased-mf": {"factors": 3, "sweeps": 2},
    "ease": {},
    "elsa": {"factors": 4, "epochs": 1, "validation": 0.0},
    "pure-svd": {"factors": 4},
    "svd-ae": {"rank": 0.3},
    "mult-vae": {**NETWORK, "hidden": "12-6"},
    "rec-vae": {**NETWORK, "hidden": "8-8-6"},
    "mult-dae": NETWORK,
    "aae": {"hidden": 6, "epochs": 1, "validation": 0.0},
}


def fitted(name: str) -> Any:
    """A small model on half stars, on which the scale inside a network is another."""
    frame = random_frame(40, 25)
    frame["rating"] = frame["rating"] / 2
    model = autorec.create(name, **FAST[name])
    if name == "autorec":
        model._make_rating = lambda seed: autorec.create("i-autorec", **FAST["i-autorec"])
    return model.fit(frame)


def random_histories(model: Any, n: int = 6) -> list[tuple[Any, Any]]:
    """(items, ratings) of n people, of one rating up."""
    rng, (low, high) = np.random.default_rng(1), model.ratings_.scale
    sizes = [1, 2, *rng.integers(3, model.ratings_.n_items, n - 2)]
    return [
        (rng.permutation(model.ratings_.n_items)[:size], np.append(high, rng.uniform(low, high, size - 1)))
        for size in sizes
    ]


def own_scores(model: Any, items: Any, ratings: Any) -> Any:
    history = sparse.csr_array(
        (ratings.astype(np.float32), ([0] * len(items), items)), shape=(1, model.ratings_.n_items)
    )
    return model._to_ratings(model.score_users(model.encode_users(history)))[0]


@pytest.mark.filterwarnings("ignore:AutoRec", "ignore:.*damped biases")
@pytest.mark.parametrize("name", FAST)
def test_the_formula_in_numpy_has_the_scores_of_the_model(name: str) -> None:
    model = fitted(name)
    facts, arrays = find_formula(model)
    json.dumps(facts)
    for items, ratings in random_histories(model):
        own = own_scores(model, items, ratings)
        np.testing.assert_allclose(recommend.score(facts, arrays, items, ratings), own, atol=1e-5, rtol=1e-5)


def test_a_model_without_a_formula_is_refused() -> None:
    model = autorec.create("item-knn").fit(random_frame())
    with pytest.raises(ParameterError, match=r"ItemKNN does not score a history by a formula .* i-autorec, u-autorec"):
        find_formula(model)


@pytest.mark.filterwarnings("ignore:AutoRec", "ignore:.*damped biases")
@pytest.mark.parametrize("name", FAST)
def test_the_graph_has_the_scores_of_the_model(name: str) -> None:
    model = fitted(name)
    file = make_onnx(find_formula(model), {"ids": model.ratings_.item_ids.tolist(), "titles": None})
    score = start_onnx(file)
    for items, ratings in random_histories(model):
        np.testing.assert_allclose(score(items, ratings), own_scores(model, items, ratings), atol=1e-4)


@pytest.fixture(scope="module")
def small() -> Any:
    return autorec.create("pure-svd", factors=4).fit(autorec.load_sample())


def test_the_folder_recommends_with_numpy_alone(small: Any, tmp_path: Path) -> None:
    """Its script, in a process where this library cannot be imported, gives the list of `recommend`."""
    told = autorec.export(small, tmp_path / "out")
    assert told["form"] == "numpy" and told["histories"] == 50 and told["difference"] < 1e-6
    sample, liked = small.ratings_, small.ratings_.item_ids[[3, 9]].tolist()
    script = f"import sys; sys.modules['autorec'] = None; sys.argv[1:] = {[str(one) for one in liked]!r};"
    script += "import runpy; runpy.run_path('recommend.py', run_name='__main__')"
    run = subprocess.run([sys.executable, "-c", script], cwd=tmp_path / "out", capture_output=True, text=True)
    assert not run.returncode, run.stderr
    expected = small.recommend(history=liked, n=10)
    assert [line.split("\t")[0] for line in run.stdout.splitlines()] == expected["item"].astype(str).tolist()
    users, items = (np.load(tmp_path / "out" / f"{side}.npy") for side in ("users", "items"))
    bias = np.load(tmp_path / "out" / "user_bias.npy")
    np.testing.assert_allclose(users @ items.T + bias[:, None], small._score_rows(np.arange(sample.n_users)), atol=1e-5)
    run = subprocess.run([sys.executable, "recommend.py", "none"], cwd=tmp_path / "out", capture_output=True, text=True)
    assert run.returncode == 1 and run.stderr == "unknown items: none\n"


@pytest.mark.parametrize("name", ["u-autorec", "i-autorec", "biased-mf"])
@pytest.mark.filterwarnings("ignore:AutoRec", "ignore:.*damped biases")
def test_the_vectors_of_users_make_the_scores_of_users(name: str, tmp_path: Path) -> None:
    model = fitted(name)
    autorec.export(model, tmp_path / "out")
    a = {part: np.load(tmp_path / "out" / f"{part}.npy") for part in ("users", "items", "user_bias", "item_bias")}
    scores = a["users"] @ a["items"].T + a["item_bias"] + a["user_bias"][:, None]
    np.testing.assert_allclose(scores, model._score_rows(np.arange(model.ratings_.n_users)), atol=1e-5)


def test_a_file_of_onnx_is_written_and_says_its_ids(small: Any, tmp_path: Path) -> None:
    told = autorec.export(small, tmp_path / "m.onnx")
    import onnx

    file = onnx.load(str(tmp_path / "m.onnx"))
    assert told["form"] == "onnx" and told["difference"] < 1e-6
    facts = {one.key: json.loads(one.value) for one in file.metadata_props}
    assert facts["item_ids"] == small.ratings_.item_ids.tolist() and facts["scale"] == list(small.ratings_.scale)


def test_a_form_whose_scores_differ_is_not_written(small: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recommend, "score", lambda *_: np.zeros(small.ratings_.n_items))
    with pytest.raises(AutoRecError, match=r"the numpy form differ by .* not written"):
        autorec.export(small, tmp_path / "out")
    assert not list(tmp_path.iterdir())


def test_other_folders_are_left_alone_and_earlier_exports_replaced(small: Any, tmp_path: Path) -> None:
    autorec.export(small, tmp_path / "out")
    autorec.export(small, tmp_path / "out")
    (tmp_path / "out" / "mine.txt").write_text("notes")
    with pytest.raises(InputError, match="is there already and no exported folder"):
        autorec.export(small, tmp_path / "out")
    small.save(tmp_path / "model")
    with pytest.raises(InputError, match="is there already and no exported folder"):
        autorec.export(small, tmp_path / "model")
    with pytest.raises(ParameterError, match=r"ends in .txt; allowed: .onnx, .html"):
        autorec.export(small, tmp_path / "m.txt")
    assert autorec.load(tmp_path / "model")
