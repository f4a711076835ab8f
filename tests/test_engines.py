"""Ray and Spark: from Parquet to recommendations, as in one process. The tests run where these and Java are installed,
python -m pip install 'autorec-cf[ray,spark]'."""

import importlib
import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner, Result
from conftest import random_frame

import autorec
from autorec.cli.main import autorec as command
from autorec.engines.job import Job, recommend_batch
from autorec.engines.spark import _require_slots
from autorec.engines.train import ENGINES, find_reason
from autorec.errors import InputError, ModelFileError, ParameterError

HOW: dict[str, Any] = {"hidden": 4, "epochs": 2, "random_state": 0, "penalty": "l2:10"}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("duckdb")
    folder = tmp_path_factory.mktemp("engines")
    frame = random_frame(users=40)
    frame.assign(user="u" + frame["user"].astype(str)).to_parquet(folder / "ratings.parquet", index=False)
    autorec.prepare(folder / "ratings.parquet", folder / "store")
    return folder / "store"


@pytest.fixture(scope="module")
def model(store: Path) -> Path:
    path = store.parent / "one-process"
    autorec.create("i-autorec", **HOW).fit(autorec.read_ratings(store)).save(path)
    return path


def assert_recommended(found: pd.DataFrame, model: Path, users: list[str]) -> None:
    """As in one process; the last of the users is unknown."""
    one = autorec.load(model)
    expected = one.recommend(users[:-1], 3).assign(source="model")
    fallback = autorec.recommend_unknown(one, users[-1:], 3).assign(source="fallback")
    expected = pd.concat([expected, fallback]).sort_values(["user", "rank"]).reset_index(drop=True)
    found = found.sort_values(["user", "rank"]).reset_index(drop=True)[list(expected.columns)]
    pd.testing.assert_frame_equal(found, expected, check_dtype=False, rtol=1e-5)


USERS = ["u3", "u7", "u11", "u12", "nobody"]


def test_a_batch_has_known_and_unknown_users_in_the_type_that_they_came_in(model: Path) -> None:
    found = recommend_batch(pd.DataFrame({"user": USERS}), str(model), 3)
    assert_recommended(found, model, USERS)
    assert found["user"].dtype == pd.Series(USERS).dtype
    none = recommend_batch(pd.DataFrame({"user": USERS[:0]}), str(model), 3)
    assert not len(none) and list(none.columns) == list(found.columns)


def test_what_cannot_be_trained_is_refused_before_an_engine_starts(store: Path, tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match="engine is 'rey'; allowed: ray, spark; did you mean ray"):
        autorec.train_on("rey", store, tmp_path / "model")
    with pytest.raises(ParameterError, match="hidden is 0"):
        autorec.train_on("ray", store, tmp_path / "model", "i-autorec", parameters={"hidden": 0})
    with pytest.raises(ModelFileError, match="other things in it"):
        autorec.train_on("ray", store, store.parent)


def test_a_spark_session_that_runs_too_few_tasks_is_refused() -> None:
    """Spark would ask for ten minutes whether it runs more."""
    conf, context = SimpleNamespace(get=lambda name, default: "local[2]"), SimpleNamespace(defaultParallelism=2)
    session = SimpleNamespace(conf=conf, sparkContext=context)
    _require_slots(session, 2)
    with pytest.raises(ParameterError, match=r"workers is 4, and the Spark session local\[2\] runs 2 tasks at once"):
        _require_slots(session, 4)


@pytest.mark.parametrize(
    "text, reason",
    [
        ("Traceback\n  autorec.errors.InputError: x.csv is empty\n\tat java.lang.Thread", "x.csv is empty"),
        ("org.apache.SparkException: aborted\n ValueError: two\n\tat java\n", "ValueError: two"),
        ("the cluster has gone\nand more", "the cluster has gone"),
    ],
)
def test_the_reason_of_a_failure_is_found_in_what_an_engine_says(text: str, reason: str) -> None:
    assert find_reason(text) == reason


