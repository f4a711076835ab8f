"""What is minimised, with every factor, stated once.

Paper form (Sedhain et al., WWW 2015, eq. 2 and 3), over all N rows:

    Σ_observed (r − r̂)²  +  (λ/2)(‖V‖² + ‖W‖²)  +  d·‖b‖²

λ is the value of `l2:λ`. Biases are free, d = 0, unless the offset holds damped biases of the rows: then the output
bias b is the damped bias of the columns, with the same d as in `autorec.models.biases`, and with ever larger λ the
model becomes those biases. A batch of B rows carries 1/B of its squared
errors and 1/N of the penalty; weighted by B/N, the batches of an epoch sum to the paper form divided by N. So λ
means the same at any batch size.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch

from autorec.errors import ParameterError
from autorec.network.autoencoder import Autoencoder
from autorec.network.batch import Batch


@dataclass(frozen=True, eq=False)
class Example:
    """One batch to learn from, its values both input and target, on the scale inside the network.

    offset: [n] of each row, added before the output activation; zeros for none.
    """

    batch: Batch
    offset: torch.Tensor

    def to(self, device: torch.device) -> "Example":
        return self if device.type == "cpu" else Example(self.batch.to(device), self.offset.to(device))


class Examples(Protocol):
    """What an epoch goes over: a list of examples, or `Streamed`."""

    def __len__(self) -> int: ...
    def __getitem__(self, place: int, /) -> Example: ...


@dataclass(frozen=True, eq=False)
class Streamed:
    """n examples, each made anew when it is asked for: only the one in use is in memory."""

    make: Callable[[int], Example]
    n: int

    def __len__(self) -> int:
        return self.n

    def __getitem__(self, place: int, /) -> Example:
        return self.make(place)


@dataclass(frozen=True, eq=False)
class Objective:
    """network: what is trained. n_rows: N. l2: λ of the paper form. bias_damping: d."""

    network: Autoencoder
    n_rows: int
    l2: float
    bias_damping: float = 0.0

    def batch_loss(self, example: Example) -> torch.Tensor:
        """(1/B) Σ (r − r̂)² of the batch, a scalar with gradients, without the penalty."""
        return self.network.squared_error(example.batch, example.offset, scale=1 / example.batch.n_rows)

    def decays(self) -> list[tuple[torch.nn.Parameter, float]]:
        """(parameter p, c): the penalty is Σ (c/2)‖p‖², its gradient c·p. c = λ/N for weights, 2d/N for the output
        bias."""
        pairs = [(weight, self.l2 / self.n_rows) for weight in self.network.weights()]
        return [*pairs, (self.network.bias_out, 2 * self.bias_damping / self.n_rows)]

    def penalty(self) -> torch.Tensor:
        """Σ (c/2)‖p‖² as a scalar with gradients."""
        terms = [c / 2 * parameter.square().sum() for parameter, c in self.decays() if c > 0]
        return torch.stack(terms).sum() if terms else torch.zeros(())


def parse_l2(text: str) -> float | None:
    """`l2:400` → 400.0, `none` → 0.0, `l2:auto` → None. ParameterError otherwise."""
    if text == "none":
        return 0.0
    name, _, value = str(text).partition(":")
    if name == "l2" and value == "auto":
        return None
    try:
        strength = float(value)
    except ValueError:
        strength = -1.0
    if name != "l2" or not 0 <= strength < float("inf"):
        raise ParameterError(f"penalty {text!r}; allowed: none, l2:auto, or l2:λ with λ ≥ 0, such as l2:400")
    return strength
