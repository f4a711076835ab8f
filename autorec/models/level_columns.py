"""Decoder rows of new columns of a network of levels, for fixed codes.

For each column with the rated rows R and their levels k the objective of training, with the codes of all rows fixed, is

    Σ_{r ∈ R} cost(scores of V · h_r + b, k_r)  +  (λ/2) ‖V‖²  +  ½ ‖b − b̄‖²

b̄ the mean output bias of the columns of the training, which keeps the biases finite where a level does not occur. It is
convex; L-BFGS minimises it, one column at a time.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from scipy import sparse
from scipy.optimize import minimize

from autorec.training.autoregressive import Costs

Float32 = npt.NDArray[np.float32]


def solve_columns(
    codes: Float32, levels: sparse.csr_array, costs: Costs, l2: float, bias: Float32
) -> tuple[Float32, Float32]:
    """codes [n × H], levels CSR [columns × n], bias b̄ [K − 1] → (V [columns × (K − 1) × H], b [columns × (K − 1)])."""
    weights = np.zeros((levels.shape[0], len(bias), codes.shape[1]), dtype=np.float32)
    biases = np.tile(bias, (levels.shape[0], 1)).astype(np.float32)
    for column in range(levels.shape[0]):
        entries = slice(levels.indptr[column], levels.indptr[column + 1])
        if entries.start < entries.stop:
            read = torch.from_numpy(codes[levels.indices[entries]].astype(np.float64))  # [ratings × H]
            given = torch.from_numpy(levels.data[entries])
            weights[column], biases[column] = _solve(read, given, costs, l2, torch.from_numpy(bias).double())
    return weights, biases


def _solve(
    codes: torch.Tensor, levels: torch.Tensor, costs: Costs, l2: float, bias: torch.Tensor
) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    shape = (len(bias), codes.shape[1] + 1)  # a row is (V, b)

    def objective(values: npt.NDArray[np.float64]) -> tuple[float, npt.NDArray[np.float64]]:
        with torch.inference_mode(False), torch.enable_grad():
            x = torch.from_numpy(values).view(shape).requires_grad_()
            V, b = x[:, :-1], x[:, -1]
            scores = torch.nn.functional.pad((codes @ V.T + b).cumsum(dim=1), (1, 0))  # [ratings × K]
            penalty = l2 / 2 * V.square().sum() + (b - bias).square().sum() / 2
            loss = costs(scores, levels).sum() + penalty
            (gradient,) = torch.autograd.grad(loss, x)
        return loss.item(), gradient.numpy().reshape(-1)

    start = np.zeros(shape)
    start[:, -1] = bias.numpy()
    found = minimize(objective, start.reshape(-1), jac=True, method="L-BFGS-B", options={"maxiter": 200}).x
    return found.reshape(shape)[:, :-1], found.reshape(shape)[:, -1]
