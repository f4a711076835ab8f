"""MacridVAE against its formula written out, and on concepts that were planted."""

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.metrics import adjusted_rand_score
from test_choice_network import choices_and_head

from autorec import MacridVAE
from autorec.errors import ParameterError
from autorec.models.choice_network import HEAD, build_network, normalised
from autorec.models.macridvae import cost, divide
from autorec.network.concepts import Concepts


@pytest.mark.parametrize("n_concepts", [1, 3])
def test_it_is_the_formula(n_concepts: int) -> None:
    """A user, an item and a concept at a time, gradients too; of one concept, mult-vae with a decoder of cosines."""
    generator = torch.Generator().manual_seed(0)
    batch, _, _ = choices_and_head(12, 17)
    own = build_network(17, (6, 4), "tanh", "gaussian", generator, mirrored=False)
    network = Concepts(own, HEAD, n_concepts, generator)
    x = torch.zeros(12, 17)
    x[batch.rows(), batch.indices.long()] = batch.values
    h, p, b = own.head(HEAD).weight, network.prototypes, own.head(HEAD).bias
    cos = torch.nn.functional.cosine_similarity
    c = torch.stack([(10 * cos(p, h[i], dim=1)).softmax(dim=0) for i in range(17)])
    chances = torch.zeros(12, 17)
    for k in range(n_concepts):
        part = torch.nn.functional.normalize(x * c[:, k], dim=1)
        mean, _ = own.encoder.layers(part @ own.encoder.weights[0] + own.encoder.bias)[-1].chunk(2, dim=1)
        chances = chances + torch.stack([c[:, k] * (10 * cos(z[None], h, dim=1)).exp() for z in mean])
    theirs = -(x * (chances.log() + b).log_softmax(dim=1)).sum()
    code, mean, _ = network.encode(divide(network, batch), None)
    ours = cost(network.outputs(code), batch)
    learned = list(network.parameters())
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)
    for one, other in zip(*(torch.autograd.grad(loss, learned) for loss in (ours, theirs)), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-4)
    if n_concepts == 1:
        torch.testing.assert_close(mean, own.encode(normalised(batch)))


def test_planted_groups_of_items_are_found_as_concepts() -> None:
    """Users choose from one of three groups of items: these are the concepts; the others of that group come first."""
    rng = np.random.default_rng(0)
    group = rng.integers(0, 3, 150)
    rows, columns = np.nonzero((np.arange(24) % 3 == group[:, None]) & (rng.random((150, 24)) < 0.6))
    frame = pd.DataFrame({"user": rows, "item": columns, "rating": 1.0})
    model = MacridVAE(concepts=3, hidden=8, epochs=20, learning_rate=0.02, validation=0.0).fit(frame)
    assert adjusted_rand_score(np.arange(24) % 3, model.shares_.argmax(axis=1)) > 0.9
    table = model.recommend(n=1)
    assert (table["item"].to_numpy() % 3 == group[table["user"]]).mean() > 0.97


def test_what_is_not_of_codes_is_refused() -> None:
    with pytest.raises(ParameterError, match=r"penalty is 'contractive:1'; allowed: gaussian_kl:x .*, l2:x .*, l1:x"):
        MacridVAE(penalty="contractive:1").fit(pd.DataFrame({"user": [1], "item": [1], "rating": [1.0]}))
