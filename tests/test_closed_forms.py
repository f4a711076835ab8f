"""Linear and kernel autoencoders in closed form against dense formulas, other libraries and Monte Carlo."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import random_frame
from scipy import sparse
from sklearn.kernel_ridge import KernelRidge
from test_choice_models import choices

import autorec
from autorec import Ease, InfAE, SparseEase, SvdAE
from autorec.errors import ParameterError
from autorec.models.infae import kernel
from autorec.ranking.positives import positives
from autorec.ratings.convert import as_ratings


def scores_of(model, X: np.ndarray) -> np.ndarray:
    return np.asarray(model.score_users(model.encode_users(sparse.csr_array(5.0 * X))))


def test_edlae_is_the_minimum_of_the_expected_loss_under_dropout() -> None:
    """The derivative of the mean loss over drawn dropouts is 0 off the diagonal, up to the error of the draws."""
    frame = random_frame(40, 8, 0.7)
    X = choices(frame).astype(np.float64)
    p, l2, rng = 0.4, 3.0, np.random.default_rng(0)
    B = Ease(l2=l2, dropout=p).fit(frame).weights_.astype(np.float64)
    plain = Ease(l2=l2).fit(frame).weights_.astype(np.float64)

    def gradient(B: np.ndarray) -> np.ndarray:
        drawn = [X * (rng.random(X.shape) >= p) / (1 - p) for _ in range(4000)]
        found = sum(-Z.T @ (X - Z @ B) for Z in drawn) / len(drawn) + l2 * B
        np.fill_diagonal(found, 0)
        return found

    assert (np.diag(B) == 0).all()
    assert np.abs(gradient(B)).max() < 0.15 < 1 < np.abs(gradient(plain)).max()


def test_no_dropout_is_ease_and_dropout_shrinks_the_weights() -> None:
    frame = random_frame(40, 15)
    weights = [np.abs(Ease(l2=5, dropout=p).fit(frame).weights_).sum() for p in (0, 0.3, 0.6)]
    assert weights[0] > weights[1] > weights[2]
    with pytest.raises(ParameterError, match="dropout is 1; allowed: a share from 0 up to, not with, 1"):
        Ease(dropout=1).fit(frame)


@pytest.mark.parametrize(("users", "most"), [(40, 0.4), (5, 0.12)])  # of 30 items: solved by items, by users
@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_a_bounded_diagonal_meets_the_conditions_of_its_minimum(users: int, most: float, dropout: float) -> None:
    """Of ‖X − XB‖² + ‖Λ^½ B‖² with diag(B) ≤ ξ (Karush, Kuhn, Tucker): the derivative is 0 off the diagonal; on it, it
    is 0 where B_jj < ξ, and where B_jj = ξ not above 0."""
    frame = random_frame(users, 30, 0.5)
    X, l2 = choices(frame).astype(np.float64), 4.0
    added = dropout / (1 - dropout) * X.sum(axis=0) + l2
    B = Ease(l2=l2, dropout=dropout, diagonal=most).fit(frame).weights_.astype(np.float64)
    gradient = X.T @ (X @ B - X) + added[:, None] * B
    free = np.diag(B) < most - 1e-6
    assert np.abs(gradient[~np.eye(30, dtype=bool)]).max() < 1e-4
    assert np.abs(np.diag(gradient)[free]).max(initial=0) < 1e-4 and np.diag(gradient)[~free].max(initial=-1) < -1e-3
    assert free.any() and not free.all() and (np.diag(B) <= most).all()


def test_no_bound_is_ridge_regression_and_a_bound_of_0_ease() -> None:
    for users in (40, 5):
        frame = random_frame(users, 30, 0.5)
        X = choices(frame).astype(np.float64)
        ridge = np.linalg.solve(X.T @ X + 4 * np.eye(30), X.T @ X)
        np.testing.assert_allclose(Ease(l2=4, diagonal=1).fit(frame).weights_, ridge, atol=1e-5)
        ease, bounded = Ease(l2=4).fit(frame), Ease(l2=4, diagonal=0.4).fit(frame)
        alike = [model._similarities()(np.arange(30)) for model in (ease, bounded)]
        off = ~np.eye(30, dtype=bool)
        np.testing.assert_allclose(alike[1][off], alike[0][off], atol=1e-5)  # partial correlations know no bound
        P = np.linalg.inv(X.T @ X + 4 * np.eye(30))
        np.testing.assert_allclose(ease.weights_[off], (-P / np.diag(P))[off], atol=1e-5)


def test_a_new_item_is_the_same_ridge_regression_whatever_the_bound() -> None:
    frame = random_frame(60, 12, 0.6)
    new = frame.loc[frame["item"] == frame["item"].iloc[0]].assign(item=-1)
    columns = [Ease(l2=4, diagonal=most).fit(frame).fold_in(new, of="items").weights_[:, -1] for most in (0, 0.3, 1)]
    np.testing.assert_allclose(columns[1], columns[0], atol=1e-5)
    np.testing.assert_allclose(columns[2], columns[0], atol=1e-5)


@pytest.mark.parametrize("k", [3, 6, 14])
def test_each_column_of_sparse_ease_is_a_ridge_regression_on_its_neighbours(k: int) -> None:
    frame = random_frame(300, 15, 0.5)
    X = choices(frame).astype(np.float64)
    model = SparseEase(k=k, l2=4).fit(frame)
    gram = X.T @ X
    norms = np.sqrt(gram.diagonal())
    cosine = gram / np.outer(norms, norms)
    np.fill_diagonal(cosine, -1)
    B = model.weights_.toarray().T
    for j in range(15):
        near = np.sort(np.argsort(-cosine[j], kind="stable")[:k])
        expected = np.linalg.solve(gram[np.ix_(near, near)] + 4 * np.eye(k), gram[near, j])
        np.testing.assert_allclose(B[near, j], expected, atol=1e-5)
        assert np.count_nonzero(B[:, j]) <= k
    np.testing.assert_allclose(scores_of(model, X), X @ B, atol=1e-5)


def test_sparse_ease_becomes_ease_as_its_columns_fill() -> None:
    frame = random_frame(300, 15, 0.5)
    dense = Ease(l2=4).fit(frame).weights_
    gaps = [np.abs(SparseEase(k=k, l2=4).fit(frame).weights_.toarray().T - dense).max() for k in (2, 5, 9, 14)]
    assert gaps == sorted(gaps, reverse=True) and gaps[0] > 0.01 and gaps[-1] < 1e-5


def test_svd_ae_is_the_least_squares_solution_of_its_rank() -> None:
    """By the pseudo-inverse of the best approximation of X̃ of rank f; at full rank the normal equations hold."""
    frame = random_frame(30, 12, 0.6)
    X = choices(frame).astype(np.float64)
    degrees = [np.maximum(X.sum(axis=axis), 1) for axis in (1, 0)]
    scaled = X / np.sqrt(np.outer(*degrees))
    U, singular, Vt = np.linalg.svd(scaled, full_matrices=False)
    for rank in (0.25, 0.99):
        f = round(rank * 12)
        B = Vt[:f].T / singular[:f] @ U[:, :f].T @ X
        np.testing.assert_allclose(scores_of(SvdAE(rank=rank).fit(frame), X), scaled @ B, atol=1e-4)
    rest = scaled.T @ (scores_of(SvdAE(rank=0.99).fit(frame), X) - X)  # X̃ᵀ(X̃B − X), the gradient in B
    np.testing.assert_allclose(rest, 0, atol=1e-4)


def test_svd_ae_is_found_where_choices_fall_into_many_parts_whose_singular_values_are_all_1() -> None:
    """ARPACK does not converge on them."""
    ratings = autorec.load_sample()[:1200]
    model = SvdAE().fit(ratings)
    X = positives(ratings.csr, ratings.scale).toarray().astype(np.float64)
    users, items = (np.sqrt(np.maximum(X.sum(axis=axis), 1)) for axis in (1, 0))
    V = model.basis_ * items[:, None]
    np.testing.assert_allclose(V.T @ V, np.eye(V.shape[1]), atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(X / users[:, None] / items @ V, axis=0), 1, atol=1e-3)


@pytest.mark.parametrize("weight", [0.0, 0.5])
def test_infinite_autoencoder_is_kernel_ridge_regression(weight: float) -> None:
    frame = random_frame(50, 12, 0.6)
    X = choices(frame).astype(np.float64)
    csr = positives(as_ratings(frame).csr, (1, 5))
    K = kernel(csr, csr).astype(np.float64)
    learned = X * np.maximum(X.sum(axis=1, keepdims=True), 1) ** (-weight / 2)
    expected = KernelRidge(alpha=2 * 0.3, kernel="precomputed").fit(K, learned).predict(K)
    np.testing.assert_allclose(scores_of(InfAE(l2=0.3, user_weight=weight).fit(frame), X), expected, atol=1e-4)


def test_its_kernel_is_that_of_a_very_wide_random_network() -> None:
    """Σ over the parameters of f(x) = √(2/m) v · relu(W x) of ∂f/∂θ(x) ∂f/∂θ(y), W and v standard normal."""
    frame = random_frame(6, 10, 0.6)
    X = choices(frame).astype(np.float64)
    unit = X / np.linalg.norm(X, axis=1, keepdims=True)
    rng = np.random.default_rng(0)
    m = 200_000
    W, v = rng.normal(size=(m, 10)), rng.normal(size=m)
    hidden = unit @ W.T  # [6 × m]
    by_v = np.maximum(hidden, 0)
    by_w = (hidden > 0) * v
    expected = 2 / m * (by_v @ by_v.T + (unit @ unit.T) * (by_w @ by_w.T))
    csr = positives(as_ratings(frame).csr, (1, 5))
    np.testing.assert_allclose(kernel(csr, csr), expected, atol=0.03)


def test_new_users_are_scored_by_the_users_of_the_training() -> None:
    """A fold-in replaces the ratings, not what was learned."""
    frame, new = random_frame(50, 12, 0.6), random_frame(7, 12, 0.6, seed=3)
    model = InfAE().fit(frame)
    folded = model.fold_in(new)
    np.testing.assert_allclose(folded._score_rows(np.arange(7)), scores_of(model, choices(new)), atol=1e-6)


def test_user_weights_are_a_weighted_ridge_regression() -> None:
    """Column j of B is the ridge regression of x_j on all others with each user's square counted n^−q times, mean 1."""
    for users in (40, 3):  # more than a quarter of the items, and fewer
        frame = random_frame(users, 15, 0.7)
        X = choices(frame).astype(np.float64)
        weight = np.maximum(X.sum(axis=1), 1) ** -0.5
        W = np.diag(weight / weight[X.sum(axis=1) > 0].mean())
        B = Ease(l2=4, user_weight=0.5).fit(frame).weights_
        for j in range(15):
            others = np.flatnonzero(np.arange(15) != j)
            A = X[:, others]
            expected = np.linalg.solve(A.T @ W @ A + 4 * np.eye(14), A.T @ W @ X[:, j])
            np.testing.assert_allclose(B[others, j], expected, atol=1e-5)


