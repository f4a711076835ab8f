"""The service asked without a network: answers are those of Python, what cannot be answered is a problem."""

import asyncio
import gc
import json
import logging
import random
import shutil
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from prometheus_client import mmap_dict
from serving import SAMPLE, Asked, rating_model
from starlette.responses import JSONResponse

import autorec
from autorec import extras
from autorec.errors import AutoRecError
from autorec.serve import served
from autorec.serve.app import KEY
from autorec.serve.guard import Guard
from autorec.serve.metrics import Metrics
from autorec.storage.manifest import FILES, describe


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Name → folder of a saved model."""
    place = tmp_path_factory.mktemp("serve")
    models = {
        "item": rating_model(),
        "user": autorec.AutoRec(orientation="user", hidden=8, epochs=2, validation=0, penalty="l2:10").fit(SAMPLE),
        "ease": autorec.Ease(l2=50).fit(SAMPLE),
        "popularity": autorec.Popularity().fit(SAMPLE),
        "joint": autorec.create("autorec", rating="biased-mf").fit(SAMPLE),
    }
    for name, model in models.items():
        model.save(place / name)
    return {name: place / name for name in models}


@pytest.fixture(scope="module")
def item(folders: dict[str, Path]) -> Asked:
    return Asked(folders["item"])


def listed(answer: Any) -> list[Any]:
    return [one["item"] for one in answer["items"]]


# --- answers -----------------------------------------------------------------------------------------------------

AS_JSON = {"Content-Type": "application/json"}
HISTORY = [{"item": 10, "rating": 5}, {"item": 15, "rating": 1.5}, "20", {"item": "200"}]
AS_DICT = {10: 5.0, 15: 1.5, 20: None, 200: None}


@pytest.mark.parametrize("name", ["item", "user", "ease", "popularity", "joint"])
def test_recommend_is_that_of_python(folders: dict[str, Path], name: str) -> None:
    ask, model = Asked(folders[name]), autorec.load(folders[name])
    where = {"genre": ["Comedy", "Crime"]}
    cases: list[tuple[dict[str, Any], dict[str, Any]]] = [
        ({"user": 3}, {"users": 3}),
        ({"user": "3", "n": 5, "exclude_seen": False}, {"users": 3, "n": 5, "exclude_seen": False}),
        ({"history": HISTORY, "n": 7}, {"history": AS_DICT, "n": 7}),
        ({"user": 3, "history": HISTORY}, {"users": 3, "history": AS_DICT}),
        ({"user": 3, "where": where, "deny": [6, "7"]}, {"users": 3, "where": where, "deny": [6, 7]}),
        ({"history": HISTORY, "allow": [1, 2, 3], "boost": {"2": 9.5}},
         {"history": AS_DICT, "allow": [1, 2, 3], "boost": {2: 9.5}}),
    ]  # fmt: skip
    if name != "popularity":
        cases.append(({"user": 3, "diversify": 0.5}, {"users": 3, "diversify": 0.5}))
    if name == "joint":
        cases.append(({"history": HISTORY, "by": "rating"}, {"history": AS_DICT, "by": "rating"}))
    told = describe(folders[name])
    for body, arguments in cases:
        answer, table = ask.post("/recommend", body), model.recommend(**arguments)
        assert listed(answer) == table["item"].tolist(), body
        np.testing.assert_allclose([one["score"] for one in answer["items"]], table["score"], rtol=1e-5)
        assert [one["title"] for one in answer["items"]] == table["title"].tolist()
        assert [one["rank"] for one in answer["items"]] == table["rank"].tolist()
        assert answer["source"] == "model" and answer["unknown"] == {"user": False, "items": 0}
        assert answer["model"] == {"name": name, "class": told["class"], "version": "0.1.0", "hash": told["sha256"]}


@pytest.mark.parametrize("name", ["item", "user", "joint"])
def test_predict_is_that_of_python(folders: dict[str, Path], name: str) -> None:
    ask, model = Asked(folders[name]), autorec.load(folders[name])
    answer = ask.post("/predict", {"user": 3, "items": [1, "2", 9999]})
    expected = model.predict([3] * 3, [1, 2, 9999])
    np.testing.assert_allclose([one["rating"] for one in answer["items"]], expected, rtol=1e-5)
    assert [one["source"] for one in answer["items"]] == ["model", "model", "fallback: user mean"]
    assert answer["unknown"] == {"user": False, "items": 1}
    new = SAMPLE.to_frame().iloc[:6].assign(user=0)
    history = [{"item": int(one), "rating": rating} for one, rating in zip(new["item"], new["rating"], strict=True)]
    folded = model.fold_in(new[["user", "item", "rating"]])
    answer = ask.post("/predict", {"history": history, "items": [1, 2, 9999]})
    expected = folded.predict([0] * 3, [1, 2, 9999])
    np.testing.assert_allclose([one["rating"] for one in answer["items"]], expected, rtol=1e-5)
    answer = ask.post("/predict", {"user": "new", "items": [1, 9999]})
    np.testing.assert_allclose([one["rating"] for one in answer["items"]], model.predict(["new"] * 2, [1, 9999]))
    assert [one["source"] for one in answer["items"]] == ["fallback: item mean", "fallback: mean"]


@pytest.mark.parametrize("name", ["item", "user", "ease"])
def test_persons_who_ask_at_once_are_answered_as_each_alone(folders: dict[str, Path], name: str) -> None:
    ask, rng = Asked(folders[name]), np.random.default_rng(0)
    bodies: list[dict[str, Any]] = [
        {"user": 3},
        {},
        {"user": 4, "history": HISTORY},
        {"history": HISTORY, "by": "choice"},
    ]
    for size in rng.integers(1, 60, 20).tolist():
        items, stars = rng.choice(SAMPLE.item_ids, size, replace=False).tolist(), rng.integers(1, 6, size).tolist()
        rated = [{"item": item, "rating": rating} for item, rating in zip(items, stars, strict=True)]
        bodies.append({"history": rated, "n": 5 + size % 3, "deny": items[: size % 2]})
    alone = [ask("POST", "/recommend", json=body) for body in bodies]

    async def ask_all() -> list[httpx.Response]:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(ask.app), base_url="http://service") as client:
            return await asyncio.gather(*(client.post("/recommend", json=body) for body in bodies))

    together = asyncio.run(ask_all())
    assert [(one.status_code, one.content) for one in together] == [(one.status_code, one.content) for one in alone]


def test_an_id_is_found_as_number_and_as_text() -> None:
    ids = ["007", "7", "-3", "ann", "+5", "²", str(10**30)]
    table = pd.DataFrame({"user": 1, "item": ids, "rating": range(len(ids))})
    model = SimpleNamespace(ratings_=autorec.read_ratings(table))
    one, asked = served.Served(model, {}), ["007", 7, "7", -3, "-3", "ann", 5, "+5", 2, "²", 10**30, str(10**30), "bob"]
    found = [one.item_ids[column] if column >= 0 else None for column in one.find_items(asked)]
    assert found == ["007", "7", "7", "-3", "-3", "ann", None, "+5", None, "²", str(10**30), str(10**30), None]
    np.testing.assert_array_equal(one.find_items(asked), model.ratings_.find_items(list(map(str, asked))))


def test_a_stranger_gets_the_fallback(item: Asked, folders: dict[str, Path]) -> None:
    expected = autorec.recommend_unknown(autorec.load(folders["item"]), [0])
    for body, unknown in (
        ({"user": "new"}, {"user": True, "items": 0}),
        ({"history": [9999, "x"]}, {"user": False, "items": 2}),
        ({}, {"user": False, "items": 0}),
    ):
        answer = item.post("/recommend", body)
        assert listed(answer) == expected["item"].tolist()
        assert answer["source"] == "fallback: item means" and answer["unknown"] == unknown


def test_interview(item: Asked, folders: dict[str, Path]) -> None:
    table = autorec.interview(autorec.load(folders["item"]), history={5: 4.0, 9: 1.0}, n=2, skip=[7])
    asked = [{"item": 5, "rating": 4}, {"item": "9", "rating": 1}, 10**9]
    answer = item.post("/interview", {"history": asked, "n": 2, "skip": ["7"]})
    assert [one["item"] for one in answer["items"]] == table["item"].tolist()
    assert answer["unknown"] == {"user": False, "items": 1} and answer["scale"] == list(SAMPLE.scale)


def test_similar_and_search(item: Asked, folders: dict[str, Path]) -> None:
    table = autorec.load(folders["item"]).similar([5, 9], 3)
    answer = item.post("/similar", {"items": [5, "9"], "n": 3})
    assert [(one["item"], one["similar"]) for one in answer["items"]] == list(
        zip(table["item"], table["similar"], strict=True)
    )
    found = item("GET", "/items", params={"search": "hOtEl", "n": 4}).json()["items"]
    assert found and all("Hotel" in one["title"] for one in found)
    counts = SAMPLE.item_counts[SAMPLE.find_items([one["item"] for one in found])].tolist()
    assert counts == sorted(counts, reverse=True)
    assert len(item("GET", "/items").json()["items"]) == 20


def test_requests_are_counted_before_their_answer_leaves_and_failures_too(item: Asked) -> None:
    scope = {"type": "http", "method": "GET", "path": "/health/live", "headers": []}
    metrics, found = Metrics(item.live), []
    metrics.paths = {"/health/live"}

    def is_counted(status: int) -> bool:
        return f'autorec_requests_total{{path="/health/live",status="{status}"}} 1.0' in metrics.to_text().decode()

    async def receive() -> Any:
        return {"type": "http.request"}

    async def send(_: Any) -> None:
        found.append(is_counted(200))

    async def answer(_: Any, receive: Any, send: Any) -> None:
        await JSONResponse({})(scope, receive, send)

    async def fail(*_: Any) -> None:
        raise KeyError

    asyncio.run(Guard(answer, metrics, None)(scope, receive, send))
    assert found == [True, True]
    with pytest.raises(KeyError):
        asyncio.run(Guard(fail, metrics, None)(scope, receive, send))
    assert is_counted(500)


def test_health_and_metrics(folders: dict[str, Path]) -> None:
    ask = Asked(folders["item"])
    assert ask("GET", "/health/live").json() == {"status": "alive"}
    assert ask("GET", "/health/ready").json()["model"]["name"] == "item"
    ask.post("/recommend", {"user": "new"})
    ask("GET", "/nothing/private-id")
    text = ask("GET", "/metrics").text
    assert 'autorec_requests_total{path="/recommend",status="200"} 1.0' in text
    assert 'autorec_requests_total{path="other",status="404"} 1.0' in text
    assert "autorec_fallbacks_total 1.0" in text and "private-id" not in text
    assert 'autorec_request_seconds_count{path="/recommend"} 1.0' in text
    page = ask("GET", "/")
    assert page.headers["content-type"].startswith("text/html") and "default-src 'none'" in str(page.headers)
    assert "access-control-allow-origin" not in ask("GET", "/items", headers={"Origin": "http://x"}).headers
    told = ask("GET", "/openapi.json").json()
    assert set(told["paths"]) >= {"/recommend", "/predict", "/explain", "/what-if", "/similar", "/items"}
    body = told["paths"]["/recommend"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert body == {"$ref": "#/components/schemas/RecommendRequest"}
    assert told["components"]["schemas"]["Rated"]["required"] == ["item"]


def test_a_worker_that_was_killed_before_it_wrote_a_number_leaves_metrics_to_the_others(
    folders: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask = Asked(folders["item"])
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    counts = mmap_dict.MmapedDict(str(tmp_path / "counter_1.db"))
    counts.write_value(mmap_dict.mmap_key("autorec_fallbacks", "autorec_fallbacks_total", [], [], "…"), 3.0, 0.0)
    counts.close()
    (tmp_path / "counter_2.db").touch()
    assert "autorec_fallbacks_total 3.0" in ask("GET", "/metrics").text


@pytest.mark.parametrize("name", ["item", "user", "ease", "joint"])
def test_reasons_are_those_of_explain(folders: dict[str, Path], name: str) -> None:
    ask, model = Asked(folders[name]), autorec.load(folders[name])
    for body, person in (({"user": "3"}, {"user": 3}), ({"history": HISTORY}, {"history": AS_DICT})):
        wanted = autorec.explain(model, item=50, **person)
        told = ask.post("/explain", {**body, "item": "50"})
        assert told["score"] == pytest.approx(wanted.score, abs=1e-5) and told["exact"] == wanted.exact
        rows = [(row["item"], pytest.approx(row["contribution"], abs=1e-5)) for row in told["contributions"]]
        assert rows == list(wanted.contributions[["item", "contribution"]].itertuples(index=False, name=None))
        (first,) = ask.post("/recommend", {**body, "n": 1, "reasons": True})["items"]
        found = autorec.explain(model, item=first["item"], **person).contributions
        positive = found[found["contribution"] > 0]["item"].head(3)
        assert [reason["item"] for reason in first["reasons"]] == positive.tolist()


@pytest.mark.parametrize("name", ["item", "user", "ease", "joint"])
def test_what_if_is_that_of_python(folders: dict[str, Path], name: str) -> None:
    ask, model = Asked(folders[name]), autorec.load(folders[name])
    body = {"history": HISTORY, "n": 6, "remove": ["20"], "change": {"15": 5}, "add": [{"item": 30, "rating": 2}, 40]}
    told = ask.post("/what-if", body)
    edits: Any = {"remove": [20], "change": {15: 5.0}, "add": {30: 2.0, 40: None}}
    wanted = autorec.what_if(model, history=AS_DICT, n=6, **edits)
    assert listed(told) == wanted["item"].tolist()
    assert [one["rank_before"] for one in told["items"]] == wanted["rank_before"].tolist()
    np.testing.assert_allclose([one["score"] for one in told["items"]], wanted["score"], rtol=1e-5)
    (first,) = ask.post("/what-if", {**body, "n": 1, "reasons": True})["items"]
    after = {10: 5.0, 15: 5.0, 200: None, 30: 2.0, 40: None}
    found = autorec.explain(model, item=first["item"], history=after).contributions
    assert [one["item"] for one in first["reasons"]] == found[found["contribution"] > 0]["item"].head(3).tolist()
    assert ask.post("/what-if", {"user": 3})["items"][0]["rank_before"] == 1


def test_dates_put_a_history_in_order(item: Asked) -> None:
    """Of an item given twice the later rating counts; without a date of each the last one does."""

    def asked(*times: int | None) -> Any:
        rated = [{"item": 10, "rating": rating} for rating in (5, 1)]
        dated = [one if time is None else one | {"timestamp": time} for one, time in zip(rated, times, strict=True)]
        return item.post("/predict", {"history": dated, "items": [20]})["items"][0]["rating"]

    high, low = (
        item.post("/predict", {"history": [{"item": 10, "rating": rating}], "items": [20]}) for rating in (5, 1)
    )
    first, last = high["items"][0]["rating"], low["items"][0]["rating"]
    assert first != last
    assert (asked(200, 100), asked(100, 200), asked(None, None), asked(200, None)) == (first, last, last, last)


def test_explanations_wait_for_each_other_and_are_bounded(
    folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Lists are answered while an explanation is made; the next one waits, and no longer than it may."""
    ask, begun, done = Asked(folders["user"], seconds=0.2), threading.Event(), threading.Event()

    def slow(*_: Any) -> Any:
        begun.set()
        done.wait(60)
        return {}

    with monkeypatch.context() as patch, ThreadPoolExecutor(1) as pool:
        patch.setattr("autorec.serve.answers.explain", slow)
        first = pool.submit(ask.post, "/explain", {"user": 3})
        begun.wait(60)
        assert ask.post("/recommend", {"user": 3})["items"]
        for path in ("/explain", "/interview"):
            assert ask.refused("POST", path, json={"user": 3})[0] == 503
        done.set()
        assert first.result() == {}
    monkeypatch.setattr("autorec.serve.answers.MOST_TAKEN_OUT", 3)
    assert ask.refused("POST", "/explain", json={"user": 3})[0] == 422
    status, sentence = ask.refused("POST", "/recommend", json={"history": [1, 2, 3, 4], "reasons": True})
    assert status == 422 and "this person has 4 ratings, and this model is explained by taking out each" in sentence


