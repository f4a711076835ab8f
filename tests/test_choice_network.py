"""The parts of networks of choices against dense formulas, and the estimator on planted tastes."""

import itertools
import math

import numpy as np
import pytest
import torch
from conftest import checkerboard, random_frame
from scipy import sparse
from sklearn.metrics import ndcg_score
from test_sparse_operations import random_batch

from autorec import AutoRec, ChoiceAutoencoder
from autorec.errors import InputError, ParameterError
from autorec.network import all_columns
from autorec.network.autoencoder import Autoencoder, Decoder, Encoder, Trace
from autorec.network.batch import Batch, make_batch
from autorec.network.code import drawn_by, gaussian
from autorec.network.example import Example
from autorec.network.likelihood import LIKELIHOODS
from autorec.network.penalty import ACTIVITY, PENALTIES, composite_divergence
from autorec.network.sampled_softmax import log_sums, sampled_multinomial
from autorec.ranking.held_out_users import hold_out_users, mean_ndcg
from autorec.training.adam import Adam
from autorec.training.steps import descend


def dense_loss(name: str, outputs: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    if name == "multinomial":
        return -(x * outputs.log_softmax(dim=1)).sum()
    return torch.nn.functional.binary_cross_entropy_with_logits(outputs, x, reduction="sum")


@pytest.mark.parametrize("name", ["multinomial", "bernoulli"])
@pytest.mark.parametrize("widths", [(6,), (6, 9)])
def test_loss_and_gradients_are_those_of_the_dense_formula(name: str, widths: tuple[int, ...]) -> None:
    batch, dense, _ = random_batch(12, 17)
    batch, dense = batch.with_values(batch.values.sigmoid()), torch.zeros(12, 17)
    dense[batch.rows(), batch.indices.long()] = batch.values
    generator = torch.Generator().manual_seed(0)
    head = Decoder(17, widths, "identity", generator, inner="tanh")
    code, offset = torch.randn(12, 6, generator=generator, requires_grad=True), torch.randn(12, generator=generator)
    variables = [code, *head.parameters()]
    ours = LIKELIHOODS[name].make()(head, batch, code, offset)
    hidden = code
    for weight, bias in zip(head.inner_weights, head.inner_biases, strict=True):
        hidden = torch.tanh(hidden @ weight + bias)
    theirs = dense_loss(name, hidden @ head.weight.T + head.bias + offset[:, None], dense)
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5)
    for one, other in zip(torch.autograd.grad(ours, variables), torch.autograd.grad(theirs, variables), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("linear_code", [True, False])
def test_skips_add_the_layers_before_and_normalise(linear_code: bool) -> None:
    """The encoder of RecVAE written layer by layer (Shenbin et al., WSDM 2020), gradients too."""
    generator = torch.Generator().manual_seed(0)
    batch, dense, _ = random_batch(12, 17)
    encoder = Encoder(17, (6, 6, 6, 4), "swish", generator, linear_code=linear_code, skips=True)
    for norm in encoder.norms:
        norm.weight.data.uniform_(0.5, 2, generator=generator), norm.bias.data.normal_(generator=generator)

    def layer(x: torch.Tensor, at: int) -> torch.Tensor:
        centred = x * x.sigmoid()
        centred = centred - centred.mean(dim=1, keepdim=True)
        scale = (centred.square().mean(dim=1, keepdim=True) + 0.1).sqrt()
        return centred / scale * encoder.norms[at].weight + encoder.norms[at].bias

    W, a = encoder.inner_weights, encoder.inner_biases
    h1 = layer(dense @ encoder.weights[0] + encoder.bias, 0)
    h2 = layer(h1 @ W[0] + a[0] + h1, 1)
    h3 = layer(h2 @ W[1] + a[1] + h1 + h2, 2)
    code = h3 @ W[2] + a[2]
    theirs = code if linear_code else code * code.sigmoid()
    ours = encoder([batch])
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)
    parameters = list(encoder.parameters())
    assert len(parameters) == 8 + 6
    for one, other in zip(*(torch.autograd.grad(x.square().sum(), parameters) for x in (ours, theirs)), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-4)


def test_skips_want_layers_of_one_width() -> None:
    with pytest.raises(ParameterError, match=r"skips adds hidden layers .* as in 600-600-200; hidden is 8-6-4"):
        ChoiceAutoencoder(hidden="8-6-4", skips=True).fit(random_frame())


