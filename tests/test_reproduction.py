"""Jobs that measure published results again: refused by a sentence, and their lines in order."""

import inspect
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from conftest import random_frame
from scipy.stats import norm
from sklearn.metrics import ndcg_score

import autorec
from autorec.errors import InputError, ParameterError
from autorec.ratings.convert import as_ratings
from autorec.reproduction import family, intervals, joint, latest, rating, strong, uses
from autorec.reproduction import reproduce as reproduction
from autorec.threads import thread_count


def test_an_unknown_job_lists_those_that_are(tmp_path):
    with pytest.raises(ParameterError, match=r"no job 'tabel'; allowed: table, .*did you mean table"):
        autorec.reproduce(tmp_path, ["tabel"])


def test_a_missing_data_set_says_how_to_get_it(tmp_path):
    (tmp_path / "ml-100k").mkdir()
    with pytest.raises(InputError, match=r"holds no folder ml-1m; autorec fetch ml-1m -o"):
        autorec.reproduce(tmp_path)
    autorec.reproduce(tmp_path, ["attacks", "uses"])  # they read the other one
    with pytest.raises(InputError, match=r"holds no folder ml-1m"):
        autorec.reproduce(tmp_path, ["attacks", "table"])


def test_a_job_is_said_to_read_what_it_names():
    for name, job in autorec.JOBS.items():
        read = {data for data in ("ml-100k", "ml-1m") if data in inspect.getsource(job)}
        assert (name in reproduction.SMALL, name in reproduction.LARGE) == (read == {"ml-100k"}, read == {"ml-1m"})


def test_lines_come_job_by_job(tmp_path, monkeypatch):
    def first(folder: Path) -> Iterator[str]:
        yield f"first {folder.name}"

    def second(folder: Path) -> Iterator[str]:
        yield from ("second", "done")

    for name in ("ml-100k", "ml-1m"):
        (tmp_path / name).mkdir()
    monkeypatch.setattr(reproduction, "JOBS", {"first": first, "second": second})
    assert list(autorec.reproduce(tmp_path)) == [f"first {tmp_path.name}", "second", "done"]
    assert list(autorec.reproduce(tmp_path, ["second"])) == ["second", "done"]


