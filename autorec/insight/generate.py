"""Synthetic users: codes are drawn and decoded by a model of choices whose code is a distribution."""

from dataclasses import dataclass, replace
from typing import Any, get_args

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from scipy import sparse

from autorec import checks, words
from autorec.errors import ParameterError
from autorec.insight.likeness import compare_choices, compare_histograms, find_nearest, measure_use
from autorec.models.adversarial import AdversarialAutoencoder
from autorec.models.base import Recommender
from autorec.models.choice_network import HEAD, normalised
from autorec.models.hooks import fitted
from autorec.models.registry import MODELS
from autorec.models.row import Model
from autorec.network.all_columns import rows_at_once
from autorec.network.autoencoder import Autoencoder
from autorec.network.batch import make_batch
from autorec.network.code import Prior, drawn_by, gaussian
from autorec.ranking.positives import positives
from autorec.ratings.convert import as_ratings
from autorec.ratings.matrix import Ratings, liked_from


@dataclass(frozen=True, repr=False)
class Synthetic:
    """Users who never were, beside those of whom the model learned.

    ratings    of the synthetic users, over the items of the model and with its scale
    codes      what the codes were drawn from, "users" or "prior"
    measures   DataFrame measure, real, synthetic; see `autorec.insight.likeness.compare_choices`
    histogram  DataFrame rating, real, synthetic: the share of each rating among the choices
    nearest    DataFrame user, nearest, distance: of each synthetic user the real one whose items are most alike, and
               their Jaccard distance, 0 where they are the same, 1 where none is common
    use        DataFrame model, real, synthetic: NDCG@100 on `test`, learned from the one or the other; None without it

    >>> ratings = autorec.load_sample()
    >>> model = autorec.ChoiceAutoencoder(hidden=8, code="gaussian", penalty="gaussian_kl:0.2", epochs=1).fit(ratings)
    >>> synthetic = autorec.generate(model, n=20)
    >>> synthetic.ratings.n_users
    20
    >>> synthetic.measures.columns.tolist()
    ['measure', 'real', 'synthetic']
    """

    ratings: Ratings
    codes: str
    measures: pd.DataFrame
    histogram: pd.DataFrame
    nearest: pd.DataFrame
    use: pd.DataFrame | None

    def __repr__(self) -> str:
        return f"{self.ratings.n_users:,} synthetic users, {len(self.ratings):,} ratings, codes of {self.codes}"

    def to_frame(self) -> pd.DataFrame:
        """DataFrame user, item, rating; users are synthetic-1, synthetic-2, …"""
        return self.ratings.to_frame()


def generate(
    model: Recommender, n: int | None = None, codes: words.DrawnFrom = "users", test: Any = None, random_state: Any = 0
) -> Synthetic:
    """n synthetic users (None: as many as real ones) of a fitted model of choices whose code is a distribution.

    Each gets a code z, a number of items, that of a real user drawn at random, and so many items, one after the other
    in proportion to exp f_i(z), f the output of the decoder: its probabilities where it is multinomial, its odds where
    it is Bernoulli. The model knows choices alone, ratings from its `relevant` up, so all ratings are such: each is
    drawn from the real ones of its item, or of all items where nobody chose it. For profiles with low ratings fit the
    model with `relevant` at the lowest rating.

    codes  "users": z of a real user drawn at random, itself drawn as in training, from N(mean, variance) of that user,
           so that all codes together are distributed as those of the real users. "prior": N(0, 1) in each unit, or the
           model's own prior; real codes seldom fill it, and what is drawn beside them is like nobody
    test   ratings that the model has not seen, as for `fit`: popularity and EASE learn from the real and from the
           synthetic users, and rank a fifth of the choices of each user of `test` by the others

    ParameterError: a model that draws no codes of users; rating-vae draws those of items. InputError: no user of `test`
    has 5 choices among the model's items.

    >>> ratings = autorec.load_sample()
    >>> model = autorec.create("mult-vae", hidden=8, epochs=1).fit(ratings)
    >>> autorec.generate(model, n=5).to_frame()["user"].unique().tolist()
    ['synthetic-1', 'synthetic-2', 'synthetic-3', 'synthetic-4', 'synthetic-5']
    """
    learned, network = fitted(model), _drawing_network(model)
    checks.one_of("codes", codes, get_args(words.DrawnFrom))
    relevant: float | None = getattr(model, "relevant", None)
    real = _select_choices(learned, relevant)
    n = real.n_users if n is None else checks.whole("n", n)
    seed = checks.seed("random_state", random_state)
    rng, generator = np.random.default_rng(seed), torch.Generator().manual_seed(seed)
    if codes == "users":
        drawn = _draw_of_users(network, real, rng.integers(0, real.n_users, n), generator)
    else:
        drawn = _draw_prior(model, network, n, generator)
    counts = np.diff(real.csr.indptr)[rng.integers(0, real.n_users, n)]
    items = _draw_items(network, drawn, counts, rng)
    users = np.array([f"synthetic-{number}" for number in range(1, n + 1)], dtype=object)
    made = replace(real, csr=_draw_ratings(items, real, rng), user_ids=users)
    use = None if test is None else measure_use(real, made, as_ratings(test), relevant, seed)
    measures, histogram = compare_choices(real, made, seed), compare_histograms(real, made)
    return Synthetic(made, codes, measures, histogram, find_nearest(made, real), use)