@pytest.mark.parametrize("users", [40, 3])
def test_a_new_item_is_a_weighted_ridge_regression_on_all_items(users: int) -> None:
    frame = random_frame(users, 15, 0.7)
    new = random_frame(users, 4, 0.6, seed=8)
    X, x = choices(frame).astype(np.float64), choices(new).astype(np.float64)
    weight = np.maximum(X.sum(axis=1), 1) ** -0.5
    W = np.diag(weight / weight[X.sum(axis=1) > 0].mean())
    folded = Ease(l2=4, user_weight=0.5).fit(frame).fold_in(new, of="items")
    expected = X @ np.linalg.solve(X.T @ W @ X + 4 * np.eye(15), X.T @ W @ x)
    np.testing.assert_allclose(folded._score_rows(np.arange(users)), expected, atol=1e-5)
    for ask in (lambda: folded.fold_in(new), lambda: folded.similar([1]), lambda: folded.recommend(history={1: 5.0})):
        with pytest.raises(ParameterError, match="items of this model were folded in"):
            ask()


GOWALLA = (29_858, 40_981, 1_000_000)  # users, items, pairs
_FIT_SANSA = """
import resource, sys, time
import autorec
ratings = autorec.read_ratings(sys.argv[1])
start = time.perf_counter()
autorec.create("sansa", relevant=1).fit(ratings)
print(time.perf_counter() - start, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20)
"""


