"""Penalties by name, each a scalar summed over the rows of a batch, as the likelihoods are.

A penalty on weights is multiplied by the batch's share of all rows, so that an epoch counts it once and its strength
means the same at any batch size.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import nn

from autorec.errors import ParameterError
from autorec.network import kernels, sparse
from autorec.network.activations import activation
from autorec.network.autoencoder import Autoencoder, Trace
from autorec.network.gradient import Multiple, is_valued, keep_term
from autorec.network.parts import Kind
from autorec.network.ranges import run_in_parts

Penalty = Callable[[Autoencoder, Trace], torch.Tensor]

ACTIVITY = 0.05  # ρ of `kl_sparsity`: a unit is to be active for one row in twenty
DIRECTIONS = 64  # of `sliced`, for each batch
MIXTURE = (3 / 20, 3 / 4, 1 / 10)  # weights in the composite prior: standard, earlier, wide; as in the paper's code
WIDE = 10.0  # log variance of the wide distribution


def l2(strength: float) -> Penalty:
    """(λ/2) Σ ‖W‖² over all weights W [m × H], biases unpenalised (Sedhain et al., WWW 2015, eq. 2 and 3)."""

    def penalty(network: Autoencoder, trace: Trace) -> torch.Tensor:
        factor = strength * trace.example.own_share
        large = set(network.of_columns())
        own: list[torch.Tensor] = []
        inner: list[torch.Tensor] = []
        for weight in network.weights():
            (own if weight in large else inner).append(half_square(weight, factor))
        return sum(inner, network.encoder.shard.sum(torch.stack(own).sum()))

    return penalty


def bias(strength: float) -> Penalty:
    """d Σ ‖b‖² over the biases b [m] of the heads. With an offset of damped row biases b becomes the damped bias of the
    columns, with damping d as in `autorec.fitting.biases`."""

    def penalty(network: Autoencoder, trace: Trace) -> torch.Tensor:
        factor = 2 * strength * trace.example.own_share
        own = torch.stack([half_square(network.head(name).bias, factor) for name in network.heads])
        return network.encoder.shard.sum(own.sum())

    return penalty


def l1(strength: float) -> Penalty:
    """λ Σ |code| over the code [n × H]: few units are not 0."""
    return lambda network, trace: strength * trace.code.abs().sum()


def contractive(strength: float) -> Penalty:
    """λ Σ_rows ‖∂h/∂x‖²_F, h the hidden layer, x the observed inputs of the row (Rifai et al., ICML 2011).

    In closed form Σ_u f′(h_u)² Σ_{j observed} W_ju²: the cost follows the ratings. One hidden layer only.
    """

    def penalty(network: Autoencoder, trace: Trace) -> torch.Tensor:
        encoder = network.encoder
        if len(encoder.widths) > 1:
            raise ParameterError(
                f"penalty contractive needs one hidden layer, got {'-'.join(map(str, encoder.widths))}: "
                "through several the Jacobian has no closed form in the ratings"
            )
        squares = [
            sparse.encode(batch.with_values(torch.ones_like(batch.values)), weight.square())  # [n × H]
            for batch, weight in zip(trace.example.inputs, encoder.weights, strict=True)
        ]
        slope = encoder.activation.slope(trace.mean + encoder.centre)  # [n × H]
        total: torch.Tensor = (slope.square() * encoder.shard.sum(sum(squares[1:], squares[0]))).sum()
        return strength * total

    return penalty


def kl_sparsity(strength: float) -> Penalty:
    """λ Σ_units KL(ρ ‖ ρ̂) for each row, ρ̂ the mean activity of a unit over the batch, ρ = 0.05 (Ng, Sparse
    autoencoder, CS294A, 2011): units that are active for few rows. Activity is that of a sigmoid, between 0 and 1."""

    def penalty(network: Autoencoder, trace: Trace) -> torch.Tensor:
        encoder = network.encoder
        if encoder.activation is not activation("sigmoid") or encoder.linear_code:
            raise ParameterError("penalty kl_sparsity needs a code between 0 and 1: use encoder sigmoid, code point")
        active = (trace.mean + encoder.centre).mean(dim=0).clamp(1e-6, 1 - 1e-6)  # [H] ρ̂
        divergence = ACTIVITY * (ACTIVITY / active).log() + (1 - ACTIVITY) * ((1 - ACTIVITY) / (1 - active)).log()
        return strength * trace.example.n_rows * divergence.sum()

    return penalty


def gaussian_kl(strength: float) -> Penalty:
    """β Σ_rows KL(N(mean, exp(log_var)) ‖ N(0, 1)) = β/2 Σ (mean² + exp(log_var) − 1 − log_var): with β = 1 the ELBO's
    (Kingma and Welling, ICLR 2014, appendix B), with others that of a β-VAE (Higgins et al., ICLR 2017)."""

    def penalty(network: Autoencoder, trace: Trace) -> torch.Tensor:
        if trace.log_var is None:
            raise ParameterError("penalty gaussian_kl needs a code with a variance: use code gaussian")
        return strength / 2 * (trace.mean.square() + trace.log_var.exp() - 1 - trace.log_var).sum()

    return penalty


def composite_kl(strength: float) -> Penalty:
    """γ Σ_rows (entries of the row) · KL(code ‖ composite prior), estimated by the code that was drawn: the more a user
    chose, the more the divergence counts (Shenbin et al., WSDM 2020, eq. 12)."""

    def penalty(network: Autoencoder, trace: Trace) -> torch.Tensor:
        earlier = trace.example.earlier
        if trace.log_var is None:
            raise ParameterError("penalty composite_kl needs a code with a variance: use code gaussian")
        if earlier is None:
            raise ParameterError("penalty composite_kl needs a training that keeps earlier codes: use rec-vae")
        entries = network.encoder.shard.total(trace.example.inputs[0].indptr.diff())  # [n], corrupted or not
        total: torch.Tensor = (
            strength * (entries * composite_divergence(trace.code, trace.mean, trace.log_var, earlier)).sum()
        )
        return total

    return penalty


def mmd(strength: float) -> Penalty:
    """λ MMD² for each row, between the codes of a batch and N(0, 1) in each of K units: a Wasserstein autoencoder
    (Tolstikhin et al., ICLR 2018). Kernel k(x, y) = exp(−‖x − y‖² / 2K); the unbiased estimator, with the means over
    the prior in closed form (Rustamov, Stat 2021) instead of draws:

        Σ_{i≠j} k(x_i, x_j) / n(n−1)  −  2/n Σ_i (K/(K+1))^{K/2} exp(−‖x_i‖² / 2(K+1))  +  (K/(K+2))^{K/2}

    A batch of one row has no such estimate, and no penalty.
    """

    def penalty(network: Autoencoder, trace: Trace) -> torch.Tensor:
        code, (n, units) = trace.code, trace.code.shape
        if n < 2:
            return code.sum() * 0
        squares = code.square().sum(dim=1)  # [n]
        distances = squares[:, None] + squares - 2 * code @ code.T  # [n × n]
        among = (-distances / (2 * units)).exp()
        among_codes = (among.sum() - among.diagonal().sum()) / (n * (n - 1))
        to_prior = (units / (units + 1)) ** (units / 2) * (-squares / (2 * (units + 1))).exp().mean()
        total: torch.Tensor = strength * n * (among_codes - 2 * to_prior + (units / (units + 2)) ** (units / 2))
        return total

    return penalty


def sliced(strength: float) -> Penalty:
    """λ times the sliced Wasserstein distance, squared, for each row, between the codes of a batch and N(0, 1) in each
    of K units (Kolouri et al., ICLR 2019): the mean of W₂² of the two along random directions of length 1, 64 for each
    batch, so that its expectation is the mean over all directions.

    Along a direction the prior is N(0, 1) and the codes are n numbers, x₁ ≤ … ≤ xₙ; no draws of the prior are needed:

        W₂² = Σ x_i² / n  −  2 Σ x_i (φ(z_{i−1}) − φ(z_i))  +  1,  z_i the quantile i/n of N(0, 1), φ its density

    Of codes that have the prior it is about log log n / n, and 0 in the limit.
    """

    def penalty(network: Autoencoder, trace: Trace) -> torch.Tensor:
        code, (n, units) = trace.code, trace.code.shape
        directions = torch.randn(units, DIRECTIONS, generator=trace.generator, device=code.device)
        ordered = (code @ nn.functional.normalize(directions, dim=0)).sort(dim=0).values  # [n × directions]
        ends = torch.special.ndtri(torch.linspace(0, 1, n + 1, device=code.device))  # z, −∞ to ∞
        density = (-ends.square() / 2).exp() / math.sqrt(2 * math.pi)
        total: torch.Tensor = ordered.square().sum() - 2 * n * ((density[:-1] - density[1:]) @ ordered).sum()
        return strength * (total / DIRECTIONS + n)

    return penalty


PENALTIES: dict[str, Kind[Penalty]] = {
    "l2": Kind(l2, 0.0),
    "l1": Kind(l1, 0.0),
    "kl_sparsity": Kind(kl_sparsity, 0.0),
    "contractive": Kind(contractive, 0.0),
    "gaussian_kl": Kind(gaussian_kl, 0.0),
    "composite_kl": Kind(composite_kl, 0.0),
    "mmd": Kind(mmd, 0.0),
    "sliced": Kind(sliced, 0.0),
    "bias": Kind(bias, 0.0),
}


def half_square(weight: torch.Tensor, factor: float) -> torch.Tensor:
    """(factor/2)‖W‖² of a tensor of any shape, a scalar; its gradient, factor · W, is kept as a term where terms are
    collected. NaN where the value is not asked for."""
    apply: Any = _HalfSquare.apply  # torch gives it no type
    result: torch.Tensor = apply(weight, factor)
    return result


class _HalfSquare(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, weight: torch.Tensor, factor: float) -> torch.Tensor:
        ctx.weight, ctx.factor = weight, factor
        ctx.save_for_backward(weight)
        if not is_valued(weight):
            return weight.new_tensor(math.nan)
        if weight.device.type != "cpu":
            norm: torch.Tensor = torch.linalg.vector_norm(weight)
            return factor / 2 * norm.square()
        squares = run_in_parts(kernels.sum_squares, weight.detach().reshape(-1).numpy())
        return torch.tensor(factor / 2 * sum(squares), dtype=weight.dtype)

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> Any:
        (weight,) = ctx.saved_tensors
        if weight.device.type == "cpu" and keep_term(ctx.weight, Multiple(ctx.factor * grads[0].item())):
            return None, None
        return ctx.factor * grads[0] * weight, None


def composite_divergence(
    code: torch.Tensor,
    mean: torch.Tensor,
    log_var: torch.Tensor,
    earlier: torch.Tensor,
    weights: Sequence[float] = MIXTURE,
) -> torch.Tensor:
    """[n] log q(code) − log p(code) of each row, whose expectation over codes drawn from q is KL(q ‖ p), which has no
    closed form.

    p is RecVAE's composite prior (Shenbin et al., WSDM 2020, eq. 9), in each unit a mixture of N(0, 1), of the code's
    own distribution in the last epoch, which keeps the encoder from forgetting, and of a wide one. code, mean, log_var
    [n × K]: a draw from q = N(mean, exp(log_var)). earlier [n × 2K]: mean and log variance in the last epoch. weights:
    of the three distributions.
    """
    earlier_mean, earlier_log_var = earlier.chunk(2, dim=1)
    zero = code.new_zeros(())
    parts = ((zero, zero), (earlier_mean, earlier_log_var), (zero, zero + WIDE))
    densities = [_log_density(code, *part) + code.new_tensor(w).log() for part, w in zip(parts, weights, strict=True)]
    difference = _log_density(code, mean, log_var) - torch.stack(densities).logsumexp(dim=0)  # [n × K]
    return difference.sum(dim=1)


def _log_density(code: torch.Tensor, mean: torch.Tensor, log_var: torch.Tensor) -> torch.Tensor:
    """[n × K] of a normal distribution in each unit, without the constant −½ log 2π, which all have in common."""
    return -0.5 * (log_var + (code - mean).square() / log_var.exp())
