"""All models of the registry on one split of MovieLens 100K: how exact they are, and what a training takes."""

import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from autorec.evaluation.environment import peak_memory
from autorec.evaluation.evaluate import evaluate
from autorec.models.presets import create
from autorec.models.registry import MODELS
from autorec.ratings.read import read_ratings
from autorec.ratings.split import Split, split
from autorec.report.tables import number
from autorec.threads import set_threads, thread_count


def family(datasets: Path) -> Iterator[str]:
    """MovieLens 100K, random:0.1, seed 0: every preset as it is, but those to the letter of a paper, each fitted in a
    process of its own. Memory is what the fit takes beyond the libraries and the ratings."""
    (one,) = split(read_ratings(datasets / "ml-100k"), "random:0.1", 0)
    yield "model, group: RMSE; NDCG@10; seconds, of processor time; MiB"
    for row in MODELS.values():  # each in a process that has held nothing before
        if row.group != "paper":
            with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
                yield f"  {row.name}, {row.group}: {pool.submit(measure, row.name, one, thread_count()).result()}"


def measure(name: str, one: Split, threads: int) -> str:
    """The line of a preset, fitted by this process with so many threads."""
    set_threads(threads)
    model = create(name)
    began, used = time.perf_counter(), time.process_time()
    with peak_memory() as peak:
        model.fit(one.train)
    seconds, used = time.perf_counter() - began, time.process_time() - used
    metrics = evaluate(model, one.test, k=10).metrics
    scores = f"{number(metrics.get('rmse'))}; {metrics['ndcg@10']:.4f}"
    return f"{scores}; {seconds:.1f}, {used:.1f}; {(peak.bytes or 0) / 2**20:.0f}"
