"""AutoRec held against theorems: orientation is transposition, scales are equivariant, folding in is fitting."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import random_frame
from scipy import sparse

from autorec import AutoRec, Bias, Ratings, load
from autorec.errors import DivergedError, InputError, ParameterError
from autorec.fitting import choosing, one_training
from autorec.fitting.scale import rows_inside
from autorec.models import columns
from autorec.models.columns import fit_columns, solve_columns
from autorec.models.recommending import score_person
from autorec.network.activations import ACTIVATIONS
from autorec.network.autoencoder import build_autoencoder
from autorec.network.encoding import array_shapes, encode_rows, encoder_of
from autorec.ratings.convert import as_ratings
from autorec.storage import network_arrays
from autorec.training import validation
from autorec.training.batches import read_inputs
from autorec.training.validation import held_out_entries

FEW = [sparse.csr_array((np.float32([5, 2, 4])[:n], ([0] * n, [3, 9, 30][:n])), shape=(1, 40)) for n in (1, 2, 3)]
SMALL = {"hidden": 8, "epochs": 8, "penalty": "l2:20"}


def planted(users: int = 60, items: int = 40, density: float = 0.4, seed: int = 0) -> Ratings:
    """Ratings 1 … 5 of two taste groups, some noise."""
    rng = np.random.default_rng(seed)
    liked = np.where((np.arange(users)[:, None] % 2) == (np.arange(items)[None] % 2), 4.4, 1.8)
    noisy = np.clip(np.round(liked + rng.normal(0, 0.5, liked.shape)), 1, 5)
    u, i = np.nonzero(rng.random((users, items)) < density)
    return as_ratings(pd.DataFrame({"user": u, "item": i, "rating": noisy[u, i]}))


def transposed(ratings: Ratings) -> Ratings:
    """Dampings differ between users and items, so what is compared with this runs without biases."""
    return as_ratings(sparse.csr_array(ratings.csr.T))


@pytest.mark.parametrize("offset", ["means", "none"])
def test_user_orientation_is_item_orientation_of_the_transpose(offset: str) -> None:
    ratings = planted()
    rows = ratings.rows(), ratings.csr.indices
    item = AutoRec("item", offset=offset, **SMALL).fit(transposed(ratings))
    user = AutoRec("user", offset=offset, **SMALL).fit(ratings)
    np.testing.assert_allclose(user.predict(*rows), item.predict(rows[1], rows[0]), atol=1e-5)


@pytest.mark.parametrize("orientation", ["item", "user"])
@pytest.mark.parametrize(("factor", "shift"), [(20, 0), (0.5, 0), (5, -15), (1, 7)])
def test_predictions_move_with_the_scale(orientation: str, factor: float, shift: float) -> None:
    """Train on a·r + b and get a·r̂ + b: half stars, 1–100, −10…10."""
    ratings = planted()
    frame = ratings.to_frame()
    moved = frame.assign(rating=frame["rating"].astype(float) * factor + shift)
    plain = AutoRec(orientation, **SMALL).fit(frame).predict(frame["user"], frame["item"])
    other = AutoRec(orientation, **SMALL).fit(moved).predict(frame["user"], frame["item"])
    np.testing.assert_allclose(other, plain * factor + shift, atol=1e-3 * factor)


@pytest.mark.parametrize("orientation", ["item", "user"])
def test_planted_tastes_are_learned(orientation: str) -> None:
    ratings = planted(100, 80, 0.3)
    held_out = np.random.default_rng(1).random(len(ratings)) < 0.2
    train, test = ratings.select(~held_out), ratings.select(held_out).to_frame()
    model = AutoRec(orientation, hidden=16, penalty="l2:5", epochs=40, learning_rate=0.02).fit(train)

    def rmse(fitted: AutoRec | Bias) -> float:
        return float(np.sqrt(np.mean((fitted.predict(test["user"], test["item"]) - test["rating"]) ** 2)))

    assert rmse(model) < 0.75  # the noise alone is 0.5
    assert rmse(Bias().fit(train)) > 1.0


def test_same_seed_same_bits_and_the_global_generators_are_left_alone() -> None:
    ratings = planted()
    np.random.seed(3)  # noqa: NPY002
    torch.manual_seed(3)
    before = np.random.get_state()[1].copy(), torch.get_rng_state()  # noqa: NPY002
    one = AutoRec(**SMALL, random_state=5).fit(ratings)
    two = AutoRec(**SMALL, random_state=5).fit(ratings)
    other = AutoRec(**SMALL, random_state=6).fit(ratings)
    assert (before[0] == np.random.get_state()[1]).all()  # noqa: NPY002
    assert torch.equal(before[1], torch.get_rng_state())
    assert torch.equal(one.network_.encoder.weights[0], two.network_.encoder.weights[0])
    assert not torch.equal(one.network_.encoder.weights[0], other.network_.encoder.weights[0])


@pytest.mark.parametrize("bias_damping", [0.0, 10.0])
@pytest.mark.parametrize("n", [1, 3, 30])
def test_a_new_column_minimises_the_objective_exactly(n: int, bias_damping: float) -> None:
    """At the solution the gradient of Σ(t − v·h − b)² + (λ/2)‖v‖² + d·b² is 0; fewer and more ratings than units."""
    rng = np.random.default_rng(0)
    codes = rng.normal(size=(40, 7)).astype(np.float32)
    places = np.sort(rng.permutation(40)[:n])
    targets = sparse.csr_array((rng.normal(size=n), places, [0, n]), shape=(1, 40))
    V, b = solve_columns(codes, targets, 3.0, bias_damping)
    error = codes[places] @ V[0] + b[0] - targets.data
    np.testing.assert_allclose(2 * codes[places].T @ error + 3.0 * V[0], 0, atol=1e-4)
    assert 2 * error.sum() + 2 * bias_damping * b[0] == pytest.approx(0, abs=1e-4)


def test_without_a_penalty_a_new_column_is_the_solution_of_least_norm() -> None:
    rng = np.random.default_rng(0)
    codes = rng.normal(size=(4, 9)).astype(np.float32)
    targets = sparse.csr_array(rng.normal(size=(1, 4)))
    V, b = solve_columns(codes, targets, 0.0, 0.0)
    np.testing.assert_allclose(codes @ V[0] + b[0], targets.data, atol=1e-4)


@pytest.mark.parametrize("l2", [50.0, 1e-3, 0.0])
@pytest.mark.parametrize("offset", ["biases", "means"])
def test_a_stranger_has_the_same_scores_by_kept_products(l2: float, offset: str) -> None:
    """Whether they are used or, with small λ, without a damped bias, and for more ratings than units, are not."""
    ratings = planted()
    model = AutoRec("item", hidden=8, epochs=2, penalty=f"l2:{l2}", offset=offset).fit(ratings)
    plain = [score_person(model, ratings.csr[[row]])[0] for row in range(20)]
    few = [score_person(model, history)[0] for history in FEW]
    model._keep_products()
    np.testing.assert_allclose([score_person(model, ratings.csr[[row]])[0] for row in range(20)], plain, atol=1e-4)
    np.testing.assert_allclose([score_person(model, history)[0] for history in FEW], few, atol=1e-5)
    targets, given = model._targets(FEW[2]), (model.l2_, model._bias_damping())
    assert (columns.sum_products(model._products, targets, *given) is not None) == (offset == "biases" and l2 == 50.0)
    assert not model.scores_together
    new_items = model.fold_in(pd.DataFrame({"user": [0, 1, 2], "item": ["x"] * 3, "rating": [5.0, 4, 5]}), of="items")
    assert score_person(new_items, sparse.csr_array(np.float32([[4]])))[0].shape == (1, 1)


def test_products_of_many_codes_are_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(columns, "MOST_PRODUCTS", 9)
    assert columns.keep_products(np.ones((10, 2), dtype=np.float32)) is None
    np.testing.assert_array_equal(columns.keep_products(np.ones((9, 2), dtype=np.float32)), np.full((9, 9), 2))


def test_a_curved_output_is_solved_to_a_flat_gradient() -> None:
    rng = np.random.default_rng(0)
    codes = rng.normal(size=(30, 4)).astype(np.float32)
    targets = sparse.csr_array(rng.integers(1, 6, (2, 30)).astype(np.float32))
    V, b = fit_columns(codes, targets, "sigmoid", 2.0)
    V_leaf, b_leaf = torch.from_numpy(V).requires_grad_(), torch.from_numpy(b).requires_grad_()
    out = 1 + 4 * torch.sigmoid(V_leaf @ torch.from_numpy(codes).T + b_leaf[:, None])
    loss = (out - torch.from_numpy(targets.toarray())).square().sum() + V_leaf.square().sum()
    loss.backward()
    assert V_leaf.grad is not None and V_leaf.grad.abs().max() < 0.05


@pytest.mark.parametrize("orientation", ["item", "user"])
@pytest.mark.parametrize("of", ["users", "items"])
@pytest.mark.parametrize("decoder", ["identity", "sigmoid"])
def test_folding_in_the_training_ratings_gives_the_model_back(orientation: str, of: str, decoder: str) -> None:
    """Encoding the same rows again is exact; solving the same columns lands near what training reached."""
    ratings = planted()
    model = AutoRec(orientation, hidden=8, epochs=60, penalty="l2:20", decoder=decoder, validation=0.0,
                    learning_rate=0.02).fit(ratings)  # fmt: skip
    folded = model.fold_in(ratings, of=of)
    pairs = ratings.user_ids[ratings.rows()], ratings.item_ids[ratings.csr.indices]
    exact = (orientation == "user") == (of == "users") and decoder != "identity"
    before, after = model.predict(*pairs), folded.predict(*pairs)
    if exact:
        np.testing.assert_allclose(after, before, atol=1e-4)
    assert np.sqrt(np.mean((after - before) ** 2)) < 0.25
    np.testing.assert_array_equal(model.predict(*pairs), before)  # the model itself is untouched


def test_new_users_get_what_their_group_likes() -> None:
    ratings = planted(100, 80, 0.3)
    new = pd.DataFrame({"user": ["new"] * 6, "item": [0, 2, 4, 1, 3, 5], "rating": [5, 5, 4, 1, 2, 1]})
    for orientation in ("item", "user"):
        model = AutoRec(orientation, hidden=16, penalty="l2:5", epochs=40, learning_rate=0.02).fit(ratings)
        best = model.fold_in(new).recommend("new", 8)["item"].to_numpy()
        assert (best % 2 == 0).mean() >= 0.75, orientation
        assert not set(best) & {0, 2, 4, 1, 3, 5}


def test_codes_do_not_depend_on_the_block() -> None:
    ratings = planted()
    model = AutoRec("user", **SMALL).fit(ratings)
    rows = rows_inside(ratings.csr, ratings.scale)
    offset = np.zeros(rows.shape[0], dtype=np.float32)
    encoder = encoder_of(model._arrays_of_network, model.encoder, True, False)
    whole = encode_rows(encoder, rows, offset)
    np.testing.assert_allclose(encode_rows(encoder, rows, offset, block=7), whole, atol=1e-6)


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("code", ["point", "gaussian"])
def test_a_code_without_torch_is_that_of_the_network(activation: str, code: str) -> None:
    rows = rows_inside(planted().csr, (1, 5))
    rng, generator = np.random.default_rng(0), torch.Generator().manual_seed(0)
    offset, centre = rng.normal(3, 1, rows.shape[0]).astype(np.float32), rng.normal(0, 1, rows.shape[1])
    for hidden, n_inputs, centred in (((5,), 1, False), ((5,), 2, True), ((6, 4, 3), 2, True)):
        made = {"n_inputs": n_inputs, "centred": centred, "code": code}
        network = build_autoencoder(rows.shape[1], hidden, activation, "identity", generator, **made)
        for parameter in network.parameters():
            parameter.data += 0.1 * torch.randn(parameter.shape, generator=generator)
        arrays = network_arrays.pack(network)
        shapes = {name: array.shape for name, array in arrays.items()}
        assert array_shapes(rows.shape[1], hidden, n_inputs, code == "gaussian", "rating") == shapes
        taken = centre.astype(np.float32) if n_inputs == 2 else None
        batch = rows.batch()
        inputs = read_inputs(batch, offset, taken, batch.indptr.diff().numpy() if n_inputs == 2 else None)
        found = encode_rows(encoder_of(arrays, activation, centred, code == "gaussian"), rows, offset, taken, 7)
        with torch.no_grad():
            np.testing.assert_allclose(found, network.encode(*inputs).numpy(), rtol=1e-5, atol=2e-5)


def test_a_model_that_is_read_makes_its_network_when_it_is_asked_for(tmp_path: Path) -> None:
    fitted = AutoRec("user", **SMALL).fit(planted())
    fitted.save(tmp_path / "m")
    read = load(tmp_path / "m")
    assert read._network is None
    assert all(torch.equal(a, b) for a, b in zip(read.network_.parameters(), fitted.network_.parameters(), strict=True))
    read.network_.head("rating").bias.data += 1  # one memory
    np.testing.assert_array_equal(read.decoder_bias_, fitted.decoder_bias_ + 1)


def test_no_test_rating_reaches_the_model() -> None:
    """Changing what is not in `fit` changes no bit; the scale, too, is that of the training part."""
    ratings = planted()
    held_out = np.random.default_rng(1).random(len(ratings)) < 0.2
    poisoned = Ratings(
        sparse.csr_array(
            (np.where(held_out, 99, ratings.csr.data).astype(np.float32), ratings.csr.indices, ratings.csr.indptr),
            shape=ratings.csr.shape,
        ),
        ratings.user_ids,
        ratings.item_ids,
    )
    clean = AutoRec(**SMALL).fit(ratings.select(~held_out))
    other = AutoRec(**SMALL).fit(poisoned.select(~held_out))
    assert torch.equal(clean.network_.encoder.weights[0], other.network_.encoder.weights[0])
    assert torch.equal(clean.network_.head("rating").weight, other.network_.head("rating").weight)


def test_what_was_chosen_on_validation_ratings_is_told() -> None:
    """Inputs, then λ, by short trainings; one whole one with what was chosen."""
    ratings = planted(100, 80, 0.4)
    model = AutoRec(hidden=4, epochs=8, validation=0.1).fit(ratings)
    tried = model.summary_["tried"]
    assert [(one["inputs"], one["epochs"]) for one in tried[:2]] == [("ratings", 2), ("residuals", 2)]
    assert {one["epochs"] for one in tried[2:-1]} == {4} and tried[-1]["epochs"] == 8
    assert [one["l2"] for one in tried[2:4]] == [250, 125]
    assert (tried[-1]["l2"], tried[-1]["inputs"]) == (model.l2_, model.summary_["inputs"])
    assert tried[-1]["validation_rmse"] == model.summary_["validation_rmse"]
    assert model.summary_["validation_ratings"] == int(0.1 * len(ratings))


@pytest.mark.parametrize(
    ("setting", "value", "told"),
    [
        ("orientation", "rows", "item, user"),
        ("hidden", 0, "units such as 500"),
        ("hidden", "5-x", "500-250-500"),
        ("encoder", "cosine", "identity, sigmoid"),
        ("decoder", "cosine", "identity, sigmoid"),
        ("penalty", "l3:1", "l2:x"),
        ("corruption", "masking:2", "masking:x"),
        ("offset", "mean", "auto, biases, means, none"),
        ("inputs", "rating", r"auto, ratings, residuals, residuals\+rated"),
        ("user_damping", -1.0, "auto, or a finite number from 0 up"),
        ("optimizer", "sgd", "adam, rprop, lbfgs"),
        ("learning_rate", 0, "above 0"),
        ("epochs", 0, "from 1 up"),
        ("batch", -3, "from 1 up"),
        ("validation", 1.0, "up to, not with, 1"),
        ("patience", 0, "from 1 up"),
        ("random_state", -1, "from 0 up"),
        ("device", "abacus", "cpu, or cuda"),
    ],
)
def test_a_bad_parameter_is_named_with_what_is_allowed(setting: str, value: object, told: str) -> None:
    with pytest.raises(ParameterError, match=told):
        AutoRec().set_params(**{setting: value}).fit(planted())


def test_biases_under_a_curved_output_are_refused() -> None:
    with pytest.raises(ParameterError, match="curved output"):
        AutoRec(decoder="sigmoid", offset="biases").fit(planted())


def test_a_learning_rate_that_blows_up_is_told() -> None:
    with pytest.raises(DivergedError, match="lower learning_rate"):
        AutoRec(encoder="identity", learning_rate=1e30, hidden=4, epochs=20, validation=0.0).fit(planted())


@pytest.mark.parametrize("hidden", ["12-6-12", (12, 6)])
def test_deep_networks_learn(hidden: object) -> None:
    ratings = planted(100, 80, 0.3)
    model = AutoRec(hidden=hidden, penalty="l2:2", epochs=60, learning_rate=0.02, encoder="tanh").fit(ratings)
    assert model.summary_["curve"][-1]["train_rmse"] < 0.8


@pytest.mark.parametrize("orientation", ["item", "user"])
@pytest.mark.parametrize(
    "frame",
    [
        pd.DataFrame({"user": ["a"] * 3, "item": ["x", "y", "z"], "rating": [1.0, 2, 3]}),
        pd.DataFrame({"user": ["a", "b"], "item": ["x", "x"], "rating": [1.0, 2]}),
    ],
    ids=["one user", "one item"],
)
def test_one_user_or_one_item_is_enough(orientation: str, frame: pd.DataFrame) -> None:
    model = AutoRec(orientation, **SMALL).fit(frame)
    predicted = model.predict(frame["user"], frame["item"])
    assert ((predicted >= 1) & (predicted <= 3)).all()
    assert model.recommend(exclude_seen=False).shape[0] == len(frame)


def test_ratings_that_do_not_vary_are_refused() -> None:
    with pytest.raises(InputError, match="popularity"):
        AutoRec().fit(pd.DataFrame({"user": [1, 2], "item": [1, 1], "rating": [1, 1]}))


def test_validation_ratings_are_a_random_part_of_each_run(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    small = held_out_entries(5000, 0.1, np.random.default_rng(3))
    np.testing.assert_array_equal(small, np.sort(np.random.default_rng(3).permutation(5000)[:500]))
    monkeypatch.setattr(validation, "_RUN", 1000)
    found = held_out_entries(5300, 0.1, rng)
    assert len(found) == 530 and (np.diff(found) > 0).all() and found[0] >= 0 and found[-1] < 5300
    np.testing.assert_array_equal(np.bincount(found // 1000), [100, 100, 100, 100, 100, 30])
    assert len(held_out_entries(5300, 0.01, rng)) == 0  # fewer than 100 tell nothing


@pytest.mark.parametrize("which", [1, 2, 4, 6, 7])  # two for the inputs, three for λ, a whole one, all ratings
def test_ctrl_c_in_any_of_the_trainings_ends_the_fit_and_is_told(monkeypatch, which):
    """The last training has no validation ratings to look at; a training that was cut short is seldom the best."""
    trained, calls = one_training.train, []

    def cut_short(network, epoch, **how):
        calls.append(how)

        def ctrl_c(number):
            if len(calls) == which and number == 5:
                raise KeyboardInterrupt
            return epoch(number)

        return trained(network, ctrl_c, **how)

    monkeypatch.setattr(one_training, "train", cut_short)
    monkeypatch.setattr(choosing, "SAME", -1.0)  # ratings by chance are as good as settled
    with pytest.warns(UserWarning, match="interrupted: its best weights so far are kept"):
        model = AutoRec(hidden=6, epochs=40).fit(random_frame(60, 40))
    assert model.summary_["stopped"] == "interrupted"
    assert len(calls) == which


def test_each_validation_is_told_on_the_scale_of_the_ratings():
    wide = random_frame(60, 40, 0.6).assign(rating=lambda f: f["rating"] * 10)
    told = []
    model = AutoRec(hidden=4, penalty="l2:2000", epochs=3, validation=0.2)
    model.fit(wide, on_validation=lambda epoch, score: told.append((epoch, score)))
    curve = [(one["epoch"], one["validation_rmse"]) for one in model.summary_["curve"]]
    assert told == curve and len(told) == 3


def test_what_a_listener_raises_ends_the_fit():
    def refuse(epoch, score):
        raise RuntimeError("enough")

    with pytest.raises(RuntimeError, match="enough"):
        AutoRec(hidden=4, penalty="l2:20", epochs=3).fit(random_frame(60, 40, 0.6), on_validation=refuse)


@pytest.mark.parametrize(("orientation", "first"), [("item", "users"), ("user", "items")])
def test_what_the_network_cannot_encode_after_a_fold_in_is_refused(orientation, first):
    """Rows are encoded by the columns of the fit; once these are others, new rows cannot be."""
    ratings = planted()
    model = AutoRec(orientation, **SMALL).fit(ratings)
    folded = model.fold_in(ratings, of=first)
    second = {"users": "items", "items": "users"}[first]
    with pytest.raises(ParameterError, match=f"the {first} of this model were folded in.*fold the {second} into"):
        folded.fold_in(ratings, of=second)
    model.fold_in(ratings, of=second).fold_in(ratings, of=first)  # the other order has all it needs


@pytest.mark.parametrize("of", ["users", "items"])
@pytest.mark.parametrize("orientation", ["item", "user"])
def test_a_folded_autoencoder_is_saved_with_its_network(tmp_path, orientation, of):
    ratings = planted()
    folded = AutoRec(orientation, **SMALL).fit(ratings).fold_in(ratings, of=of)
    folded.save(tmp_path / "m")
    loaded = load(tmp_path / "m")
    for name, value in folded.network_.state_dict().items():
        assert torch.equal(loaded.network_.state_dict()[name], value)
    np.testing.assert_array_equal(loaded.decoder_weight_, folded.decoder_weight_)
    pd.testing.assert_frame_equal(loaded.recommend(n=5), folded.recommend(n=5), check_exact=True)


def test_item_codes_belong_to_the_fitted_model(monkeypatch):
    """A fold-in of one user encodes no training rating again."""
    ratings = planted()
    model = AutoRec("item", **SMALL).fit(ratings)
    monkeypatch.setattr("autorec.models.autorec.encode_rows", None)
    one = ratings.to_frame().query("user == 3")
    assert len(model.fold_in(one).recommend(n=4)) == 4