# --- refusals ----------------------------------------------------------------------------------------------------


def test_what_cannot_be_answered_is_a_sentence(item: Asked, folders: dict[str, Path]) -> None:
    cases: list[tuple[str, Any, int, str]] = [
        ("/recommend", {"n": 0}, 422, "n: Input should be greater than or equal to 1"),
        ("/recommend", {"n": True}, 422, "n: Input should be a valid integer"),
        ("/recommend", {"usr": 1}, 422, "usr: Extra inputs are not permitted; /docs says"),
        ("/recommend", {"where": {"genre": "Comdy"}}, 422, "did you mean Comedy"),
        ("/recommend", {"where": {"genres": "Comedy"}}, 422, "did you mean genre"),
        ("/recommend", {"history": [{"item": 10, "rating": 9}]}, 422, "the rating of item 10 is 9; allowed: 1 to 5"),
        ("/recommend", {"boost": {"1": 1e9}}, 422, "boost is 1e+09"),
        ("/recommend", {"reasons": True, "n": 21}, 422, "n is 21; allowed with reasons: up to 20"),
        ("/explain", {"user": 3, "item": 9999}, 422, "unknown item 9999"),
        ("/what-if", {"user": 3, "remove": [9999]}, 422, "unknown item '9999'"),
        ("/what-if", {"history": [10], "change": {"20": 3}}, 422, "item 20 is not rated by this person: nothing to"),
        ("/what-if", {"history": [10], "remove": [10]}, 422, "no rating is left"),
        ("/what-if", {"remove": [10]}, 422, "got 0 users and no history; give one person"),
        ("/what-if", {"history": [10], "add": list(range(1001))}, 422, "add: List should have at most 1000 items"),
        ("/what-if", {"user": 3, "n": 21, "reasons": True}, 422, "allowed with reasons: up to 20"),
        ("/recommend", {"history": [{"item": 1, "timestamp": "today"}]}, 422, "should be a valid integer"),
        ("/recommend", {"history": [{"item": 1, "timestamp": 1_700_000_000_000}]}, 422, "less than or equal to 2534"),
        ("/recommend", [1], 422, "the body: Input should be an object"),
        ("/predict", {"items": []}, 422, "items: List should have at least 1 item"),
        ("/similar", {"items": [1, 9999]}, 422, "unknown item '9999'"),
    ]
    for path, body, status, said in cases:
        found, sentence = item.refused("POST", path, json=body)
        assert found == status and said in sentence, (body, sentence)
    for bad in (b"{", b"[" * 100_000, b"\xff", b""):
        assert item.refused("POST", "/recommend", content=bad, headers=AS_JSON)[0] in (400, 422)
    assert item.refused("POST", "/recommend", content=b"{", headers=AS_JSON)[1].startswith("the body is not JSON: ")
    for kind in ("application/json; charset=utf-8", "application/merge-patch+json"):
        assert item("POST", "/recommend", content=b"{}", headers={"Content-Type": kind}).status_code == 200
    for headers in ({}, {"Content-Type": "text/plain"}):
        told = item.refused("POST", "/recommend", content=b"{}", headers=headers)
        assert told == (415, "send JSON, with Content-Type: application/json")
    assert item.refused("GET", "/recommend") == (405, "GET is not allowed here; allowed: POST")
    assert item.refused("GET", "/nothing") == (404, "there is no /nothing; /docs lists what there is")
    status, sentence = Asked(folders["ease"]).refused("POST", "/predict", json={"user": 3, "items": [1]})
    assert status == 422 and "Ease ranks items and predicts no ratings" in sentence
    status, sentence = Asked(folders["popularity"]).refused("POST", "/recommend", json={"user": 3, "diversify": 0.5})
    assert status == 422 and "knows nothing of an item but one number" in sentence


