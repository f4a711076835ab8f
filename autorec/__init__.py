"""Recommenders made of autoencoders: U-AutoRec and I-AutoRec, sparse from end to end.

The names below are the public face. They load on first use, so that importing `autorec` costs next to
nothing. Their examples begin with `import autorec` and, where it is used, `import pandas as pd`.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from autorec.audits.finding import Finding as Finding
    from autorec.audits.of_ratings import audit as audit
    from autorec.datasets.fetch import DATA_SETS as DATA_SETS
    from autorec.datasets.fetch import fetch as fetch
    from autorec.datasets.sample import load_sample as load_sample
    from autorec.datasets.sample import sample_groups as sample_groups
    from autorec.engines.ray import recommend_in_ray as recommend_in_ray
    from autorec.engines.spark import recommend_in_spark as recommend_in_spark
    from autorec.engines.train import train_on as train_on
    from autorec.errors import AutoRecError as AutoRecError
    from autorec.evaluation.compare import compare as compare
    from autorec.evaluation.comparison import Comparison as Comparison
    from autorec.evaluation.evaluate import Evaluation as Evaluation
    from autorec.evaluation.evaluate import evaluate as evaluate
    from autorec.evaluation.warmup import warm_up as warm_up
    from autorec.exports.export import export as export
    from autorec.insight.anomalies import anomalies as anomalies
    from autorec.insight.classify import Classification as Classification
    from autorec.insight.classify import classify as classify
    from autorec.insight.cluster import Clusters as Clusters
    from autorec.insight.cluster import cluster as cluster
    from autorec.insight.explain import Explanation as Explanation
    from autorec.insight.explain import explain as explain
    from autorec.insight.forget import forget as forget
    from autorec.insight.forget import forget_saved as forget_saved
    from autorec.insight.generate import Synthetic as Synthetic
    from autorec.insight.generate import generate as generate
    from autorec.insight.intervals import Intervals as Intervals
    from autorec.insight.intervals import calibrate as calibrate
    from autorec.insight.interview import interview as interview
    from autorec.insight.map import Map as Map
    from autorec.insight.map import draw_map as draw_map
    from autorec.insight.profiles import embed as embed
    from autorec.insight.update import Update as Update
    from autorec.insight.update import update as update
    from autorec.insight.what_if import Overturn as Overturn
    from autorec.insight.what_if import overturn as overturn
    from autorec.insight.what_if import what_if as what_if
    from autorec.models.adversarial import AdversarialAutoencoder as AdversarialAutoencoder
    from autorec.models.autorec import AutoRec as AutoRec
    from autorec.models.base import Recommender as Recommender
    from autorec.models.base import load as load
    from autorec.models.baselines import Bias as Bias
    from autorec.models.baselines import GlobalMean as GlobalMean
    from autorec.models.baselines import Popularity as Popularity
    from autorec.models.bayesian_mf import BayesianMF as BayesianMF
    from autorec.models.blend import Blend as Blend
    from autorec.models.cf_nade import CFNade as CFNade
    from autorec.models.choice import ChoiceAutoencoder as ChoiceAutoencoder
    from autorec.models.ease import Ease as Ease
    from autorec.models.elsa import Elsa as Elsa
    from autorec.models.glocal_k import GlocalK as GlocalK
    from autorec.models.infae import InfAE as InfAE
    from autorec.models.joint import Joint as Joint
    from autorec.models.knn import ItemKNN as ItemKNN
    from autorec.models.macridvae import MacridVAE as MacridVAE
    from autorec.models.mf import BiasedMF as BiasedMF
    from autorec.models.own import wrap as wrap
    from autorec.models.presets import PRESETS as PRESETS
    from autorec.models.presets import create as create
    from autorec.models.puresvd import PureSVD as PureSVD
    from autorec.models.registry import MODELS as MODELS
    from autorec.models.registry import find_model as find_model
    from autorec.models.row import Model as Model
    from autorec.models.sparse_ease import SparseEase as SparseEase
    from autorec.models.svdae import SvdAE as SvdAE
    from autorec.models.unknown import recommend_anyone as recommend_anyone
    from autorec.models.unknown import recommend_unknown as recommend_unknown
    from autorec.preparation.prepare import prepare as prepare
    from autorec.progress import show_progress as show_progress
    from autorec.ratings.json_lines import read_json_lines as read_json_lines
    from autorec.ratings.labels import read_labels as read_labels
    from autorec.ratings.matrix import Ratings as Ratings
    from autorec.ratings.read import open_ratings as open_ratings
    from autorec.ratings.read import read_ids as read_ids
    from autorec.ratings.read import read_pairs as read_pairs
    from autorec.ratings.read import read_ratings as read_ratings
    from autorec.ratings.split import Split as Split
    from autorec.ratings.split import given_split as given_split
    from autorec.ratings.split import kfold as kfold
    from autorec.ratings.split import last_out_split as last_out_split
    from autorec.ratings.split import per_user_split as per_user_split
    from autorec.ratings.split import random_split as random_split
    from autorec.ratings.split import split as split
    from autorec.ratings.split import strong_generalisation as strong_generalisation
    from autorec.ratings.split import time_split as time_split
    from autorec.ratings.split import user_split as user_split
    from autorec.ratings.store import check_store_path as check_store_path
    from autorec.ratings.summary import summarize as summarize
    from autorec.reproduction.reproduce import JOBS as JOBS
    from autorec.reproduction.reproduce import reproduce as reproduce
    from autorec.serve.server import make_app as make_app
    from autorec.serve.server import run_server as run_server
    from autorec.storage.manifest import check_save_path as check_save_path
    from autorec.storage.manifest import describe as describe
    from autorec.threads import set_threads as set_threads
    from autorec.training.checkpoint import Checkpoint as Checkpoint
    from autorec.training.plan import Plan as Plan
    from autorec.training.plan import plan as plan
    from autorec.tuning.tune import tune as tune
    from autorec.tuning.tuning import Tuning as Tuning

__version__ = "0.1.0"

_HOME = {
    "AdversarialAutoencoder": "autorec.models.adversarial",
    "AutoRec": "autorec.models.autorec",
    "AutoRecError": "autorec.errors",
    "Bias": "autorec.models.baselines",
    "BayesianMF": "autorec.models.bayesian_mf",
    "BiasedMF": "autorec.models.mf",
    "Blend": "autorec.models.blend",
    "CFNade": "autorec.models.cf_nade",
    "Checkpoint": "autorec.training.checkpoint",
    "ChoiceAutoencoder": "autorec.models.choice",
    "Classification": "autorec.insight.classify",
    "Clusters": "autorec.insight.cluster",
    "Comparison": "autorec.evaluation.comparison",
    "DATA_SETS": "autorec.datasets.fetch",
    "Ease": "autorec.models.ease",
    "Elsa": "autorec.models.elsa",
    "Evaluation": "autorec.evaluation.evaluate",
    "Explanation": "autorec.insight.explain",
    "Finding": "autorec.audits.finding",
    "GlobalMean": "autorec.models.baselines",
    "GlocalK": "autorec.models.glocal_k",
    "InfAE": "autorec.models.infae",
    "Intervals": "autorec.insight.intervals",
    "ItemKNN": "autorec.models.knn",
    "JOBS": "autorec.reproduction.reproduce",
    "Joint": "autorec.models.joint",
    "MODELS": "autorec.models.registry",
    "MacridVAE": "autorec.models.macridvae",
    "Map": "autorec.insight.map",
    "Model": "autorec.models.row",
    "Overturn": "autorec.insight.what_if",
    "PRESETS": "autorec.models.presets",
    "Plan": "autorec.training.plan",
    "Popularity": "autorec.models.baselines",
    "PureSVD": "autorec.models.puresvd",
    "Ratings": "autorec.ratings.matrix",
    "Recommender": "autorec.models.base",
    "SparseEase": "autorec.models.sparse_ease",
    "Split": "autorec.ratings.split",
    "SvdAE": "autorec.models.svdae",
    "Synthetic": "autorec.insight.generate",
    "Tuning": "autorec.tuning.tuning",
    "Update": "autorec.insight.update",
    "anomalies": "autorec.insight.anomalies",
    "audit": "autorec.audits.of_ratings",
    "calibrate": "autorec.insight.intervals",
    "check_save_path": "autorec.storage.manifest",
    "check_store_path": "autorec.ratings.store",
    "classify": "autorec.insight.classify",
    "cluster": "autorec.insight.cluster",
    "compare": "autorec.evaluation.compare",
    "create": "autorec.models.presets",
    "describe": "autorec.storage.manifest",
    "draw_map": "autorec.insight.map",
    "embed": "autorec.insight.profiles",
    "evaluate": "autorec.evaluation.evaluate",
    "explain": "autorec.insight.explain",
    "export": "autorec.exports.export",
    "fetch": "autorec.datasets.fetch",
    "find_model": "autorec.models.registry",
    "forget": "autorec.insight.forget",
    "forget_saved": "autorec.insight.forget",
    "generate": "autorec.insight.generate",
    "given_split": "autorec.ratings.split",
    "interview": "autorec.insight.interview",
    "kfold": "autorec.ratings.split",
    "last_out_split": "autorec.ratings.split",
    "load": "autorec.models.base",
    "load_sample": "autorec.datasets.sample",
    "make_app": "autorec.serve.server",
    "open_ratings": "autorec.ratings.read",
    "overturn": "autorec.insight.what_if",
    "per_user_split": "autorec.ratings.split",
    "plan": "autorec.training.plan",
    "prepare": "autorec.preparation.prepare",
    "random_split": "autorec.ratings.split",
    "read_ids": "autorec.ratings.read",
    "read_json_lines": "autorec.ratings.json_lines",
    "read_labels": "autorec.ratings.labels",
    "read_pairs": "autorec.ratings.read",
    "read_ratings": "autorec.ratings.read",
    "recommend_anyone": "autorec.models.unknown",
    "recommend_in_ray": "autorec.engines.ray",
    "recommend_in_spark": "autorec.engines.spark",
    "recommend_unknown": "autorec.models.unknown",
    "reproduce": "autorec.reproduction.reproduce",
    "run_server": "autorec.serve.server",
    "sample_groups": "autorec.datasets.sample",
    "set_threads": "autorec.threads",
    "show_progress": "autorec.progress",
    "split": "autorec.ratings.split",
    "strong_generalisation": "autorec.ratings.split",
    "summarize": "autorec.ratings.summary",
    "time_split": "autorec.ratings.split",
    "train_on": "autorec.engines.train",
    "tune": "autorec.tuning.tune",
    "update": "autorec.insight.update",
    "user_split": "autorec.ratings.split",
    "warm_up": "autorec.evaluation.warmup",
    "what_if": "autorec.insight.what_if",
    "wrap": "autorec.models.own",
}

__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'autorec' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOME])
