"""Decoder rows and biases of new columns for fixed codes, solved exactly, without training.

For each column c with observed rows R and targets t the objective of training, with all codes fixed, is

    Σ_{r ∈ R} (t_r − v · h_r − b)²  +  (λ/2)‖v‖²  +  d·b²

a ridge regression, with as many equations as units or as ratings, whichever are fewer.
"""

import numpy as np
import numpy.typing as npt
from scipy import linalg, sparse

from autorec.array_types import FloatArray
from autorec.network.activations import activation

MOST_PRODUCTS = 8192  # rows whose products are kept, in 256 MiB


def solve_columns(
    codes: npt.NDArray[np.float32], targets: sparse.csr_array, l2: float, bias_damping: float
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """codes [n × H], targets CSR [columns × n] → (V [columns × H], b [columns]).

    l2 = λ, bias_damping = d of the formula above; d = 0 leaves the bias free. A column without entries gets zeros.
    With λ = 0 the solution of least norm is taken.
    """
    V = np.zeros((targets.shape[0], codes.shape[1]), dtype=np.float32)
    b = np.zeros(targets.shape[0], dtype=np.float32)
    for column in range(targets.shape[0]):
        entries = slice(targets.indptr[column], targets.indptr[column + 1])
        if entries.start < entries.stop:
            H, t = codes[targets.indices[entries]], targets.data[entries].astype(np.float64)
            V[column], b[column] = _solve(H, t, l2, bias_damping)
    return V, b


def keep_products(codes: npt.NDArray[np.float32]) -> npt.NDArray[np.float32] | None:
    """[n × n] products of codes [n × H] with each other, for `sum_products`; None where they are many."""
    return codes @ codes.T if len(codes) <= MOST_PRODUCTS else None


def sum_products(
    products: npt.NDArray[np.float32], targets: sparse.csr_array, l2: float, bias_damping: float
) -> npt.NDArray[np.float32] | None:
    """[n] all outputs v · h_r + b of one column with these targets, CSR [1 × n], as `solve_columns` finds it.

    v is a sum of the codes of the observed rows, v = Σ_j α_j h_j, so its outputs are sums of rows of the products [n ×
    n], in which the equations of α are found too: where persons are answered one after another, two products of codes
    for each are spared. None where float32 is not exact enough, see `_are_small`.
    """
    observed = targets.indices
    squares = float(products[observed, observed].sum())
    if not (l2 > 0 and bias_damping > 0 and _are_small(squares, len(observed), l2)):
        return None
    rows, scale = products[observed], bias_scale(l2, bias_damping)
    duals = _solve_duals(rows[:, observed], targets.data.astype(np.float64), l2, scale)
    return np.asarray(duals.astype(np.float32) @ rows + np.float32(scale**2 * duals.sum()))


def fit_columns(
    codes: npt.NDArray[np.float32], targets: sparse.csr_array, decoder: str, l2: float
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """codes [n × H], targets CSR [columns × n] → (V [columns × H], b [columns]) for a bounded output g, named
    `decoder`.

    As `solve_columns` with a free bias: L-BFGS on Σ (t − g(v · h + b))² + (λ/2)‖v‖². l2 = λ.
    """
    import torch

    from autorec.network import sparse as sparse_ops
    from autorec.network.batch import make_batch

    output = activation(decoder)
    batch = make_batch(sparse.csr_array(targets.T.tocsr()))  # [n × columns]
    H = torch.from_numpy(codes)
    means = targets.sum(axis=1) / np.maximum(np.diff(targets.indptr), 1)
    V = torch.zeros(targets.shape[0], codes.shape[1], requires_grad=True)
    b = output.inverse(torch.from_numpy(np.asarray(means)).float()).requires_grad_()
    optimizer = torch.optim.LBFGS([V, b], max_iter=100, line_search_fn="strong_wolfe")

    def closure() -> "torch.Tensor":
        optimizer.zero_grad()
        error = output.output(sparse_ops.decode_at(batch, H, V, b)) - batch.values
        loss = error.square().sum() + l2 / 2 * V.square().sum()
        loss.backward()
        return loss

    optimizer.step(closure)
    return V.detach().numpy(), b.detach().numpy()


def weigh_targets(H: FloatArray, code: FloatArray, l2: float, bias_damping: float) -> FloatArray:
    """[n] the weights w of the targets in an output of the column that `solve_columns` finds: v · code + b = w · t.

    H [n × H] codes of its observed rows, code [H] of the row whose output it is. Given which rows are observed the
    solution is linear in t: with Z the codes and the bias as one more unit, w = (ZZᵀ + λ/2 · I)⁻¹ Z z.
    """
    H, code = H.astype(np.float64), code.astype(np.float64)
    if bias_damping == 0:
        centre = H.mean(axis=0)
        return ridge((H - centre).T, code - centre, l2 / 2) + 1 / len(H)
    if l2 == 0:
        stacked = _stack_damping(H, bias_damping)
        return np.asarray(np.linalg.lstsq(stacked.T, np.append(code, 1.0), rcond=None)[0])[:-1]
    scale = bias_scale(l2, bias_damping)
    return ridge(np.column_stack((H, np.full(len(H), scale))).T, np.append(code, scale), l2 / 2)


def _solve(H: FloatArray, t: FloatArray, l2: float, bias_damping: float) -> tuple[FloatArray, float]:
    """H [n × H] float32, t [n] float64 → (v [H], b), computed in float64, but for products of codes where these are
    small."""
    if bias_damping == 0:  # a free bias is the mean residual: centre, solve, shift back
        centre, mean = H.mean(axis=0, dtype=np.float64), float(t.mean())
        v = ridge(H - centre, t - mean, l2 / 2)
        return v, mean - float(v @ centre)
    if l2 == 0:
        scale = 1.0
        solution = ridge(_stack_damping(H, bias_damping), np.append(t, 0.0), 0)
    else:  # the bias as one more unit, scaled so that the same λ/2 damps it by d
        scale = bias_scale(l2, bias_damping)
        if len(H) < H.shape[1] and _are_small(float(np.vdot(H, H)), len(H), l2):
            duals = _solve_duals(H @ H.T, t, l2, scale)
            return duals.astype(np.float32) @ H, scale**2 * float(duals.sum())
        solution = ridge(np.column_stack((H, np.full(len(H), scale))), t, l2 / 2)
    return solution[:-1], scale * float(solution[-1])


def _are_small(squares: float, n: int, l2: float) -> bool:
    """Whether λ/2 is at least as large as the products of n codes, of which `squares` is the sum of those of each with
    itself: computed in float32 they then change an output by less than its own rounding, in a third of the time."""
    return squares <= n * l2 / 2


def _solve_duals(products: FloatArray, t: FloatArray, l2: float, scale: float) -> FloatArray:
    """α [n] of v = Σ_j α_j h_j, with the products [n × n] of the codes; scale: see `bias_scale`."""
    return _solve_damped(products.astype(np.float64) + scale**2, l2 / 2, t)


def ridge(H: FloatArray, t: FloatArray, strength: float) -> FloatArray:
    """argmin ‖t − Hv‖² + strength‖v‖², of least norm where there are several."""
    if strength == 0:
        return np.asarray(np.linalg.lstsq(H, t, rcond=None)[0])
    n, units = H.shape
    if n < units:
        return np.asarray(H.T @ _solve_damped(H @ H.T, strength, t))
    return _solve_damped(H.T @ H, strength, H.T @ t)


def _solve_damped(gram: FloatArray, strength: float, t: FloatArray) -> FloatArray:
    """(gram + strength · I)⁻¹ t, by Cholesky; gram [n × n] is overwritten. Straight to LAPACK: one short history takes
    less time than the checks of `scipy.linalg.solve`."""
    gram.flat[:: len(gram) + 1] += strength
    _, solution, failed = linalg.lapack.dposv(gram.T, t, lower=True, overwrite_a=True)
    if failed:
        raise linalg.LinAlgError(f"no Cholesky factor: LAPACK's dposv gave up with {failed}")
    return np.asarray(solution)


def bias_scale(l2: float, bias_damping: float) -> float:
    """The output of the unit whose weight λ/2 damps as d damps the bias."""
    return float(np.sqrt(l2 / 2 / bias_damping))


def _stack_damping(H: FloatArray, bias_damping: float) -> FloatArray:
    """[(n + 1) × (H + 1)] the codes and a unit of ones, and below them a row that damps its weight."""
    rows = np.column_stack((H, np.ones(len(H))))
    damping = np.zeros((1, rows.shape[1]))
    damping[0, -1] = np.sqrt(bias_damping)
    return np.vstack((rows, damping))