def test_bodies_are_limited(folders: dict[str, Path]) -> None:
    ask = Asked(folders["item"], most_bytes=200)
    too_large = (413, "the body is larger than 200 bytes; send fewer ratings or ids")
    assert ask.refused("POST", "/recommend", json={"user": "x" * 300}) == too_large

    async def in_parts() -> Any:
        for _ in range(30):
            yield b"          "

    assert ask.refused("POST", "/recommend", content=in_parts()) == too_large


def test_a_body_that_does_not_come_is_refused(folders: dict[str, Path]) -> None:
    app, sent = Asked(folders["item"], seconds=0.05).app, []

    async def receive() -> Any:
        await asyncio.sleep(30)

    async def send(message: Any) -> None:
        sent.append(message)

    headers = [(b"content-type", b"application/json")]
    scope = {"type": "http", "method": "POST", "path": "/recommend", "headers": headers, "query_string": b""}
    asyncio.run(app(scope, receive, send))
    assert sent[0]["status"] == 408 and b"took longer than 0.05 seconds" in sent[1]["body"]


def test_a_key_is_asked_for_where_one_is_set(folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY, "sécret")
    ask = Asked(folders["item"])
    for headers in ({}, {"X-API-Key": "wrong"}, {"X-API-Key": ""}):
        for path in ("/items", "/metrics", "/openapi.json"):
            assert ask.refused("GET", path, headers=headers)[0] == 401
    assert ask("GET", "/items", headers={"X-API-Key": "sécret".encode()}).status_code == 200
    assert [ask("GET", path).status_code for path in ("/", "/health/live", "/health/ready")] == [200] * 3