def test_users_held_out_are_those_of_the_permutation_and_a_fifth_of_their_choices_is_wanted(monkeypatch):
    monkeypatch.setattr(strong, "HELD_OUT", 20)
    frame = random_frame(90, 40, 0.5)
    draws = [strong.hold_out(as_ratings(frame), draw=draw) for draw in range(2)]
    one = draws[0]
    liked = frame[frame["rating"] >= 4].groupby("user").size()
    liked = liked[liked >= 5].sort_index()
    order = np.random.default_rng(98765).permutation(len(liked))
    assert set(one.test.user_ids) == set(liked.index[order[-20:]]) == set(one.fold_in.user_ids)
    assert set(one.train.user_ids) == set(liked.index[order[:-20]])
    given, wanted = (part.csr.indptr[1:] - part.csr.indptr[:-1] for part in (one.fold_in, one.test))
    np.testing.assert_array_equal(wanted, (given + wanted) // 5)
    expected = [ndcg_of_ease(one) for one in draws]
    mean, first, each = (part.split() for part in strong.measure("ease", draws).split(";")[:3])
    assert mean[1] == f"{np.mean(expected):.4f}" and first[0] == f"{expected[0]:.4f}"
    assert each == [f"{value:.4f}" for value in expected] and expected[0] != expected[1]


def ndcg_of_ease(one: autorec.Split) -> float:
    model = autorec.Ease().fit(one.train).fold_in(one.fold_in)
    scores = model.score_users(model.encode_users(model.ratings_.csr))
    columns = model.ratings_.find_items(one.test.item_ids)
    truth, seen = np.zeros(scores.shape), model.ratings_.csr.toarray() > 0
    truth[:, columns] = one.test.csr.toarray()
    return float(ndcg_score(truth, np.where(seen, scores.min() - 1, scores), k=100))


def test_the_log_loss_of_levels_is_that_of_an_interval_of_a_normal_distribution():
    predicted, true = np.array([3.2, 1.0, 4.9]), np.array([3.0, 1.0, 2.0])
    normal = [norm(loc=mean, scale=0.8) for mean in predicted]
    expected = [normal[0].cdf(3.5) - normal[0].cdf(2.5), normal[1].cdf(1.5), normal[2].cdf(2.5) - normal[2].cdf(1.5)]
    loss = joint.levels_log_loss(predicted, true, 0.8, np.arange(1, 6))
    assert loss == pytest.approx(-np.mean(np.log(expected)))


def pairs(part: autorec.Ratings) -> set[tuple[int, int]]:
    return set(part.to_frame()[["user", "item"]].itertuples(index=False, name=None))


def test_tested_users_keep_their_wanted_items_aside_whatever_else_is_given(monkeypatch):
    monkeypatch.setattr(strong, "HELD_OUT", 20)
    ratings = as_ratings(random_frame(90, 40, 0.5))
    one = strong.hold_out(ratings)
    liked, every = (joint._with_ratings(ratings, one, only_liked) for only_liked in (True, False))
    for split in (liked, every):
        assert set(split.train.user_ids) == set(one.train.user_ids)
        wanted, given = (pairs(part) for part in (split.test, split.fold_in))
        assert wanted == pairs(one.test) and not wanted & given
    assert liked.fold_in.csr.data.min() == 4 and len(liked.fold_in) == len(one.fold_in)
    tested = ratings.select(np.isin(ratings.user_ids, one.test.user_ids)[ratings.rows()])
    assert len(every.fold_in) + len(every.test) == len(tested)


def test_the_pipeline_puts_what_would_be_rated_low_behind_all_others():
    model = autorec.create("autorec").fit(random_frame())
    ease = autorec.Ease().fit(random_frame())
    chained = joint._chain(model, ease)
    vectors = chained.encode_users(model.ratings_.csr)
    low = model.rating_._to_ratings(model.rating_.score_users(vectors[1])) < 3.5
    scores, plain = chained.score_users(vectors), ease.score_users(vectors[0])
    for row in range(5):
        assert low[row].any() and scores[row][low[row]].max() <= scores[row][~low[row]].min()
        for part in (low[row], ~low[row]):
            assert (np.argsort(scores[row][part]) == np.argsort(plain[row][part])).all()


@pytest.mark.slow
def test_a_blend_is_told_beside_its_members_on_each_split_and_by_mean_and_spread(monkeypatch):
    monkeypatch.setattr(rating, "Blend", lambda: autorec.Blend("bayesian-mf+biased-mf"))
    splits = [autorec.random_split(autorec.load_sample(), 0.1, seed) for seed in range(2)]
    title, *lines, last = rating.measure("sample", splits)
    assert title.startswith("sample: RMSE of blend, without dates, bayesian-mf, biased-mf")
    numbers = np.array([[float(word) for word in line.split(";")[0].split()] for line in lines])
    expected = autorec.evaluate(autorec.Blend("bayesian-mf+biased-mf").fit(splits[1].train), splits[1].test)
    assert numbers[1, 0] == pytest.approx(expected.metrics["rmse"], abs=1e-4)
    assert last.split(": ")[1].startswith(f"{numbers[:, 0].mean():.4f} ± ")


def test_synthetic_users_are_made_without_those_kept_aside_who_judge_them(monkeypatch):
    made = []

    def generate(model, *, codes, test):
        made.append((codes, set(model.ratings_.user_ids), set(test["user"])))
        return autorec.generate(model, codes=codes, test=test)

    monkeypatch.setattr(uses, "generate", generate)
    monkeypatch.setattr(uses, "create", lambda name: autorec.create(name, hidden=4, epochs=1))
    lines = list(uses._generate(autorec.load_sample()))
    assert [codes for codes, _, _ in made] == ["users", "prior"] * 2
    assert all(len(aside) == 100 and len(known) == 500 and not known & aside for _, known, aside in made)
    assert sum("popularity, rank correlation" in line for line in lines) == 4


def test_the_job_of_intervals_counts_what_it_says(monkeypatch: pytest.MonkeyPatch) -> None:
    ratings = autorec.load_sample()
    monkeypatch.setattr(intervals, "read_ratings", lambda _: ratings)
    monkeypatch.setattr(intervals, "create", lambda _: autorec.Bias())
    monkeypatch.setattr(intervals, "SEEDS", (0, 1))
    title, everything, *thirds, late = intervals.intervals(Path())
    assert "2 seeds, intervals of 0.9" in title and len(thirds) == 6
    found = []
    for seed in (0, 1):
        split = autorec.random_split(ratings, 0.2, seed)
        halves = autorec.random_split(split.test, 0.5, seed)
        kept_aside = autorec.calibrate(autorec.Bias().fit(split.train), halves.train)
        found.append(kept_aside.coverage(halves.test)["coverage"][0])
    assert everything.split()[1] == f"{np.mean(found):.4f}" and np.mean(found) == pytest.approx(0.9, abs=0.02)
    assert late.startswith("by time, the latest tenth counted: 0.")


def test_a_preset_of_the_family_is_told_with_what_it_takes() -> None:
    (one,) = autorec.split(autorec.load_sample(), "random:0.1", 0)
    for name in ("bias", "ease"):
        metrics = autorec.evaluate(autorec.create(name).fit(one.train), one.test, k=10).metrics
        rmse, ndcg, seconds, memory = family.measure(name, one, thread_count()).split(";")
        assert rmse == (f"{metrics['rmse']:.4f}" if name == "bias" else "–")
        assert float(ndcg) == pytest.approx(metrics["ndcg@10"], abs=1e-4)
        assert float(memory) >= 0 and all(float(each) >= 0 for each in seconds.split(","))


@pytest.mark.slow
def test_every_preset_is_fitted_in_a_process_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(family, "read_ratings", lambda _: autorec.load_sample())
    monkeypatch.setattr(family, "MODELS", {name: autorec.MODELS[name] for name in ("bias", "ease", "i-autorec-paper")})
    title, *lines = family.family(Path())
    assert title.startswith("model, group: RMSE; NDCG@10")
    assert [line.split(": ")[0] for line in lines] == ["  bias, floor", "  ease, lists"]


def test_the_latest_ratings_are_ranked_with_and_without_a_half_life():
    frame = random_frame(90, 40, 0.5)
    rng = np.random.default_rng(0)
    one = autorec.time_split(frame.assign(timestamp=rng.integers(0, 300 * 86_400, len(frame))), 0.1)

    def ndcg(model):
        return autorec.evaluate(model, one.test, k=10, relevant=4).metrics["ndcg@10"]

    aged = autorec.Ease(half_life=20).fit(one.train)
    line = latest._measure("ease", aged, one, {"l2": 500.0}).split()
    plain = autorec.Ease().fit(one.train)
    assert (line[1], line[4], line[7]) == (f"{ndcg(plain):.4f}", f"{ndcg(aged):.4f}", "20")
    model = autorec.Joint("biased-mf", "ease", half_life=20).fit(one.train)
    liked = latest._learn(model, "liked", one.train)
    again = autorec.Joint("biased-mf", "ease", half_life=20, learns="liked").fit(one.train)
    line = latest._measure("autorec", liked, one, {}).split()
    again.choice_, weighted = again.choice_._with_half_life(None), ndcg(again)
    assert (line[1], line[4]) == (f"{ndcg(again):.4f}", f"{weighted:.4f}") and model.learns == "rated"
    grid = [{"l2": 1e4}, {"l2": 100.0}]
    inner = autorec.time_split(one.train, 0.1)
    found = [latest._ndcg(autorec.Ease(**settings).fit(inner.train), inner.test).mean() for settings in grid]
    assert latest._choose("ease", grid, one.train) == grid[int(np.argmax(found))]
