"""Networks of choices beside what is usually written for them: dense rows in, all outputs at once, torch's Adam.

The dense step is written as RecBole's MultiVAE and RecVAE are, at equal sizes; RecBole itself wants older versions of
NumPy and pandas than this program. Its RecVAE has an encoder of five dense layers with residual paths and layer norm;
here both have one hidden layer, so that the dense epoch is shorter than that of RecBole.
"""

from collections.abc import Callable, Iterator

import numpy as np
import torch
from scipy import sparse
from torch.nn import functional

from autorec.models.choice import ChoiceAutoencoder
from autorec.models.choice_network import make_choice_examples, prepare, remembering
from autorec.ratings.convert import as_ratings
from autorec.training.state import State
from autorec.training.steps import stochastic_epoch
from benchmarks.timing import Row, best, users_by_items

HIDDEN, CODE, BATCH, SAMPLE = 600, 200, 500, 512
MULT_VAE = {"code": "gaussian", "penalty": "gaussian_kl:0.2"}
REC_VAE = {"code": "gaussian", "penalty": "composite_kl:0.005", "decoder": "linear", "encoder_steps": 3}


def epochs() -> Iterator[Row]:
    """An epoch on choices of the shape of MovieLens 1M; three steps of RecVAE's encoder and one of its decoder."""
    matrix = users_by_items("ml-1m")
    matrix.data[:] = matrix.data >= 4
    matrix.eliminate_zeros()
    for name, settings, dense in (
        ("mult-vae", MULT_VAE, dense_epoch(matrix, mirrored=True, passes=1)),
        ("rec-vae", REC_VAE, dense_epoch(matrix, mirrored=False, passes=4)),
    ):
        ours = our_epoch(matrix, {**settings, "sample": matrix.shape[1]})
        sampled = our_epoch(matrix, {**settings, "sample": SAMPLE})
        seconds = best({"all": ours, "sampled": sampled, "dense": dense}, repeats=2)
        for key, what in (("all", "all items"), ("sampled", f"a sample of {SAMPLE} items")):
            yield Row(
                f"epoch of {name}, {HIDDEN}-{CODE}, {what}",
                f"{seconds[key]:.2f} s",
                f"dense torch {seconds['dense']:.2f} s",
                seconds["dense"] / seconds[key],
                "times faster",
            )


def our_epoch(matrix: sparse.csr_array, settings: dict[str, object]) -> Callable[[], object]:
    model = ChoiceAutoencoder(hidden=(HIDDEN, CODE), batch=BATCH, **settings)  # type: ignore[arg-type]
    data = prepare(as_ratings(matrix), 0.5, 0.0, 0)
    generator = torch.Generator().manual_seed(0)
    network, examples = model._build(*matrix.shape, generator), make_choice_examples(data, BATCH)
    likelihood = model._choose_likelihood(matrix.shape[1], generator)
    step = model._make_step(network, likelihood, 1000, generator, State([network], [generator, data.rng]))
    epoch = stochastic_epoch(step, examples, data.rng)
    if settings["penalty"] == REC_VAE["penalty"]:
        epoch = remembering(network, examples, epoch)
    return lambda: epoch(1)


def dense_epoch(matrix: sparse.csr_array, *, mirrored: bool, passes: int) -> Callable[[], object]:
    """passes: over the data; but for a single one, the last learns the decoder, the others the encoder."""
    n_users, n_items = matrix.shape
    first, last = torch.nn.Linear(n_items, HIDDEN), torch.nn.Linear(HIDDEN, 2 * CODE)
    inner = [torch.nn.Linear(CODE, HIDDEN), torch.nn.Tanh()] if mirrored else []
    encoder = torch.nn.Sequential(first, torch.nn.Tanh(), last)
    decoder = torch.nn.Sequential(*inner, torch.nn.Linear(HIDDEN if mirrored else CODE, n_items))
    optimizers = [torch.optim.Adam(module.parameters(), lr=1e-3) for module in (encoder, decoder)]

    def step(users: np.ndarray, learning: list[torch.optim.Adam]) -> None:
        x = torch.from_numpy(matrix[users].toarray())
        mean, log_var = encoder(functional.dropout(functional.normalize(x), 0.5)).chunk(2, dim=1)
        outputs = decoder(mean + (log_var / 2).exp() * torch.randn_like(mean))
        divergence = -0.5 * (1 + log_var - mean.square() - log_var.exp()).sum(dim=1).mean()
        loss = -(functional.log_softmax(outputs, dim=1) * x).sum(dim=1).mean() + 0.2 * divergence
        for module in (encoder, decoder):
            module.zero_grad()
        loss.backward()
        for optimizer in learning:
            optimizer.step()

    def epoch() -> None:
        for number in range(passes):
            learning = optimizers if passes == 1 else optimizers[1:] if number == passes - 1 else optimizers[:1]
            for start in range(0, n_users, BATCH):
                step(np.arange(start, min(start + BATCH, n_users)), learning)

    return epoch