def test_no_id_is_logged(folders: dict[str, Path], caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    ask = Asked(folders["item"])
    ask.post("/recommend", {"user": "private-id", "history": ["private-item"]})
    ask("POST", "/recommend", json={"user": ["private-id"]})
    assert "private" not in ask("POST", "/recommend", json={"user": ["private-id"]}).text
    assert "private" not in caplog.text


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extras, "find_spec", lambda name: None if name == "fastapi" else name)
    for ask in (autorec.make_app, autorec.run_server):
        with pytest.raises(AutoRecError, match=r"the service needs fastapi, .*'autorec-cf\[serve\]'"):
            ask("model")


def test_a_model_that_is_not_loaded_yet_is_asked_for_again(folders: dict[str, Path]) -> None:
    ask = Asked(folders["item"])
    ask.live._current = None
    status, sentence = ask.refused("GET", "/health/ready")
    assert status == 503 and "is being loaded" in sentence
    assert ask("GET", "/health/live").status_code == 200


# --- anything at all ---------------------------------------------------------------------------------------------

ANY_ID = st.one_of(st.integers(1, 320), st.integers(), st.text(max_size=5), st.integers(1, 300).map(str))
ANYTHING = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8)),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)
LIKELY = {
    "user": ANY_ID,
    "history": st.lists(
        st.one_of(
            ANY_ID,
            st.fixed_dictionaries(
                {"item": ANY_ID}, optional={"rating": st.floats(1, 5), "timestamp": st.integers(0, 2**33)}
            ),
        ),
        max_size=20,
    ),
    "n": st.integers(1, 500),
    "exclude_seen": st.booleans(),
    "allow": st.lists(ANY_ID, max_size=30),
    "deny": st.lists(ANY_ID, max_size=30),
    "where": st.dictionaries(st.just("genre"), st.sampled_from(["Comedy", "Crime", "x"])),
    "boost": st.dictionaries(st.integers(1, 300).map(str), st.floats(-1e7, 1e7), max_size=5),
    "diversify": st.floats(0, 1),
    "items": st.lists(ANY_ID, max_size=5),
    "item": ANY_ID,
    "by": st.sampled_from(["both", "choice", "rating"]),
    "reasons": st.booleans(),
    "remove": st.lists(ANY_ID, max_size=3),
    "change": st.dictionaries(st.integers(1, 300).map(str), st.floats(1, 5), max_size=3),
    "add": st.lists(ANY_ID, max_size=3),
    "skip": st.lists(ANY_ID, max_size=3),
}
MOSTLY = {name: st.one_of(likely, likely, likely, ANYTHING) for name, likely in LIKELY.items()}
BODIES = {
    "/recommend": [name for name in LIKELY if name not in ("items", "item", "remove", "change", "add", "skip")],
    "/predict": ["user", "history", "items"],
    "/explain": ["user", "history", "item", "by"],
    "/what-if": ["user", "history", "n", "by", "remove", "change", "add", "reasons"],
    "/similar": ["items", "n"],
    "/interview": ["user", "history", "n", "skip"],
}
BODY = st.sampled_from(sorted(BODIES)).flatmap(
    lambda path: st.tuples(
        st.just(path), st.fixed_dictionaries({}, optional={name: MOSTLY[name] for name in BODIES[path]}) | ANYTHING
    )
)