def choices_and_head(n: int, m: int) -> tuple[Batch, Decoder, torch.Tensor]:
    """[n × m] choices, a head, a code [n × 6] that learns."""
    generator = torch.Generator().manual_seed(1)
    batch = make_batch(sparse.csr_array((torch.rand(n, m, generator=generator) < 0.3).float().numpy()))
    head = Decoder(m, (6,), "identity", generator)
    return batch, head, torch.randn(n, 6, generator=generator, requires_grad=True)


@pytest.mark.parametrize("name", ["multinomial", "bernoulli"])
def test_blocks_of_rows_sum_to_the_whole(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    batch, head, code = choices_and_head(150, 40)
    loss, variables = LIKELIHOODS[name].make(), [code, *head.parameters()]
    found = []
    for size in (all_columns.BLOCK, 1):
        monkeypatch.setattr(all_columns, "BLOCK", size)
        one = loss(head, batch, code, torch.zeros(150))
        found.append([one, *torch.autograd.grad(one, variables)])
    assert all_columns.rows_at_once(40) == 32
    for whole, blocks in zip(*found, strict=True):
        torch.testing.assert_close(whole, blocks, rtol=1e-4, atol=1e-4)


def test_the_sampled_sum_is_unbiased() -> None:
    """Its mean over every sample of five columns is the sum over all eight."""
    batch, head, code = choices_and_head(12, 8)
    outputs = head.all(code, torch.zeros(12)).detach()
    few = batch.indptr.diff() < 5  # more choices could take up a whole sample
    observed = outputs[batch.rows(), batch.indices.long()]
    samples = [torch.tensor(columns) for columns in itertools.combinations(range(8), 5)]
    sums = torch.stack([log_sums(observed, outputs[:, one], batch, one)[0].exp() for one in samples])
    torch.testing.assert_close(sums.mean(dim=0)[few], outputs.exp().sum(dim=1)[few])
    assert few.sum() > 8 and sums.std(dim=0).max() > 0.01


def test_the_sampled_loss_nears_that_of_all_columns_and_is_it_at_last() -> None:
    batch, head, code = choices_and_head(30, 300)
    variables, offset = [code, *head.parameters()], torch.zeros(30)
    exact = LIKELIHOODS["multinomial"].make()(head, batch, code, offset)
    gradients = torch.autograd.grad(exact, variables)

    def error(size: int) -> float:
        loss = sampled_multinomial(size, torch.Generator().manual_seed(0))
        return float(np.mean([abs(loss(head, batch, code, offset).item() / exact.item() - 1) for _ in range(20)]))

    assert error(150) > 2 * error(250) > 0
    last = sampled_multinomial(300, torch.Generator())(head, batch, code, offset)
    assert last.item() == pytest.approx(exact.item(), rel=1e-5)
    for one, other in zip(torch.autograd.grad(last, variables), gradients, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-4)


def test_large_outputs_overflow_nothing() -> None:
    batch = make_batch(sparse.csr_array(np.eye(3, dtype=np.float32)))
    head = Decoder(3, (3,), "identity", torch.Generator().manual_seed(0))
    code = 1000 * torch.linalg.inv(head.weight.detach().T)
    for name in ("multinomial", "bernoulli"):
        loss = LIKELIHOODS[name].make()(head, batch, code, torch.zeros(3))
        assert torch.isfinite(loss) and loss < 1e-3 + 3 * math.log(2) * 3


def test_a_gaussian_code_has_its_mean_and_variance() -> None:
    layer = torch.tensor([[1.0, -2.0, math.log(4.0), math.log(0.25)]]).repeat(20_000, 1)
    code, mean, log_var = gaussian(layer, drawn_by(torch.Generator().manual_seed(0), len(layer)))
    assert log_var is not None and torch.equal(log_var, layer[:, 2:])
    torch.testing.assert_close(code.mean(dim=0), torch.tensor([1.0, -2.0]), atol=0.05, rtol=0)
    torch.testing.assert_close(code.std(dim=0), torch.tensor([2.0, 0.5]), atol=0.05, rtol=0)
    assert torch.equal(gaussian(layer, None)[0], mean)


def trace_of(mean: torch.Tensor, log_var: torch.Tensor | None, generator: torch.Generator | None = None) -> Trace:
    batch, _, _ = random_batch(len(mean), 5)
    return Trace(Example((batch,), {}, torch.zeros(len(mean))), mean, mean, log_var, generator)


def test_the_divergence_of_a_gaussian_code_is_that_of_monte_carlo() -> None:
    generator = torch.Generator().manual_seed(0)
    mean, log_var = torch.randn(4, 3, generator=generator), torch.randn(4, 3, generator=generator) / 2
    network = Autoencoder(Encoder(5, (6,), "tanh", generator), {}, gaussian)
    found = PENALTIES["gaussian_kl"].make(0.5)(network, trace_of(mean, log_var))
    q = torch.distributions.Normal(mean, (log_var / 2).exp())
    torch.manual_seed(0)
    z = q.sample((40_000,))
    drawn = 0.5 * (q.log_prob(z) - torch.distributions.Normal(0.0, 1.0).log_prob(z)).mean(dim=0).sum()
    assert found.item() == pytest.approx(drawn.item(), rel=0.01)
    with pytest.raises(ParameterError, match="use code gaussian"):
        PENALTIES["gaussian_kl"].make(0.5)(network, trace_of(mean, None))


def integrate_composite(mean: float, log_var: float, earlier: tuple[float, float]) -> float:
    """KL(N(mean, exp(log_var)) ‖ composite prior) of one unit, on a fine grid."""
    z = torch.linspace(-30, 30, 200_001, dtype=torch.float64)

    def normal(mean: float, log_var: float) -> torch.distributions.Normal:
        return torch.distributions.Normal(torch.tensor(mean, dtype=z.dtype), math.exp(log_var / 2))

    q = normal(mean, log_var).log_prob(z)
    parts = (normal(0, 0), normal(*earlier), normal(0, 10))
    p = sum(weight * part.log_prob(z).exp() for weight, part in zip((0.15, 0.75, 0.1), parts, strict=True))
    return float(torch.trapezoid(q.exp() * (q - torch.as_tensor(p).log()), z))


def test_the_divergence_from_the_composite_prior_is_its_integral() -> None:
    generator = torch.Generator().manual_seed(0)
    layer = torch.tensor([[0.7, -1.0, -0.4, 0.2]])  # two units, mean and log variance
    earlier = torch.tensor([[0.5, 2.0, -0.6, -1.0]])
    code, mean, log_var = gaussian(layer.expand(100_000, 4), drawn_by(generator, 100_000))
    assert log_var is not None
    found = composite_divergence(code, mean, log_var, earlier).mean().item()
    exact = integrate_composite(0.7, -0.4, (0.5, -0.6)) + integrate_composite(-1.0, 0.2, (2.0, -1.0))
    assert found == pytest.approx(exact, abs=0.01)


def test_the_composite_prior_of_one_standard_normal_is_the_divergence_in_closed_form() -> None:
    generator = torch.Generator().manual_seed(0)
    layer = torch.randn(1, 6, generator=generator) / 2
    code, mean, log_var = gaussian(layer.expand(100_000, 6), drawn_by(generator, 100_000))
    assert log_var is not None
    drawn = composite_divergence(code, mean, log_var, torch.zeros(1, 6), (1.0, 0.0, 0.0))
    closed = 0.5 * (layer[:, :3].square() + layer[:, 3:].exp() - 1 - layer[:, 3:]).sum()
    assert drawn.mean().item() == pytest.approx(closed.item(), abs=0.01)


def test_the_composite_divergence_counts_as_often_as_a_row_has_entries() -> None:
    generator = torch.Generator().manual_seed(0)
    batch, _, _ = random_batch(4, 5)
    network = Autoencoder(Encoder(5, (6,), "tanh", generator, linear_code=True), {}, gaussian)
    earlier = torch.randn(4, 6, generator=generator)
    trace = network(Example((batch,), {}, torch.zeros(4), earlier=earlier), generator)
    each = composite_divergence(trace.code, trace.mean, trace.log_var, earlier)
    expected = 0.3 * sum(n * one for n, one in zip(batch.indptr.diff().tolist(), each.tolist(), strict=True))
    assert PENALTIES["composite_kl"].make(0.3)(network, trace).item() == pytest.approx(expected, rel=1e-5)
    with pytest.raises(ParameterError, match="keeps earlier codes"):
        PENALTIES["composite_kl"].make(0.3)(network, trace_of(trace.mean, trace.log_var))


def test_encoder_and_decoder_rest_in_turn() -> None:
    """A step of the encoder leaves the decoder as it is, and the other way; neither is left without gradients."""
    batch, _, _ = random_batch(12, 9)
    batch = batch.with_values(torch.ones_like(batch.values))
    generator = torch.Generator().manual_seed(0)
    model = ChoiceAutoencoder(hidden=5, encoder_steps=2)
    network = model._build(12, 9, generator)
    example = Example((batch,), {"choice": batch}, torch.zeros(12))
    seen = []

    def loss(example: Example, number: int) -> dict[str, torch.Tensor]:
        trace = network(example)
        seen.append([parameter.requires_grad for parameter in network.parameters()])
        head = network.head("choice")
        return {"choice": LIKELIHOODS["multinomial"].make()(head, batch, trace.code, example.offset)}

    encoder, decoder = network.encoder, network.head("choice")
    step = descend(loss, Adam(encoder.parameters(), lambda number: 0.1), fixed=decoder.parameters())
    kept, moved = decoder.weight.clone(), encoder.weights[0].clone()
    step(example, 0)
    assert torch.equal(decoder.weight, kept) and decoder.weight.grad is None
    assert not torch.equal(encoder.weights[0], moved)
    assert seen == [[name.startswith("encoder") for name, _ in network.named_parameters()]]
    assert all(parameter.requires_grad for parameter in network.parameters())


def test_the_discrepancy_from_the_prior_is_that_of_the_double_sum_over_draws() -> None:
    generator = torch.Generator().manual_seed(0)
    network = Autoencoder(Encoder(5, (3,), "tanh", generator), {})
    for spread, shift in ((1.0, 0.0), (0.3, 0.8)):
        code = shift + spread * torch.randn(60, 3, generator=generator)
        found = PENALTIES["mmd"].make(2.0)(network, trace_of(code, None)).item() / (2.0 * 60)

        def kernel(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
            return (-torch.cdist(x.double(), y.double()).square() / 6).exp()

        prior, other = torch.randn(2, 8000, 3, generator=generator)
        among = (kernel(code, code).sum() - 60) / (60 * 59)
        naive = among - 2 * kernel(code, prior).mean() + kernel(prior, other).mean()
        assert found == pytest.approx(naive.item(), abs=0.01)
    codes = [torch.randn(50, 3, generator=generator) for _ in range(200)]
    estimates = [PENALTIES["mmd"].make(1.0)(network, trace_of(code, None)).item() / 50 for code in codes]
    unbiased = 3 * np.std(estimates) / np.sqrt(200)  # 0 where code and prior are the same
    assert abs(np.mean(estimates)) < unbiased


def test_the_elbo_is_the_evidence_where_the_posterior_is_exact_and_below_it_elsewhere() -> None:
    """x = V z + b + noise with orthogonal columns of V: the posterior of z is a Gaussian of independent units. The
    masked loss is twice −log likelihood, so the divergence counts twice."""
    generator = torch.Generator().manual_seed(0)
    V = torch.linalg.qr(torch.randn(8, 2, generator=generator))[0] * torch.tensor([2.0, 0.7])
    b, x = torch.randn(8, generator=generator), torch.randn(30, 8, generator=generator)
    encoder = Encoder(8, (4,), "identity", generator, linear_code=True)
    head = Decoder(8, (2,), "identity", generator)
    network = Autoencoder(encoder, {"rating": head}, gaussian)
    precision = V.square().sum(dim=0) + 1  # [2]
    with torch.no_grad():
        head.weight.copy_(V), head.bias.copy_(b)
        encoder.weights[0].copy_(torch.cat((V / precision, torch.zeros(8, 2)), dim=1))
        encoder.bias.copy_(torch.cat((-(b @ V) / precision, -precision.log())))
    batch = make_batch(sparse.csr_array(np.where(x == 0, 1e-9, x).astype(np.float32)))
    example = Example((batch,), {"rating": batch}, torch.zeros(30))
    evidence = torch.distributions.MultivariateNormal(b, V @ V.T + torch.eye(8)).log_prob(x).sum().item()

    def elbo() -> float:
        draws = []
        with torch.no_grad():
            for seed in range(400):
                trace = network(example, torch.Generator().manual_seed(seed))
                error = LIKELIHOODS["gaussian"].make()(head, batch, trace.code, example.offset)
                draws.append((error + PENALTIES["gaussian_kl"].make(2.0)(network, trace)).item() / 2)
        return -sum(draws) / len(draws) - 30 * 8 / 2 * math.log(2 * math.pi)

    assert elbo() == pytest.approx(evidence, abs=1.0)
    with torch.no_grad():
        encoder.bias[0] += 0.5
    assert elbo() < evidence - 5


def test_sparse_codes_reach_the_activity_that_is_asked_for() -> None:
    frame = random_frame(80, 40, 0.4)

    def activity(penalty: str) -> float:
        model = AutoRec("user", hidden=20, epochs=150, penalty=penalty, validation=0.0, learning_rate=0.01).fit(frame)
        encoder = model.network_.encoder
        return float((model._all_codes() + encoder.centre).mean())

    free, pushed = activity("l2:1"), activity("l2:1+kl_sparsity:20")
    assert abs(free - ACTIVITY) > 0.2
    assert pushed == pytest.approx(ACTIVITY, abs=0.04)


def test_sparsity_needs_a_code_between_0_and_1() -> None:
    with pytest.raises(ParameterError, match="use encoder sigmoid"):
        AutoRec(encoder="tanh", penalty="l2:1+kl_sparsity:1").fit(random_frame())


def test_the_ndcg_of_held_out_users_is_that_of_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    chosen = sparse.csr_array((rng.random((300, 40)) < 0.4).astype(np.float32))
    users, held_out = hold_out_users(chosen, 0.1, rng)
    assert held_out is not None and held_out.given.shape[0] == 30 and len(users) == 270
    together = held_out.given.toarray() + held_out.wanted.toarray()
    assert together.max() == 1  # no choice is given and wanted
    kept = np.concatenate((chosen[users].toarray(), together))
    np.testing.assert_array_equal(
        np.sort(kept @ 2.0 ** np.arange(40)), np.sort(chosen.toarray() @ 2.0 ** np.arange(40))
    )
    counts = np.diff(held_out.wanted.indptr)
    np.testing.assert_array_equal(counts, (0.2 * together.sum(axis=1)).astype(int))
    scores = rng.random((30, 40)).astype(np.float32)
    found = mean_ndcg(lambda given: scores.copy(), held_out)
    masked = np.where(held_out.given.toarray() > 0, -1.0, scores)
    assert found == pytest.approx(ndcg_score(held_out.wanted.toarray(), masked, k=100), abs=1e-6)


def test_few_users_are_all_trained_on() -> None:
    users, held_out = hold_out_users(
        sparse.csr_array(np.ones((30, 6), dtype=np.float32)), "auto", np.random.default_rng(0)
    )
    assert held_out is None and len(users) == 30


SAMPLED = {"sample": 10}
FEATURES = {"features": 1.0, "code": "gaussian", "penalty": "gaussian_kl:0.1@50"}
REC_VAE = {
    "code": "gaussian",
    "hidden": "30-10",
    "penalty": "composite_kl:0.01",
    "decoder": "linear",
    "encoder_steps": 3,
}


@pytest.mark.parametrize(
    "settings",
    [{}, {"code": "gaussian", "hidden": "30-10", "penalty": "gaussian_kl:0.1@50"}, REC_VAE, SAMPLED, FEATURES],
)
def test_planted_tastes_are_found_also_for_new_users(settings: dict[str, object]) -> None:
    """Of two groups of items each user chose from one: the other items of that group come first."""
    rng = np.random.default_rng(0)
    group = rng.integers(0, 2, 200)
    likes = (np.arange(30)[None, :] % 2 == group[:, None]) & (rng.random((200, 30)) < 0.6)
    frame = random_frame(1, 1).iloc[:0]
    rows, columns = np.nonzero(likes)
    frame = frame.reindex(range(len(rows))).assign(user=rows, item=columns, rating=1.0)
    model = ChoiceAutoencoder(**({"hidden": 20, "epochs": 60, "learning_rate": 0.01} | settings)).fit(frame)
    new = frame[frame["user"] < 20].assign(user=lambda table: table["user"] + 1000)
    for fitted, offset in ((model, 0), (model.fold_in(new), 1000)):
        table = fitted.recommend(n=1)
        users = table["user"].to_numpy() - offset
        assert (table["item"].to_numpy() % 2 == group[users]).mean() > 0.97


def test_what_cannot_work_is_refused() -> None:
    frame = checkerboard()
    with pytest.raises(ParameterError, match="likelihood is 'gaussian'; allowed: multinomial, bernoulli"):
        ChoiceAutoencoder(likelihood="gaussian").fit(frame)
    with pytest.raises(ParameterError, match="use code gaussian"):
        ChoiceAutoencoder(penalty="gaussian_kl:1").fit(frame)
    with pytest.raises(InputError, match="no rating is high enough"):
        ChoiceAutoencoder(relevant=99).fit(frame)
