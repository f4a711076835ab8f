"""What other libraries take for the same work; run in a separate environment. JSON on stdout.

python others.py cornac TRAIN.csv TEST.csv TARGET     MF: seconds of `fit` to a test RMSE of TARGET or less
python others.py surprise TRAIN.csv TEST.csv          SVD++: seconds of `fit`, test RMSE
python others.py implicit SEEN.npz FACTORS            users a second, top 10 of all users, seen excluded
python others.py recbole SEEN.npz FACTORS             the same
"""

import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np


def cornac(train: str, test: str, target: str) -> dict[str, Any]:
    """The fewest epochs that reach the target, else the best; 200 factors, learning rate .01, λ .03."""
    from cornac.data import Dataset
    from cornac.models import MF

    known, asked = (_triples(path) for path in (train, test))
    data = Dataset.from_uir([(int(user), int(item), float(value)) for user, item, value in known])
    users = np.array([data.uid_map.get(int(user), -1) for user in asked[:, 0]])
    items = np.array([data.iid_map.get(int(item), -1) for item in asked[:, 1]])
    both = (users >= 0) & (items >= 0)
    found: dict[str, Any] = {"rmse": float("inf")}
    for epochs in (1, 16, 18, 20, 22, 24):  # the first warms up
        model = MF(k=200, max_iter=epochs, learning_rate=0.01, lambda_reg=0.03, use_bias=True, seed=1, verbose=False)
        start = time.perf_counter()
        model.fit(data)
        seconds = time.perf_counter() - start
        predicted = np.full(len(asked), model.global_mean)
        u, i = users[both], items[both]
        predicted[both] += model.u_biases[u] + model.i_biases[i] + (model.u_factors[u] * model.i_factors[i]).sum(axis=1)
        rmse = float(np.sqrt(np.mean((np.clip(predicted, 1, 5) - asked[:, 2]) ** 2)))
        if rmse < found["rmse"]:
            found = {"epochs": epochs, "seconds": seconds, "rmse": rmse}
        if rmse <= float(target):
            break
    return found


def surprise(train: str, test: str) -> dict[str, Any]:
    """Its defaults: 20 factors, 20 epochs."""
    import pandas as pd
    from surprise import Dataset, Reader, SVDpp

    frame = pd.DataFrame(_triples(train), columns=["user", "item", "rating"])
    data = Dataset.load_from_df(frame, Reader(rating_scale=(1, 5))).build_full_trainset()
    model = SVDpp(random_state=0)
    start = time.perf_counter()
    model.fit(data)
    seconds = time.perf_counter() - start
    errors = [model.predict(user, item).est - rating for user, item, rating in _triples(test)]
    return {"seconds": seconds, "rmse": float(np.sqrt(np.mean(np.square(errors))))}


def implicit(seen: str, factors: str) -> dict[str, Any]:
    """Random factors: only the speed is asked for."""
    from implicit.cpu.als import AlternatingLeastSquares
    from scipy import sparse

    matrix = sparse.csr_matrix(sparse.load_npz(seen))
    users = np.arange(matrix.shape[0])
    rng = np.random.default_rng(0)
    model = AlternatingLeastSquares(factors=int(factors))
    model.user_factors = rng.normal(size=(matrix.shape[0], int(factors))).astype(np.float32)
    model.item_factors = rng.normal(size=(matrix.shape[1], int(factors))).astype(np.float32)
    best = float("inf")
    for _ in range(4):
        start = time.perf_counter()
        model.recommend(users, matrix, N=10)
        best = min(best, time.perf_counter() - start)
    return {"users a second": len(users) / best}


def recbole(seen: str, factors: str) -> dict[str, Any]:
    """BPR, untrained, `full_sort_topk` 1,000 users at a time: the product, the seen struck out, torch's topk. Its split
    leaves a rating of each user for the test, which it does not exclude."""
    from recbole.config import Config
    from recbole.data import create_dataset, data_preparation
    from recbole.utils import get_model
    from recbole.utils.case_study import full_sort_topk
    from scipy import sparse

    matrix = sparse.coo_matrix(sparse.load_npz(seen))
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)  # it writes logs where it stands
        place = Path(folder) / "seen"
        place.mkdir()
        pairs = np.column_stack([matrix.row, matrix.col])
        np.savetxt(place / "seen.inter", pairs, "%d", "\t", header="user_id:token\titem_id:token", comments="")
        settings = {
            "data_path": folder, "embedding_size": int(factors), "load_col": {"inter": ["user_id", "item_id"]},
            "use_gpu": False, "state": "ERROR", "show_progress": False,
            "eval_args": {"split": {"LS": "test_only"}, "order": "RO", "mode": "full", "group_by": "user"},
        }  # fmt: skip
        config = Config(model="BPR", dataset="seen", config_dict=settings)
        dataset = create_dataset(config)
        train, _, test = data_preparation(config, dataset)
        model = get_model("BPR")(config, train.dataset)
        users, best = np.arange(1, dataset.user_num), float("inf")
        for _ in range(4):
            start = time.perf_counter()
            for first in range(0, len(users), 1000):
                full_sort_topk(users[first : first + 1000], model, test, 10, device="cpu")
            best = min(best, time.perf_counter() - start)
    return {"users a second": len(users) / best}


def _triples(path: str) -> Any:
    return np.loadtxt(path, delimiter=",", skiprows=1, usecols=(0, 1, 2))


if __name__ == "__main__":
    libraries = {"cornac": cornac, "surprise": surprise, "implicit": implicit, "recbole": recbole}
    found = libraries[sys.argv[1]](*sys.argv[2:])
    print(json.dumps(found))