def answer_any(ask: Asked, path: str, body: Any) -> None:
    response = ask("POST", path, content=json.dumps(body).encode(), headers=AS_JSON)
    assert response.status_code in (200, 400, 413, 422), response.text
    if response.status_code != 200:
        sentence = response.json()["detail"]
        assert 10 < len(sentence) < 2000 and "Traceback" not in sentence


QUIET = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large]


@settings(max_examples=300, deadline=None, suppress_health_check=QUIET)
@given(asked=BODY)
def test_any_body_is_answered_or_refused(item: Asked, asked: tuple[str, Any]) -> None:
    answer_any(item, *asked)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@settings(max_examples=10_000, deadline=None, suppress_health_check=QUIET)
@given(asked=BODY)
def test_any_of_many_bodies_is_answered_or_refused(item: Asked, asked: tuple[str, Any]) -> None:
    answer_any(item, *asked)


# --- side by side, and swapped -----------------------------------------------------------------------------------


def mixed_requests(n: int) -> list[tuple[str, Any]]:
    draw, asked = random.Random(0), []
    for _ in range(n):
        history = [{"item": draw.randint(1, 300), "rating": draw.randint(1, 5)} for _ in range(draw.randint(1, 60))]
        person = draw.choice([{"user": draw.randint(1, 600)}, {"history": history}, {"user": "new"}])
        wishes = draw.choice([{}, {"where": {"genre": "Crime"}}, {"diversify": 0.4}, {"boost": {"5": 1.0}}])
        asked += [
            draw.choice(
                [
                    ("/recommend", person | wishes),
                    ("/recommend", person),
                    ("/predict", person | {"items": [draw.randint(1, 300) for _ in range(9)]}),
                    ("/similar", {"items": [draw.randint(1, 300)]}),
                    ("/explain", person | {"item": draw.randint(1, 300)}),
                    ("/what-if", person | {"remove": [history[0]["item"]], "n": 5}),
                ]
            )
        ]
    return asked


