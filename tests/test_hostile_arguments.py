"""Every argument of every public function, method and estimator with values of no use: an error in one sentence.

What is allowed: to work, AutoRecError, OSError. What a caller's own function raises is the caller's.
"""

import copy
import datetime
import decimal
import inspect
import io
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from conftest import random_frame
from scipy import sparse

import autorec
from autorec.errors import AutoRecError
from autorec.ratings.convert import as_ratings
from autorec.threads import thread_count

EVERY = 40  # at an argument only each fortieth of the values is tried, beginning with another at each; all if slow
OF_OTHERS = {  # public functions that are not called here
    *("recommend_in_ray", "recommend_in_spark"),  # they want a cluster
    *("load_sample", "sample_groups", "warm_up"),  # no arguments
}

Call = tuple[Callable[..., Any], dict[str, Any]]


class Odd:
    def __repr__(self) -> str:
        raise RuntimeError("no text")


def closed_file() -> io.StringIO:
    file = io.StringIO("1,2,3\n")
    file.close()
    return file


@pytest.fixture(scope="module")
def world() -> dict[str, Any]:
    """Small ratings, and fitted models of four kinds."""
    ratings, others = as_ratings(random_frame(14, 9)), as_ratings(random_frame(7, 5, seed=1))
    small: dict[str, Any] = {"hidden": 3, "epochs": 1}
    return {
        "ratings": ratings,
        "others": others,
        "split": autorec.random_split(ratings, 0.2),
        "bias": autorec.Bias(3, 3).fit(ratings),
        "ease": autorec.Ease().fit(ratings),
        "other ease": autorec.Ease().fit(others),
        "net": autorec.AutoRec(penalty="l2:10", **small).fit(ratings),
        "vae": autorec.create("mult-vae", **small).fit(ratings),
        "mf": autorec.BiasedMF(factors=2, sweeps=1).fit(ratings),
    }


def hostile(world: dict[str, Any]) -> list[Any]:
    """Fresh values: some can be used once."""
    huge = [10**30, 10**400, 10**5000, -(10**30), 1e308, float("nan"), float("inf"), np.float32("nan")]
    numbers = [*huge, -1, 0, 0.5, 2.0, True, np.True_, 1j, np.int64(1), np.uint8(200), decimal.Decimal("1E+999")]
    texts = ["", "x", "a\0b", "\udce4", b"x", memoryview(b"ab")]
    times = [datetime.datetime(2020, 1, 1), datetime.timedelta(1), np.datetime64("2020"), pd.NaT, pd.NA]
    arrays = [
        *(np.array([1, 2]), np.array(["a", "b"]), np.array([]), np.array(3), np.ones((2, 3))),
        *(
            np.array([None, 1], dtype=object),
            np.ma.masked_array([1, 2], [True, False]),
            np.zeros(2, dtype=[("a", int)]),
        ),
    ]
    collections = [
        *({1, 2}, {1, "a"}, [], (), [None], [[1]], [{}], range(2), (number for number in (1, 2)), slice(1)),
        *({}, {1: 2}, {None: None}, {1: "x"}, {1: None}, {1: [1]}, {1: float("nan")}, {1: 10**400}, {10**30: 1}),
    ]
    tables = [
        *(pd.DataFrame(), world["ratings"].to_frame().head(0), pd.Series([1, 2]), pd.Categorical(["a", "b"])),
        *(pd.MultiIndex.from_tuples([(1, 2)]), pa.array([1, None]), sparse.csr_array((2, 3), dtype=np.float32)),
    ]
    vectors = [world[name].encode_users(world["ratings"].csr) for name in ("bias", "net", "mf")]
    foreign = world["other ease"].encode_users(world["others"].csr)
    objects = [
        None,
        object(),
        Odd(),
        closed_file(),
        world["ease"],
        autorec.Ease,
        world["ratings"],
        world["others"],
        ...,
    ]
    return [*numbers, *texts, *times, *arrays, *collections, *tables, *vectors, foreign, *objects]


