"""The two kernels of GLocal-K (Han et al., CIKM 2021): on the weights of a network, and on the matrix of ratings.

Local: kernelised weights (Muller, Martel and Indiveri, ICML 2018). A weight from unit i to unit j is w_ij · K_ij,
K_ij = max(0, 1 − ‖u_i − v_j‖²), u_i and v_j learned vectors of few dimensions: units that are far apart have no
connection. With all K_ij = 1 the layer is an ordinary one.

Global: a 3 × 3 convolution over a sparse matrix x, 0 where unobserved and outside,

    y_ij = max(0, Σ_{a, b ∈ {−1, 0, 1}} k_ab · x_{i + a, j + b})

made a block of rows at a time. A block holds its rows as a dense array [B × m], with the row before and the row after
it (its halo), so that memory is that of one block, whatever the number of rows.
"""

from collections.abc import Iterator, Sequence
from typing import cast

import numpy as np
import torch
from scipy.sparse import csr_array
from torch import nn

from autorec.network import sparse
from autorec.network.autoencoder import Autoencoder, build_autoencoder
from autorec.network.batch import Batch

START = 1e-3  # standard deviation of the first u and v, so that all K are about 1

BLOCK = 2**21  # numbers in a block: 8 MiB, a few times as much while its gradient is computed


class KernelWeight(nn.Module):
    """w [a × b] with u [a × dimensions] and v [b × dimensions]."""

    def __init__(self, weight: torch.Tensor, dimensions: int, generator: torch.Generator) -> None:
        super().__init__()
        self.weight = nn.Parameter(weight)
        self.u, self.v = (
            nn.Parameter(START * torch.randn(size, dimensions, generator=generator)) for size in weight.shape
        )

    def kernel(self) -> torch.Tensor:
        """K [a × b]."""
        squares = self.u.square().sum(dim=1)[:, None] + self.v.square().sum(dim=1)  # [a × b]
        return torch.relu(1 - (squares - 2 * self.u @ self.v.T))

    def forward(self) -> tuple[torch.Tensor, torch.Tensor]:
        """(w ∘ K, K), [a × b] each."""
        kernel = self.kernel()
        return self.weight * kernel, kernel


class KernelNetwork(nn.Module):
    """AutoRec's network [n × m] → [n × H] → [n × m] with kernelised weights, sigmoid layers and a linear output.

    hidden: units of each layer.
    """

    def __init__(self, n_columns: int, hidden: Sequence[int], dimensions: int, generator: torch.Generator) -> None:
        super().__init__()
        plain = build_autoencoder(n_columns, hidden, "sigmoid", "identity", generator, centred=False)
        self.weights = nn.ModuleList(
            KernelWeight(weight.detach(), dimensions, generator) for weight in plain.weights()
        )  # from the columns to the first layer, between layers, from the columns to the last layer
        self.biases = nn.ParameterList(torch.zeros(units) for units in hidden)
        self.output_bias = nn.Parameter(torch.zeros(n_columns))  # [m]
        self.hidden = tuple(hidden)

    def free_weights(self) -> list[torch.Tensor]:
        """The weights w, in the order of `weights`."""
        return [cast(KernelWeight, one).weight for one in self.weights]

    def effective(self) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
        """(weights w ∘ K, kernels K), in the order of `weights`."""
        pairs = [one() for one in self.weights]
        return [weight for weight, _ in pairs], [kernel for _, kernel in pairs]

    def encode(self, inputs: Batch | torch.Tensor, weights: Sequence[torch.Tensor]) -> torch.Tensor:
        """Inputs [n × m], sparse or dense, and the effective weights → the last hidden layer [n × H]."""
        first = sparse.encode(inputs, weights[0]) if isinstance(inputs, Batch) else inputs @ weights[0]
        code = torch.sigmoid(first + self.biases[0])
        for weight, bias in zip(weights[1:-1], list(self.biases)[1:], strict=True):
            code = torch.sigmoid(code @ weight + bias)
        return code

    def merged(self, head: str) -> Autoencoder:
        """An ordinary network of the effective weights, its decoder named `head`."""
        generator = torch.Generator()
        plain = build_autoencoder(
            len(self.output_bias), self.hidden, "sigmoid", "identity", generator, centred=False, head=head
        )
        biases = [plain.encoder.bias, *plain.encoder.inner_biases, plain.head(head).bias]
        with torch.no_grad():
            for ours, theirs in zip(plain.weights(), self.effective()[0], strict=True):
                ours.copy_(theirs)
            for ours, theirs in zip(biases, [*self.biases, self.output_bias], strict=True):
                ours.copy_(theirs)
        return plain


def row_blocks(csr: csr_array) -> Iterator[tuple[slice, torch.Tensor]]:
    """Yield (rows, dense [B + 2 × m]) of a matrix [n × m], in order: B rows and their halo, zeros outside."""
    n, m = csr.shape
    size = max(1, BLOCK // max(m, 1))
    for start in range(0, n, size):
        stop = min(start + size, n)
        dense = np.zeros((stop - start + 2, m), dtype=np.float32)
        first, last = max(start - 1, 0), min(stop + 1, n)
        dense[first - start + 1 : last - start + 1] = csr[first:last].toarray()
        yield slice(start, stop), torch.from_numpy(dense)


def convolve(block: torch.Tensor, kernel: torch.Tensor) -> torch.Tensor:
    """Block with halo [B + 2 × m], kernel [3 × 3] → [B × m]. Differentiable in the kernel."""
    found = torch.nn.functional.conv2d(block[None, None], kernel[None, None], padding=(0, 1))
    return torch.relu(found[0, 0])


def identity_kernel() -> torch.Tensor:
    """[3 × 3] 1 in the middle: of a matrix without negative values it changes nothing."""
    kernel = torch.zeros(3, 3)
    kernel[1, 1] = 1
    return kernel
