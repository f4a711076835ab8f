"""A reconstruction loss measured in the hidden layers of a trained encoder (Hou et al.: Deep Feature Consistent
Variational Autoencoder, WACV 2017)."""

import torch

from autorec.models.choice_network import normalised
from autorec.network import sparse
from autorec.network.autoencoder import Decoder, Encoder
from autorec.network.batch import Batch
from autorec.network.likelihood import Likelihood
from autorec.training.adversarial import make_profile


def distance_in_features(encoder: Encoder) -> Likelihood:
    """Σ_rows Σ_layers ‖φ(x) − φ(x̂)‖², φ a hidden layer of the encoder, x = choices / ‖choices‖ and x̂ = √softmax of the
    outputs, profiles of length 1. Where φ is the identity it is the squared error of the profile.

    The encoder is frozen by this, for good. x̂ is dense, [n × m] of one batch.
    """
    encoder.requires_grad_(False)
    (weight,) = encoder.weights

    def distance(head: Decoder, target: Batch, code: torch.Tensor, offset: torch.Tensor) -> torch.Tensor:
        wanted = encoder.layers(sparse.encode(normalised(target), weight) + encoder.bias)
        made = encoder.layers(make_profile(head, code) @ weight + encoder.bias)
        return torch.stack([(a - b).square().sum() for a, b in zip(made, wanted, strict=True)]).sum()

    return distance


def weighted_sum(one: Likelihood, weight: float, other: Likelihood) -> Likelihood:
    """one + weight · other."""

    def both(head: Decoder, target: Batch, code: torch.Tensor, offset: torch.Tensor) -> torch.Tensor:
        return one(head, target, code, offset) + weight * other(head, target, code, offset)

    return both