def functions(world: dict[str, Any]) -> dict[str, Call]:
    """Name of each public function → it, and arguments with which it works, or fails for want of a file."""
    ratings, split, others = world["ratings"], world["split"], world["others"]
    bias, net, vae = world["bias"], world["net"], world["vae"]
    user, item = ratings.user_ids[0], ratings.item_ids[0]
    reading = dict.fromkeys(("columns", "sep", "format", "header", "items", "scale", "missing", "member"))
    reading |= {"decimal": ".", "on_error": "raise"}
    filters = dict.fromkeys(("allow", "deny", "where", "boost"))
    measures: dict[str, Any] = {"k": (2,), "relevant": None, "cold": None, "metrics": ()}
    labels = pd.Series(["a", "b"] * 7, index=ratings.user_ids)
    person: dict[str, Any] = {"history": {item: 3}, "by": None}
    read = {"read": autorec.read_ratings}
    fitted: dict[str, Any] = {"model": net}
    calls: dict[str, dict[str, Any]] = {
        "anomalies": fitted | {"of": "users", "n": None},
        "audit": {"data": ratings},
        "calibrate": {"model": bias, "ratings": split.test},
        "check_save_path": {"path": "new"},
        "check_store_path": {"path": "new"},
        "classify": fitted | {"labels": labels, "of": "users", "repeats": 1, "random_state": 0, "joint": False},
        "cluster": fitted | {"of": "users", "k": 2, "random_state": 0, "joint": False},
        "compare": {
            **{"ratings": ratings, "models": "global-mean", "by": "random:0.2", "repeats": 1, "seed": 0, **measures},
            **{"baselines": "none", "settings": None, "user_ids": False, **read, "announce": len},
        },
        "create": {"name": "bias"},
        "describe": {"path": "model"},
        "draw_map": fitted | {"of": "items", "k": 2, "by": "pca", "random_state": 0},
        "embed": fitted | {"of": "items"},
        "evaluate": {"model": bias, "test": split.test, **measures, "fold_in": None, "interval": None},
        "explain": fitted | {"user": None, "item": ratings.item_ids[1], **person},
        "export": fitted | {"path": "exported", "form": "numpy"},
        "fetch": {"name": "ml-100k", "folder": "f", "base_url": "http://127.0.0.1:9"},
        "find_model": {"name": "bias"},
        "forget": {"model": bias, "users": [user], "items": (), "fast": False},
        "forget_saved": {"path": "model", "users": [user], "items": (), "output": "less", "fast": False},
        "generate": {"model": vae, "n": 3, "codes": "users", "test": None, "random_state": 0},
        "given_split": {"train": ratings, "test": split.test},
        "interview": fitted | {"user": None, "n": 2, "history": {item: 3}, "skip": ()},
        "kfold": {"ratings": ratings, "k": 2, "seed": 0},
        "last_out_split": {"ratings": ratings, "n": 1},
        "load": {"path": "model", "mapped": False},
        "make_app": {"path": "model"},
        "open_ratings": {"path": "ratings.csv", **reading},
        "overturn": fitted | {"user": user, "history": None, "most": 2, "by": None},
        "per_user_split": {"ratings": ratings, "fraction": 0.3, "seed": 0},
        "plan": dict.fromkeys(("n_users", "n_items", "n_ratings", "hidden", "workers"), 9)
        | {"orientation": "item", "bandwidth": 1.0, "speed": None},
        "prepare": {"ratings": "ratings.csv", "output": "store", "memory": "4GB", **reading},
        "random_split": {"ratings": ratings, "fraction": 0.1, "seed": 0},
        "read_ids": {"path": "ids.csv"},
        "read_json_lines": {"stream": ['{"user": 1, "item": 2, "rating": 3}']},
        "read_labels": {"path": "titles.csv", "column": 2},
        "read_pairs": {"path": "ratings.csv", "columns": None, "sep": None},
        "read_ratings": {"path": "ratings.csv", **reading},
        "recommend_anyone": {
            "model": bias,
            "users": [user, "new"],
            "n": 2,
            "by": None,
            "exclude_seen": True,
            **filters,
        },
        "recommend_unknown": {"model": bias, "users": ["new"], "n": 2, "diversify": 0.0, **filters},
        "reproduce": {"datasets": "nowhere", "jobs": []},
        "run_server": {"path": "nowhere", "host": "127.0.0.1", "port": 0, "workers": 1, "on_start": None},
        "set_threads": {"threads": thread_count()},
        "show_progress": {"shown": False},
        "split": {"ratings": ratings, "by": "random:0.1", "seed": 0, **read},
        "strong_generalisation": {"ratings": ratings, "held_out": 2, "validation": 0, "relevant": None, "least": 2},
        "summarize": {"ratings": ratings},
        "time_split": {"ratings": ratings, "fraction": 0.1},
        "train_on": {"engine": "none", "ratings": "ratings.csv", "output": "new", "model": "bias", "workers": 2},
        "tune": {
            **{"ratings": ratings, "model": "bias", "trials": 1, "by": "random:0.2", "seed": 0, "metric": None},
            **{"settings": None, "storage": None, "jobs": 1, "repeats": 1, **read},
        },
        "update": fitted | {"new_ratings": others, "epochs": 1},
        "user_split": {"ratings": ratings, "n": 2, "seed": 0},
        "what_if": fitted | {"user": user, "n": 2, "remove": (), "change": None, "add": None, **person},
        "wrap": {"model": bias},
    }
    return {name: (getattr(autorec, name), arguments) for name, arguments in calls.items()}


def classes(world: dict[str, Any]) -> dict[str, Call]:
    ratings = world["ratings"]
    fields = dict.fromkeys(("timestamps", "order", "given_scale"))
    ids = {"user_ids": ratings.user_ids, "item_ids": ratings.item_ids}
    return {
        "Ratings": (autorec.Ratings, {"csr": ratings.csr.copy(), **ids, **fields}),
        "Checkpoint": (autorec.Checkpoint, {"folder": "checkpoint"}),
    }