def compare_threads(ask: Asked, asked: list[tuple[str, Any]]) -> None:
    def answer(one: tuple[str, Any]) -> tuple[int, str]:
        response = ask("POST", one[0], json=one[1])
        return response.status_code, response.text

    one_by_one = list(map(answer, asked))
    assert [status for status, _ in one_by_one].count(200) > len(asked) / 2
    with ThreadPoolExecutor(16) as pool:
        assert list(pool.map(answer, asked)) == one_by_one


@pytest.mark.parametrize("name", ["item", "user", "ease"])
def test_threads_get_what_one_by_one_gets(folders: dict[str, Path], name: str) -> None:
    compare_threads(Asked(folders[name]), mixed_requests(120))


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_threads_get_what_one_by_one_gets_many_times(item: Asked) -> None:
    compare_threads(item, mixed_requests(10_000))


def test_a_swap_mixes_no_answers(tmp_path: Path) -> None:
    """While two models take turns in the folder, each answer is wholly that of the model whose hash it tells."""
    models, expected = [rating_model(seed) for seed in (0, 1)], {}
    body = {"history": HISTORY, "n": 30}
    for model in models:
        model.save(tmp_path / "m")
        ask = Asked(tmp_path / "m")
        answer = ask.post("/recommend", body)
        expected[answer["model"]["hash"]] = answer["items"]
    assert len({json.dumps(items) for items in expected.values()}) == 2
    done, seen = threading.Event(), set()

    def load() -> None:
        while not done.is_set():
            answer = ask.post("/recommend", body)
            assert answer["items"] == expected[answer["model"]["hash"]]
            seen.add(answer["model"]["hash"])

    with ThreadPoolExecutor(4) as pool:
        tasks = [pool.submit(load) for _ in range(4)]
        for turn in range(6):
            models[turn % 2].save(tmp_path / "m")
            ask.live.refresh()
        done.set()
        for task in tasks:
            task.result()
    assert ask.live.swaps == 6 and seen == set(expected)


