"""A model in one HTML page: its lists in headless Chromium, without a network, are those of the model."""

import json
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from browser import CHROMIUM, Browser
from scipy import sparse

import autorec
from autorec.errors import AutoRecError
from autorec.exports import html_page as page
from autorec.exports.quantise import deflate, round_ease, round_turned, round_vectors
from autorec.models.ease import Ease

FAST = {"hidden": 12, "epochs": 3, "validation": 0.0, "penalty": "l2:10"}
SETTINGS: dict[str, dict[str, Any]] = {
    "autorec": {},
    "i-autorec": FAST,
    "u-autorec": {**FAST, "inputs": "residuals+rated"},
    "mult-vae": {"hidden": "20-10", "epochs": 2, "validation": 0.0},
    "rec-vae": {"hidden": "12-12-12-6", "epochs": 3, "validation": 0.0},
    "biased-mf": {"factors": 5, "sweeps": 3},
}


def fit_on_sample(name: str) -> Any:
    model = autorec.create(name, **SETTINGS[name])
    if name == "autorec":
        model._make_rating = lambda seed: autorec.create("i-autorec", **FAST)
    return model.fit(autorec.load_sample())


def ask(browser: Browser, history: dict[Any, float], n: int = 10) -> list[dict[str, Any]]:
    rated = [{"item": item, "rating": rating} for item, rating in history.items()]
    body = json.dumps({"history": rated, "n": n})
    return browser.run(f"answerHere('recommend', {body})")["items"]


def open_page(browser: Browser, path: Path) -> None:
    """Without a network: whatever the page asked of one would fail."""
    browser.call("Network.enable")
    browser.call("Network.emulateNetworkConditions", offline=True, latency=0, downloadThroughput=0, uploadThroughput=0)
    browser.call("Page.navigate", url=path.as_uri())
    browser.wait("document.readyState === 'complete' && document.querySelectorAll('#list .title').length == 15")


@pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium here")
@pytest.mark.filterwarnings("ignore:AutoRec", "ignore:.*damped biases")
def test_the_lists_of_the_page_are_those_of_the_model(tmp_path: Path) -> None:
    sample = autorec.load_sample()
    held_out = autorec.user_split(sample, 25, seed=3).fold_in
    with Browser(tmp_path / "profile") as browser:
        for name in SETTINGS:
            model = fit_on_sample(name)
            told = autorec.export(model, tmp_path / f"{name}.html")
            assert told["form"] == "html" and told["parity"] >= (page.OF_MATRIX if name == "autorec" else page.PARITY)
            open_page(browser, tmp_path / f"{name}.html")
            same = 0
            for row in range(held_out.n_users):
                entries = slice(held_out.csr.indptr[row], held_out.csr.indptr[row + 1])
                ids = held_out.item_ids[held_out.csr.indices[entries]].tolist()
                history = dict(zip(ids, held_out.csr.data[entries].tolist(), strict=True))
                expected = model.recommend(history=history, n=10)
                found = ask(browser, history)
                same += len({one["item"] for one in found} & set(expected["item"].tolist()))
                assert found[0]["score"] == pytest.approx(expected["score"][0], abs=0.01, rel=0.01)
            assert same >= 0.995 * 10 * held_out.n_users, name


@pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium here")
def test_the_page_is_used_as_that_of_the_service_is(tmp_path: Path) -> None:
    """Search, click, and the list follows; a title is text, whatever it holds."""
    model = autorec.create("pure-svd", factors=8).fit(autorec.load_sample())
    hostile = "</script><img src=x onerror=document.title='!'> Hotel"
    titles = model.ratings_.titles.copy()
    titles[model.ratings_.item_counts.argmax()] = hostile
    object.__setattr__(model.ratings_, "titles", titles)
    autorec.export(model, tmp_path / "m.html")
    with Browser(tmp_path / "profile") as browser:
        open_page(browser, tmp_path / "m.html")
        browser.run("at('search').value = 'HOTEL'; at('search').dispatchEvent(new Event('input'))")
        found = browser.wait(
            "at('found').textContent.includes('Hotel') && at('found').querySelector('.title').textContent"
        )
        assert found == hostile and browser.run("document.title") == "AutoRec"
        browser.run("at('found').querySelector('button').click()")
        browser.wait("at('source').textContent.startsWith('By what')")
        listed = browser.run("[...document.querySelectorAll('#list .title')].map(one => one.textContent)")
        expected = model.recommend(history=[model.ratings_.item_ids[model.ratings_.item_counts.argmax()]], n=15)
        assert listed == expected["title"].tolist()
        assert browser.run("at('variety').hidden && at('problem').hidden")


def test_rounding_errs_by_the_steps_and_reads_back_as_it_says() -> None:
    rng = np.random.default_rng(0)
    X, users = rng.normal(size=(60, 12)) * np.arange(1, 13), rng.normal(size=(200, 12)) / np.arange(1, 13) ** 2
    exact = users @ X.T
    to_step = round_vectors(X, users.T @ users / len(users))
    errors = [float(np.abs(users @ to_step(step).array.T - exact).std()) for step in (0.1, 0.01)]
    assert errors[0] < 0.1 and errors[1] < errors[0] / 5
    turned = round_turned(X, np.eye(12), np.arange(1.0, 61), rng.permutation(60))
    coarse, fine = (float(np.abs(turned(step).array @ turned(step).array.T - X @ X.T).mean()) for step in (0.1, 0.01))
    assert fine < 0.1 and fine < coarse / 5
    chosen = sparse.csr_array((rng.random((200, 30)) < 0.3).astype(np.float32))
    model = Ease(l2=5, relevant=1).fit(chosen)
    share = np.asarray(chosen.mean(axis=0))
    d = model.inverse_diagonal_.astype(float)
    rounded = round_ease(model.weights_, d, share, np.ones(30), rng.permutation(30))(1e-5)
    np.testing.assert_allclose(rounded.array, model.weights_, atol=1e-4)
    assert len(deflate(rounded.parts[0])) < model.weights_.nbytes


def test_a_page_that_cannot_keep_the_lists_is_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = autorec.create("pure-svd", factors=4).fit(autorec.load_sample())
    monkeypatch.setattr(page, "FINENESS", [0.01])
    with pytest.raises(AutoRecError, match=r"of the lists' items differ .* not written"):
        autorec.export(model, tmp_path / "m.html")
    monkeypatch.undo()
    monkeypatch.setattr(page, "MOST_BYTES", 1000)
    with pytest.raises(AutoRecError, match=r"the page would take \d MB"):
        autorec.export(model, tmp_path / "m.html")
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium here")
def test_a_page_that_is_cut_short_says_so_and_numbers_of_any_size_are_read(tmp_path: Path) -> None:
    autorec.export(autorec.create("pure-svd", factors=4).fit(autorec.load_sample()), tmp_path / "m.html")
    text = (tmp_path / "m.html").read_text(encoding="utf-16")
    begin = text.index('data-facts="')
    (tmp_path / "cut.html").write_text(text[: begin + 500] + text[begin + 1500 :], encoding="utf-16")
    numbers = np.random.default_rng(0).integers(-(2**30), 2**30, 99) >> np.arange(99) % 31
    data = list(zlib.decompress(deflate(numbers)))
    with Browser(tmp_path / "profile") as browser:
        open_page(browser, tmp_path / "m.html")
        assert browser.run(f"[...whole(Uint8Array.from({data}), 99)]") == numbers.tolist()
        browser.call("Page.navigate", url=(tmp_path / "cut.html").as_uri())
        browser.wait("document.readyState === 'complete' && at('problem').textContent.includes('cannot be read')")