def methods(world: dict[str, Any]) -> dict[str, Call]:
    """Name of each public method of a model → it, and arguments with which it works; for several kinds of vectors."""
    ratings, split, others = world["ratings"], world["split"], world["others"]
    user, item = ratings.user_ids[0], ratings.item_ids[0]
    asked: dict[str, Any] = dict.fromkeys(("users", "by", "history", "allow", "deny", "where", "boost"))
    asked |= {"n": 2, "exclude_seen": True, "diversify": 0.0}
    calls: dict[str, dict[str, Any]] = {
        "encode_users": {"histories": ratings.csr},
        "fit": {"ratings": ratings, "y": None, "on_validation": None, "checkpoint": None},
        "fold_in": {"new_ratings": others, "of": "users"},
        "item_vectors": {},
        "known": {"users": [user], "items": [item]},
        "known_users": {"users": [user]},
        "learning_curve": {},
        "map_scores": {"rows": np.arange(2), "work": lambda part, scores: None},
        "predict": {"users": [user], "items": [item], "timestamps": None},
        "ranked_by": {"by": None},
        "recommend": asked,
        "recommend_blocks": asked | {"history": {item: 3}},
        "save": {"path": "saved"},
        "score": {"ratings": split.test},
        "similar": {"items": [item], "n": 2},
        "user_vectors": {},
    }
    found: dict[str, Call] = {}
    for kind in ("bias", "ease", "net", "vae"):
        model = copy.copy(world[kind])
        for name, arguments in calls.items():
            if kind == "net" or name not in ("fit", "save", "recommend_blocks", "known", "score"):
                found[f"{kind}.{name}"] = (getattr(model, name), arguments)
        found[f"{kind}.score_users"] = (model.score_users, {"users": model.encode_users(ratings.csr)})
    return found


def estimators(world: dict[str, Any]) -> Iterator[tuple[str, Call]]:
    """Each class of the registry: its parameters, asked of `fit`."""
    kinds: set[str] = set()
    small = {"hidden": 3, "epochs": 1, "factors": 2, "sweeps": 1, "samples": 1, "burn_in": 1, "features": 2, "batch": 8}
    small |= {"global_epochs": 1, "dimensions": 2, "iterations": 1, "global_iterations": 1}
    for name, row in autorec.MODELS.items():
        allowed = autorec.create(name).get_params()
        settings: dict[str, Any] = {key: value for key, value in small.items() if key in allowed}
        if row.kind == "AdversarialAutoencoder":
            settings["hidden"] = "3-2"

        def fit(name: str = name, **settings: Any) -> None:
            autorec.create(name, **settings).fit(world["ratings"])

        if row.kind not in kinds:
            kinds.add(row.kind)
            yield name, (fit, {key: settings.get(key, value) for key, value in allowed.items()})


def failures(world: dict[str, Any], calls: Iterator[tuple[str, Call]], every: int) -> list[str]:
    """Each argument of each call in turn with hostile values; what ends otherwise than it may."""
    found, turn = [], 0
    for name, (function, arguments) in calls:
        for argument in arguments:
            turn += 1
            for number, value in list(enumerate(hostile(world)))[turn % every :: every]:
                try:
                    result = function(**(arguments | {argument: value}))
                    if inspect.isgenerator(result):
                        list(result)
                except AutoRecError as error:
                    if "\n" in str(error) or len(str(error)) > 900:
                        found.append(f"{name}({argument}=value {number}): no one sentence: {error}")
                except OSError:
                    pass
                except Exception as error:
                    found.append(f"{name}({argument}=value {number}): {type(error).__name__}: {error}")
    return found


@pytest.fixture
def folder(world: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    threads = thread_count()
    world["bias"].save("model")
    world["ratings"].to_frame().to_csv("ratings.csv", index=False)
    Path("titles.csv").write_text("item,title\n1,One\n2,Two\n", encoding="utf-8")
    Path("ids.csv").write_text("1\n2\n", encoding="utf-8")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
    autorec.set_threads(threads)
    autorec.show_progress(False)


TABLES: dict[str, Callable[[dict[str, Any]], Iterator[tuple[str, Call]]]] = {
    "functions": lambda world: iter({**functions(world), **classes(world)}.items()),
    "methods": lambda world: iter(methods(world).items()),
    "estimators": estimators,
}


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("every", [EVERY, pytest.param(1, marks=[pytest.mark.slow, pytest.mark.timeout(1800)])])
@pytest.mark.parametrize("table", TABLES)
def test_what_is_of_no_use_ends_in_a_sentence(world: dict[str, Any], table: str, every: int) -> None:
    found = failures(world, TABLES[table](world), every)
    assert not found, "\n".join(found)


def test_every_public_function_and_method_is_in_a_table(world: dict[str, Any]) -> None:
    public = {name for name in autorec.__all__ if inspect.isfunction(getattr(autorec, name))}
    assert public == set(functions(world)) | OF_OTHERS
    own = {name for name, member in inspect.getmembers(autorec.Recommender, inspect.isfunction) if name[0] != "_"}
    own -= {name for name in own if not getattr(autorec.Recommender, name).__module__.startswith("autorec.")}
    assert own == {name.partition(".")[2] for name in methods(world)}
