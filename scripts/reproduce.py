"""The published table and the promises about defaults, measured again on real MovieLens files.

    scripts/reproduce DATASETS [--only table|paper|ranking|defaults]     DATASETS holds ml-100k and ml-1m

table: RMSE on MovieLens 1M, random 90/10, five seeds, and on MovieLens 100K, u1 to u5, all baselines beside. paper: the
same with the paper's settings to the letter. ranking: strong generalisation on MovieLens 1M. defaults: for both sets,
random halves and tenths of them, the default against the best λ of a grid chosen on the test part, which is what it
could have cost to choose without one, and against damped biases.
"""

import argparse
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

import autorec
from autorec.report.tables import number

GRID = (60, 125, 250, 350, 500, 750, 1000)
PUBLISHED = {"i-autorec": 0.831, "u-autorec": 0.874}  # Sedhain et al., WWW 2015, MovieLens 1M


def table(datasets: Path) -> None:
    compared = autorec.compare(autorec.read_ratings(datasets / "ml-1m"), list(PUBLISHED), repeats=5)
    show("MovieLens 1M, random 90/10, seeds 0 to 4", compared, ("rmse", "ndcg@10"))
    files = ",".join(f"{datasets / 'ml-100k' / f'u{fold}.{part}'}" for fold in range(1, 6) for part in ("base", "test"))
    folds = autorec.compare(None, list(PUBLISHED), by=f"given:{files}")
    show("MovieLens 100K, u1 to u5", folds, ("rmse", "ndcg@10"))
    for model in folds.to_dict()["models"]:
        if "rmse" in model["metrics"]:
            print(f"  {model['name']}, each:", *(f"{value:.4f}" for value in model["metrics"]["rmse"]["values"]))


def paper(datasets: Path) -> None:
    models = [f"{name}-paper" for name in PUBLISHED]
    ratings = autorec.read_ratings(datasets / "ml-1m")
    compared = autorec.compare(ratings, models, repeats=5, cold=3.0, baselines="none")
    show(f"MovieLens 1M, random 90/10, seeds 0 to 4; published: {PUBLISHED}", compared, ("rmse",))


def ranking(datasets: Path) -> None:
    compared = autorec.compare(
        autorec.read_ratings(datasets / "ml-1m"), ["ease"], by="strong:500", seed=98765, k=(20, 50, 100)
    )
    wanted = ("recall_truncated@20", "recall_truncated@50", "ndcg@100")
    show("MovieLens 1M, strong generalisation, 500 users held out", compared, wanted)


def show(title: str, compared: autorec.Comparison, metrics: Sequence[str]) -> None:
    print(f"{title}: {', '.join(f'{name} mean, sd' for name in metrics)}, fit seconds")
    for model in compared.to_dict()["models"]:
        cells = [model["metrics"].get(name, {}) for name in metrics]
        shown = " ".join(f"{number(cell.get('mean')):>8} {number(cell.get('sd')):>6}" for cell in cells)
        print(f"  {model['name']:<16} {shown} {model['fit_seconds']:6.1f}", flush=True)


def defaults(datasets: Path) -> None:
    print("set, share, model: ratings; RMSE of damped biases, of the default, gap to the best λ of the grid; seconds")
    for name in ("ml-100k", "ml-1m"):
        whole = autorec.read_ratings(datasets / name)
        for share in (0.1, 0.5, 1.0):
            chosen = np.random.default_rng(7).random(len(whole)) < share
            (one,) = autorec.split(whole.select(chosen), "random:0.1", 0)
            biases = rmse(autorec.Bias().fit(one.train), one.test)
            for orientation in ("item", "user"):
                start = time.perf_counter()
                model = autorec.AutoRec(orientation).fit(one.train)
                seconds = time.perf_counter() - start
                default = rmse(model, one.test)
                grid = {
                    l2: rmse(autorec.AutoRec(orientation, penalty=f"l2:{l2}").fit(one.train), one.test) for l2 in GRID
                }
                best = min(grid, key=grid.__getitem__)
                print(
                    f"  {name} {share:g} {orientation}: {len(one.train):,}; {biases:.4f} {default:.4f} "
                    f"{default - grid[best]:+.4f} (λ {model.l2_:g}, best {best}); {seconds:.1f}",
                    flush=True,
                )


def rmse(model: autorec.AutoRec | autorec.Bias, test: autorec.Ratings) -> float:
    users, items = test.user_ids[test.rows()], test.item_ids[test.csr.indices]
    return float(np.sqrt(np.mean((model.predict(users, items) - test.csr.data) ** 2)))


JOBS = {"table": table, "paper": paper, "ranking": ranking, "defaults": defaults}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("datasets", type=Path)
    parser.add_argument("--only", choices=tuple(JOBS))
    options = parser.parse_args()
    for name, job in JOBS.items():
        if options.only in (None, name):
            job(options.datasets)


if __name__ == "__main__":
    main()