@pytest.mark.parametrize("model", [Ease(l2=1e-12), SparseEase(l2=1e-12), InfAE(l2=1e-12), autorec.BiasedMF(l2=1e-300)])
def test_equations_that_rounding_makes_singular_ask_for_a_larger_l2(model) -> None:
    alike = np.where(np.add.outer(np.arange(40), np.arange(10)) % 3 > 0, 5.0, 4.0)  # users and items are few of a kind
    with pytest.raises(ParameterError, match=rf"l2={model.l2!r} finds no solution: .*; give a larger l2$"):
        model.fit(sparse.csr_array(alike))


def test_a_dense_matrix_of_a_large_catalogue_is_stated_beforehand() -> None:
    """As float32: items² of EASE and EDLAE are 6.3 GiB; the sparse one needs less than a third of that."""
    needs = {name: autorec.create(name)._memory(*GOWALLA) / 2**30 for name in ("ease", "edlae", "inf-ae", "sansa")}
    assert 6 < needs["ease"] < 7 and 6 < needs["edlae"] < 7
    assert needs["inf-ae"] > 3
    assert needs["sansa"] < 2


@pytest.mark.slow
def test_a_sparse_matrix_of_a_large_catalogue_takes_little(tmp_path: Path) -> None:
    """At most 2 GiB and 3 minutes for a catalogue of the size of Gowalla, on two cores."""
    users, items, pairs = map(str, GOWALLA)
    sizes = ["--users", users, "--items", items, "--ratings", pairs]
    script = Path(__file__).parent.parent / "scripts" / "make_ratings.py"
    subprocess.run([sys.executable, script, tmp_path / "r.parquet", *sizes], check=True)
    command = [sys.executable, "-c", _FIT_SANSA, tmp_path / "r.parquet"]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    seconds, gib = map(float, done.stdout.split())
    print(f"{seconds:.0f} s, {gib:.2f} GiB")
    assert gib <= 2
