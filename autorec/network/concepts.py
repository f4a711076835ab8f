"""Columns that belong softly to concepts, and a code of each row for each concept (Ma et al.: MacridVAE, NeurIPS 2019).

Column i has a vector h_i [d], its row of the decoder's weight, concept k a prototype p_k [d]; τ = 0.1, the paper's:

    c_ik = softmax over k of cos(h_i, p_k) / τ            the share of column i that belongs to concept k
    z_k                                                   the code of a row by its entries, each times its c_ik
    f_i  = log Σ_k c_ik exp(cos(z_k, h_i) / τ) + b_i      the output

One encoder makes the codes of all concepts. The paper has no b_i, and draws the shares in training.
"""

from collections.abc import Sequence

import torch
from torch import nn
from torch.nn.functional import normalize

from autorec.network.autoencoder import Autoencoder
from autorec.network.batch import Batch
from autorec.network.code import Draw

TEMPERATURE = 0.1

Encoded = tuple[torch.Tensor, torch.Tensor, torch.Tensor | None]


class Concepts(nn.Module):
    """network: encoder, code, and one head, `head`, that is linear in the code. n: rows, m: columns, K: concepts."""

    def __init__(self, network: Autoencoder, head: str, n_concepts: int, generator: torch.Generator) -> None:
        super().__init__()
        self.network, self.head = network, head
        self.prototypes = nn.Parameter(torch.empty(n_concepts, network.head(head).weight.shape[1]))  # [K × d]
        nn.init.normal_(self.prototypes, generator=generator)

    def log_shares(self) -> torch.Tensor:
        """log c [K × m]."""
        return self._to_columns(self.prototypes).log_softmax(dim=0)

    def encode(
        self, parts: Sequence[Batch], draw: Draw | None
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor | None]:
        """The entries of the rows for each concept, K batches [n × m] → code, mean, log variance, [K·n × d] each, the
        rows of the first concept first; without `draw` the code is its mean."""
        return self.network.code(torch.cat([self.network.encoder([part]) for part in parts]), draw)

    def outputs(self, code: torch.Tensor) -> torch.Tensor:
        """Codes [K·n × d] → f [n × m]; arrays [K × n × m] are made."""
        sums = self._to_columns(code).unflatten(0, (len(self.prototypes), -1))  # [K × n × m]
        mixed: torch.Tensor = (sums + self.log_shares()[:, None]).logsumexp(dim=0)  # [n × m]
        return mixed + self.network.head(self.head).bias

    def _to_columns(self, rows: torch.Tensor) -> torch.Tensor:
        """cos(row, h) / τ of rows [r × d] → [r × m]."""
        columns: torch.Tensor = normalize(self.network.head(self.head).weight, dim=1)
        return normalize(rows, dim=1) @ columns.T / TEMPERATURE
