"""The multinomial likelihood of a sample of the columns, for catalogues whose every output costs too much.

The sum over all columns in π_j = exp(f_j) / Σ_i exp(f_i) is that over the entries of the row, which are all computed,
and an estimate of the rest, by k columns S drawn for a batch uniformly and without replacement:

    Ẑ = Σ_{j observed} exp(f_j) + (m − |observed|) / (k − |S ∩ observed|) · Σ_{j ∈ S, unobserved} exp(f_j)

Ẑ is unbiased, and is Z where k = m. The loss −Σ x (f − log Ẑ) is then nearly so: its error falls as 1 / k (Bengio and
Senécal, 2008). An epoch costs entries + rows · k, not rows · m. A row whose entries take up all of S has no estimate of
the rest, so k is to be well above the entries of a row.
"""

import torch

from autorec.network.autoencoder import Decoder
from autorec.network.batch import Batch
from autorec.network.likelihood import Likelihood


def sampled_multinomial(size: int, generator: torch.Generator) -> Likelihood:
    """`multinomial` by a sample of `size` columns, the head's output being the identity."""

    def likelihood(head: Decoder, target: Batch, code: torch.Tensor, offset: torch.Tensor) -> torch.Tensor:
        sample = torch.randperm(target.n_columns, generator=generator)[:size]
        hidden = head.hidden(code)
        others = torch.addmm(head.bias[sample], hidden, head.weight[sample].T) + offset[:, None]  # [n × k]
        observed = head.at(target, code, offset)  # [nnz]
        chosen = observed.new_zeros(target.n_rows).index_add(0, target.rows(), target.values)  # [n]
        return chosen @ log_sums(observed, others, target, sample) - observed @ target.values

    return likelihood


def log_sums(observed: torch.Tensor, others: torch.Tensor, target: Batch, sample: torch.Tensor) -> torch.Tensor:
    """[n] log Ẑ of each row. observed [nnz]: outputs at the entries of the target [n × m]; others [n × k]: at the
    columns of the sample [k]."""
    rows, (entries, places) = target.rows(), _find_common(target, sample)
    others = others.index_put((rows[entries], places), others.new_tensor(-torch.inf))
    left = len(sample) - torch.bincount(rows[entries], minlength=target.n_rows)  # [n]
    factors = (target.n_columns - target.indptr.diff()) / left.clamp(min=1)
    highest = torch.maximum(others.detach().amax(dim=1), _row_maxima(observed.detach(), target))  # [n]
    sums = (others - highest[:, None]).exp().sum(dim=1) * factors
    return sums.index_add(0, rows, (observed - highest[rows]).exp()).log() + highest


def _find_common(target: Batch, sample: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """(entries [c] of the target [n × m] whose column is in the sample [k], its places [c] there)."""
    place = torch.full((target.n_columns,), -1)
    place[sample] = torch.arange(len(sample))
    places = place[target.indices.long()]
    entries = torch.nonzero(places >= 0)[:, 0]
    return entries, places[entries]


def _row_maxima(values: torch.Tensor, target: Batch) -> torch.Tensor:
    """[n] of the values [nnz] at the entries of the target; −inf for a row without."""
    lowest = values.new_full((target.n_rows,), -torch.inf)
    return lowest.scatter_reduce(0, target.rows(), values, "amax")