def test_the_verb_hands_a_training_to_the_engine(
    tmp_path: Path, frame: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With absolute paths, since processes of a cluster have folders of their own; the engine is one process here."""
    monkeypatch.chdir(tmp_path)
    frame.to_csv("ratings.csv", index=False)
    jobs = []

    def start(job: Job, workers: int) -> None:
        jobs.append((job, workers))
        autorec.create(job.model, **job.parameters).fit(autorec.read_ratings(job.ratings, **job.reading)).save(
            job.output
        )

    monkeypatch.setitem(ENGINES, "ray", start)

    def run(*words: str) -> Result:
        return CliRunner().invoke(command, ["train", "ratings.csv", "-m", "bias", "-o", "model", "--json", *words])

    done = run("--engine", "ray", "--workers", "3", "--scale", "0", "6", "--checkpoint", "kept")
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["output"] == "model" and autorec.load("model").ratings_.scale == (0, 6)
    ((job, workers),) = jobs
    assert workers == 3 and (job.ratings, job.output) == (str(tmp_path / "ratings.csv"), str(tmp_path / "model"))
    assert job.checkpoint is not None and job.checkpoint.folder == tmp_path / "kept"
    assert run("--engine", "ray").exit_code == 2
    monkeypatch.setitem(ENGINES, "ray", lambda job, workers: 1 / 0)
    assert "Error: the training on ray has failed: division by zero" in run("--engine", "ray", "--workers", "2").output


def assert_trained(told: dict[str, Any], found: Path, model: Path) -> None:
    """The model of a group of processes is that of one, up to rounding."""
    assert told["class"] == "AutoRec" and told["users"] == 40
    pairs = autorec.load(model).ratings_.to_frame()
    theirs, ours = (autorec.load(path).predict(pairs["user"], pairs["item"]) for path in (found, model))
    np.testing.assert_allclose(theirs, ours, atol=1e-4)


@pytest.fixture
def spark(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    sql = pytest.importorskip("pyspark.sql", reason="pyspark is not installed: pip install 'autorec-cf[spark]'")
    if shutil.which("java") is None:
        pytest.skip("Java is not installed, which Spark needs")
    monkeypatch.setenv("PYSPARK_PYTHON", sys.executable)
    session = sql.SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false").getOrCreate()
    yield session
    session.stop()


@pytest.mark.slow
@pytest.mark.filterwarnings("default")  # of Spark
def test_spark_from_parquet_to_recommendations(spark: Any, store: Path, model: Path, tmp_path: Path) -> None:
    told = autorec.train_on("spark", store, tmp_path / "model", "i-autorec", parameters=HOW, workers=2)
    assert_trained(told, tmp_path / "model", model)
    users = spark.createDataFrame([(user,) for user in USERS], "user string").repartition(2)
    assert_recommended(autorec.recommend_in_spark(users, model, 3).toPandas(), model, USERS)
    with pytest.raises(InputError, match="users has the columns who; give one named user"):
        autorec.recommend_in_spark(users.withColumnRenamed("user", "who"), model)
    with pytest.raises(ParameterError, match=r"workers is 4, and the Spark session local\[2\] runs 2 tasks at once"):
        autorec.train_on("spark", store, tmp_path / "other", "i-autorec", parameters=HOW, workers=4, mesh="2x2")


@pytest.mark.slow
@pytest.mark.filterwarnings("default")  # of Ray
def test_ray_from_parquet_to_recommendations(store: Path, model: Path, tmp_path: Path) -> None:
    ray = pytest.importorskip("ray", reason="ray is not installed: pip install 'autorec-cf[ray]'")
    data = importlib.import_module("ray.data")
    ray.init(num_cpus=3, include_dashboard=False)
    try:
        told = autorec.train_on("ray", store, tmp_path / "model", "i-autorec", parameters=HOW, workers=2)
        assert_trained(told, tmp_path / "model", model)
        users = data.from_pandas(pd.DataFrame({"user": USERS}))
        assert_recommended(autorec.recommend_in_ray(users, model, 3).to_pandas(), model, USERS)
        with pytest.raises(InputError, match="users has the columns who; give one named user"):
            autorec.recommend_in_ray(users.rename_columns({"user": "who"}), model)
    finally:
        ray.shutdown()
