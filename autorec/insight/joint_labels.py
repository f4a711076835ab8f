"""A label of users for which an autoencoder of choices is trained on: semi-supervised learning of codes."""

import copy
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from autorec.insight.joint_training import train_on
from autorec.models.choice import ChoiceAutoencoder
from autorec.models.choice_network import identify, normalised
from autorec.network.autoencoder import Autoencoder, Trace
from autorec.network.batch import make_batch
from autorec.ranking.positives import positives

STRENGTH = 30.0  # of the labels, in nats a labelled user, beside the reconstruction of a user

Indices = npt.NDArray[np.integer[Any]]


def tell_jointly(
    model: ChoiceAutoencoder, rows: Indices, classes: Indices, asked: Indices, seed: int, *, reconstruct: bool = True
) -> npt.NDArray[np.float32]:
    """Users `asked` [m] → the probability [m × C] of each class, of which `rows` [n] have the `classes` [n], 0 … C − 1.

    A copy of the network, trained without labels, gets a linear layer and a softmax on the mean of the code, and is
    trained on with cross-entropy · 30, the mean over the users with a label. Beside it the reconstruction of all users
    holds the codes to what they choose, so that a few labels are not learned by heart (Rasmus et al., NeurIPS 2015);
    without `reconstruct` the network is fine-tuned on the labels alone.
    """
    with torch.inference_mode(False), torch.enable_grad():  # whatever the caller has set
        network = copy.deepcopy(model.network_)
        layer = _Labels(_encode(model, network, rows), rows, classes, model.ratings_.n_users)
        train_on(model, network, layer.penalty, layer.parameters(), seed, reconstruct=reconstruct)
    with torch.no_grad():
        return np.asarray(layer(_encode(model, network, asked)).softmax(dim=1))


class _Labels(torch.nn.Module):
    """A linear layer, codes [n × K] → [n × C], at first the logistic regression on the codes of the labelled rows; and
    the label of each of n_users, −1 for none."""

    def __init__(self, codes: torch.Tensor, rows: Indices, classes: Indices, n_users: int) -> None:
        from sklearn.linear_model import LogisticRegression

        super().__init__()
        n_classes = int(classes.max()) + 1
        weight, bias = np.zeros((n_classes, codes.shape[1])), np.zeros(n_classes)
        if n_classes > 1:
            spread = float(codes.std())
            start = LogisticRegression(max_iter=2000).fit(codes.numpy() / spread, classes)
            weight[-len(start.coef_) :], bias[-len(start.coef_) :] = start.coef_ / spread, start.intercept_
        self.weight = torch.nn.Parameter(torch.tensor(weight.T, dtype=torch.float32))
        self.bias = torch.nn.Parameter(torch.tensor(bias, dtype=torch.float32))
        labels = np.full(n_users, -1)
        labels[rows] = classes
        self.labels = torch.from_numpy(labels)
        self.strength = STRENGTH * n_users / len(rows)

    def forward(self, code: torch.Tensor) -> torch.Tensor:
        return code @ self.weight + self.bias

    def penalty(self, network: Autoencoder, trace: Trace) -> torch.Tensor:
        """Cross-entropy, summed over the rows of a batch that have a label."""
        identity = trace.example.identity
        assert identity is not None
        labels = self.labels[identity.indices.long()]
        return self.strength * torch.nn.functional.cross_entropy(
            self(trace.mean), labels, ignore_index=-1, reduction="sum"
        )


def _encode(model: ChoiceAutoencoder, network: Autoencoder, users: Indices) -> torch.Tensor:
    """[n × K] means of the codes."""
    chosen = positives(model.ratings_.csr[users], model.ratings_.scale, model.relevant)
    identity = identify(users, model.ratings_.n_users) if model.own_vectors else None
    with torch.no_grad():
        return network.encode(normalised(make_batch(chosen)), identity=identity)