def test_a_folder_that_cannot_be_read_leaves_the_model(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    model = rating_model()
    model.save(tmp_path / "m")
    ask = Asked(tmp_path / "m")
    before = ask.post("/recommend", {"user": 3})
    (tmp_path / "m" / "model.json").write_text("{}")
    ask.live.refresh()
    assert "The older model is served on: " in caplog.text and ask.live.failures == 1
    (tmp_path / "m" / "model.json").unlink()
    ask.live.refresh()
    assert ask.post("/recommend", {"user": 3}) == before and ask.live.failures == 1
    model.set_params(random_state=1).fit(SAMPLE).save(tmp_path / "other")
    for file in (tmp_path / "other").iterdir():
        file.replace(tmp_path / "m" / file.name)
    ask.live.refresh()
    assert ask.post("/recommend", {"user": 3})["model"]["hash"] != before["model"]["hash"]


def test_a_folder_that_becomes_whole_later_is_swapped_in(folders: dict[str, Path], tmp_path: Path) -> None:
    """A copy over the files may bring the manifest first."""
    shutil.copytree(folders["item"], tmp_path / "m")
    live = served.Live(tmp_path / "m")
    live.load()
    for name in FILES:
        assert live.swaps == 0
        shutil.copy(folders["user"] / name, tmp_path / "m")
        live.refresh()
    assert (live.swaps, live.failures) == (1, len(FILES) - 1)


def test_what_failed_is_tried_again(folders: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """There may be memory for it a minute later."""
    shutil.copytree(folders["item"], tmp_path / "m")
    live = served.Live(tmp_path / "m")
    live.load()
    shutil.copytree(folders["user"], tmp_path / "m", dirs_exist_ok=True)
    with monkeypatch.context() as patched:
        patched.setattr("autorec.storage.folder.available_memory", lambda: 0)
        live.refresh()
    for _ in range(served._AGAIN - 1):
        live.refresh()
    assert (live.swaps, live.failures) == (0, 1)
    live.refresh()
    assert (live.swaps, live.failures) == (1, 1)


def test_a_process_that_begins_later_has_the_model_of_the_folder(
    folders: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a worker that takes the place of a killed one, forked from a process that loaded the first model."""
    monkeypatch.setattr("autorec.threads.use_one_thread", lambda: None)  # a setting of the process, which goes on
    shutil.copytree(folders["item"], tmp_path / "m")
    ask = Asked(tmp_path / "m")
    shutil.copytree(folders["user"], tmp_path / "m", dirs_exist_ok=True)

    async def begin() -> str:
        async with ask.app.router.lifespan_context(ask.app):
            assert ask.live.current is not None
            return ask.live.current.facts["hash"]

    assert asyncio.run(begin()) == describe(folders["user"])["sha256"]


@pytest.mark.parametrize("name", ["item", "user", "ease", "joint"])
def test_a_frozen_model_is_freed_when_another_is_swapped_in(folders: dict[str, Path], name: str) -> None:
    """The collector never sees it, so nothing of it may refer to itself in a circle."""
    ask = Asked(folders[name])
    gc.freeze()
    try:
        for path in ("/recommend", "/what-if", "/interview"):
            ask("POST", path, json={"history": HISTORY, "n": 3})
        assert ask.live.current is not None
        model = weakref.ref(ask.live.current.model)
        ask.live._current = None
        gc.collect()
        assert model() is None
    finally:
        gc.unfreeze()