def _drawing_network(model: Recommender) -> Autoencoder:
    """The network of the model, whose code is drawn in training."""
    network = getattr(model, "network_", None)
    if not isinstance(network, Autoencoder) or network.code is not gaussian or HEAD not in network.heads:
        able = [row.name for row in MODELS.values() if row.group == "lists" and _draws_codes(row)]
        raise ParameterError(f"{type(model).__name__} draws no codes of users; models that do: {', '.join(able)}")
    return network


def _draws_codes(row: Model) -> bool:
    return row.settings.get("code") == "gaussian" or row.kind == AdversarialAutoencoder.__name__


def _select_choices(ratings: Ratings, relevant: float | None) -> Ratings:
    """The ratings from `relevant` up, of the users who have such; all items, and the scale, stay."""
    kept = ratings.select(
        ratings.csr.data >= (liked_from(ratings.scale) if relevant is None else relevant), compact=False
    )
    users = np.diff(kept.csr.indptr) > 0
    changed: dict[str, Any] = {"timestamps": None, "order": None, "given_scale": ratings.scale}
    return replace(kept, csr=kept.csr[users], user_ids=kept.user_ids[users], **changed)


def _draw_of_users(
    network: Autoencoder, real: Ratings, rows: npt.NDArray[np.int64], generator: torch.Generator
) -> torch.Tensor:
    """[n × K] codes of the users in these rows [n], drawn as in training."""
    chosen = positives(real.csr, real.scale, real.scale[0])[rows]
    with torch.no_grad():
        layer = network.encoder([normalised(make_batch(chosen))])
        return network.code(layer, drawn_by(generator, len(layer)))[0]


def _draw_prior(model: Recommender, network: Autoencoder, n: int, generator: torch.Generator) -> torch.Tensor:
    """[n × K] codes of the model's prior, N(0, 1) where it has learned none."""
    units = network.encoder.widths[-1] // 2
    prior = getattr(model, "prior_", None) or Prior(units, 0, generator)
    with torch.no_grad():
        drawn: torch.Tensor = prior.draw(n, generator)[:, :units]
    return drawn


def _draw_items(
    network: Autoencoder, codes: torch.Tensor, counts: npt.NDArray[np.int64], rng: np.random.Generator
) -> sparse.csr_array:
    """Codes [n × K], numbers of items [n] → [n × items] ones, drawn without replacement.

    The k largest of outputs + Gumbel noise are k draws without replacement in proportion to exp(output) (Vieira, 2014).
    """
    head = network.head(HEAD)
    n_items = len(head.bias)
    indices = []
    for rows in np.array_split(np.arange(len(codes)), 1 + len(codes) // rows_at_once(n_items)):
        with torch.no_grad():
            outputs = head.all(codes[rows], torch.zeros(len(rows))).numpy()  # [rows × items]
        order = np.argsort(-(outputs + rng.gumbel(size=outputs.shape)), axis=1)
        indices += [np.sort(best[:count]) for best, count in zip(order, counts[rows], strict=True)]
    indptr = np.concatenate(([0], np.cumsum(counts)))
    return sparse.csr_array((np.ones(indptr[-1], np.float32), np.concatenate(indices), indptr), (len(codes), n_items))


def _draw_ratings(items: sparse.csr_array, real: Ratings, rng: np.random.Generator) -> sparse.csr_array:
    """The items [n × items], each with a rating drawn from the real ones of the item; without such, of all items."""
    by_item = real.csr.tocsc()
    counts = np.diff(by_item.indptr)[items.indices]
    starts = np.where(counts > 0, by_item.indptr[items.indices], 0)
    entries = starts + rng.integers(0, np.where(counts > 0, counts, by_item.nnz))
    return sparse.csr_array((by_item.data[entries], items.indices, items.indptr), items.shape)
