"""What a head is asked to fit, by name: −log likelihood of the targets up to constants, summed over a batch."""

from collections.abc import Callable

import torch

from autorec.network.autoencoder import Decoder
from autorec.network.batch import Batch
from autorec.network.parts import Kind

# (head, target [n × m], code [n × H], offset [n]) → a scalar
Likelihood = Callable[[Decoder, Batch, torch.Tensor, torch.Tensor], torch.Tensor]


def gaussian() -> Likelihood:
    """Σ (r̂ − r)² over the observed entries: −log likelihood of unit variance, times 2 (the masked loss of AutoRec)."""
    return Decoder.squared_error


LIKELIHOODS: dict[str, Kind[Likelihood]] = {"gaussian": Kind(gaussian)}
