"""The composite prior of RecVAE (Shenbin et al.: A New Variational Autoencoder for Top-N Recommendations with Implicit
Feedback, WSDM 2020, eq. 9).

In each unit of the code it is a mixture of three normal distributions: N(0, 1), the code's own distribution in the last
epoch, which keeps the encoder from forgetting, and a wide one. The divergence from a mixture has no closed form and is
estimated by draws.
"""

from collections.abc import Sequence

import torch

WEIGHTS = (3 / 20, 3 / 4, 1 / 10)  # of standard, earlier and wide distribution, as in the paper's code
WIDE = 10.0  # log variance


def composite_divergence(
    code: torch.Tensor,
    mean: torch.Tensor,
    log_var: torch.Tensor,
    earlier: torch.Tensor,
    weights: Sequence[float] = WEIGHTS,
) -> torch.Tensor:
    """[n] log q(code) − log p(code) of each row, whose expectation over codes drawn from q is KL(q ‖ p).

    code, mean, log_var [n × K]: a draw from q = N(mean, exp(log_var)). earlier [n × 2K]: mean and log variance of the
    second part of p. weights: of the three parts.
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
