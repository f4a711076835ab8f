"""Taste segments for which an autoencoder of choices is trained on: reconstruction and clusters of codes at once.

The loss that draws codes together is that of deep embedded clustering (Xie, Girshick and Farhadi, ICML 2016); with the
reconstruction beside it the code keeps what a user chose (Guo et al., IJCAI 2017). n: users, k: clusters, K: units of a
code.
"""

import copy
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from autorec.insight.joint_training import train_on, trainable
from autorec.models.base import Recommender
from autorec.models.choice import ChoiceAutoencoder
from autorec.models.choice_network import identify, normalised
from autorec.network.autoencoder import Autoencoder, Trace
from autorec.network.batch import make_batch
from autorec.network.example import Example
from autorec.ranking.positives import positives

STRENGTH = 1.0  # of the clusters, in nats a user, beside the reconstruction

Labels = npt.NDArray[np.integer[Any]]


def divide_jointly(model: Recommender, labels: Labels, seed: int) -> Labels:
    """[users] labels 0 … k − 1, from such labels to start with.

    A copy of the network of a fitted `ChoiceAutoencoder` is trained on, for 20 epochs, together with the centres, at
    first the means of the segments' codes. Minimised is its own objective, without the divergence from a composite
    prior, + KL(p ‖ q) of each user, of the mean of the code. The scale of q is the mean squared distance of a code from
    the centre of its segment; p is made of q at each step, with sizes that are counted before each epoch, where the
    paper keeps p for many steps. A user's label is the cluster of the largest share. ParameterError: another model.
    """
    model = trainable(model, "segments")
    network = copy.deepcopy(model.network_)
    everyone = _make_example(model)
    with torch.inference_mode(False), torch.enable_grad():  # whatever the caller has set
        centres = Centres(_encode(network, everyone), labels)

        def count() -> None:
            centres.count(_encode(network, everyone))

        train_on(model, network, centres.penalty, centres.parameters(), seed, before_epoch=count)
        return np.asarray(centres.assign(_encode(network, everyone)).argmax(dim=1))


class Centres(torch.nn.Module):
    """The centres [k × K], sizes [k] and scale of q of codes [n × K] with labels [n]."""

    def __init__(self, codes: torch.Tensor, labels: Labels) -> None:
        super().__init__()
        which = torch.from_numpy(np.asarray(labels, dtype=np.int64))
        sums = codes.new_zeros(int(which.max()) + 1, codes.shape[1]).index_add(0, which, codes)
        self.centres = torch.nn.Parameter(sums / which.bincount()[:, None])
        self.scale = float((codes - self.centres.detach()[which]).square().sum(dim=1).mean())
        self.count(codes)

    def assign(self, codes: torch.Tensor) -> torch.Tensor:
        """q [n × k]."""
        return assign_softly(codes, self.centres, self.scale)

    def count(self, codes: torch.Tensor) -> None:
        """Take the sizes from the codes [n × K] of all rows."""
        with torch.no_grad():
            self.sizes = self.assign(codes).sum(dim=0)

    def penalty(self, network: Autoencoder, trace: Trace) -> torch.Tensor:
        """KL(p ‖ q), summed over the rows of a batch."""
        return STRENGTH * clustering_loss(trace.mean, self.centres, self.sizes, self.scale)


def _make_example(model: ChoiceAutoencoder) -> Example:
    """All users as inputs."""
    n = model.ratings_.n_users
    chosen = make_batch(positives(model.ratings_.csr, model.ratings_.scale, model.relevant))
    identity = identify(np.arange(n), n) if model.own_vectors else None
    return Example((normalised(chosen),), {}, torch.zeros(n), identity=identity)


def _encode(network: Autoencoder, everyone: Example) -> torch.Tensor:
    """[users × K] means of the codes."""
    with torch.no_grad():
        trace: Trace = network(everyone)
        return trace.mean


def assign_softly(codes: torch.Tensor, centres: torch.Tensor, scale: float) -> torch.Tensor:
    """[n × k] q, the share that each row has in each cluster, by Student's t with one degree of freedom (eq. 1):

        q_ij = 1 / (1 + ‖z_i − μ_j‖² / s),  divided by its sum over j

    codes z [n × K], centres μ [k × K]; scale: s, 1 in the paper, whose codes are made to have about that size.
    """
    squares = codes.square().sum(dim=1, keepdim=True) + centres.square().sum(dim=1) - 2 * codes @ centres.T
    kernel = 1 / (1 + squares.clamp(min=0) / scale)
    return kernel / kernel.sum(dim=1, keepdim=True)


def sharpen(shares: torch.Tensor, sizes: torch.Tensor) -> torch.Tensor:
    """[n × k] p, the target of q (eq. 3): q_ij² / f_j, divided by its sum over j. sizes: f [k], Σ_i q_ij of all rows,
    so that large clusters do not swallow the others."""
    weights = shares.square() / sizes
    return weights / weights.sum(dim=1, keepdim=True)


def clustering_loss(codes: torch.Tensor, centres: torch.Tensor, sizes: torch.Tensor, scale: float) -> torch.Tensor:
    """Σ_i KL(p_i ‖ q_i) = Σ p log(p / q), a scalar (eq. 2); p is a constant, made of q as it is."""
    shares = assign_softly(codes, centres, scale)
    target = sharpen(shares, sizes).detach()
    return (target * (target / shares).log()).sum()
