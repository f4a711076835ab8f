"""Speed and memory beside other ways of doing the same, in one run, as ratios.

    scripts/bench [--json FILE] [--ratings PATH] [--large] [--only STEP …]

Shapes are made by make_ratings.py from a fixed seed, so that anyone can repeat them. A ratio is of best times measured
in turn; the machine is printed. --ratings (MovieLens 1M's ratings.dat) adds the whole way from file to model and the
other libraries, --large what takes long: a billion ratings (20 GB of memory, 15 of disk), the preparation of 100
million with text ids (8 GB of memory, 15 of disk), SVD++.
"""

import argparse
import json
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path

from benchmarks import family, files, ranking, rivals, serving, sharded, training
from benchmarks.timing import COLUMNS, Row

from autorec.cli.text import show_table
from autorec.evaluation.environment import environment

STEPS: dict[str, Callable[[], Iterator[Row]]] = {
    "step-1m": lambda: training.steps("ml-1m"),
    "step-10m": lambda: training.steps("ml-10m"),
    "top-1m": lambda: ranking.top_ten("ml-1m"),
    "top-10m": lambda: ranking.top_ten("ml-10m"),
    "evaluation-1m": lambda: ranking.evaluation("ml-1m"),
    "evaluation-10m": lambda: ranking.evaluation("ml-10m"),
    "top-elsewhere": rivals.top_ten_elsewhere,
    "reading": files.reading,
    "start-up": files.start_up,
    "first-run": files.first_run,
    "growth": training.growth,
    "family": family.epochs,
    "serve": serving.serving,
    "sharded": sharded.overhead,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--ratings", type=Path, metavar="PATH", help="MovieLens 1M's ratings.dat")
    parser.add_argument("--large", action="store_true", help="also what takes long or much memory")
    parser.add_argument(
        "--only", action="append", metavar="STEP", default=[], help=f"{', '.join(STEPS)}, whole, to-error"
    )
    options = parser.parse_args()
    steps = dict(STEPS)
    if options.ratings is not None:
        steps["whole"] = lambda: files.whole(options.ratings)
        steps["to-error"] = lambda: rivals.to_error(options.ratings, options.large)
    if options.large:
        steps["billion"] = training.billion
        steps["sharded-memory"] = sharded.wide
        steps["sharded-store"] = sharded.stored
        steps["preparing"] = files.preparing
        steps["serve-long"] = serving.serving_long
    unknown = set(options.only) - set(steps)
    if unknown:
        parser.error(f"no step {', '.join(sorted(unknown))}; there are {', '.join(steps)}")
    facts = environment()
    print(", ".join(f"{name} {value}" for name, value in facts.items()))
    found: list[Row] = []
    for name, step in steps.items():
        if not options.only or name in options.only:
            for row in step():
                found.append(row)
                print("  ".join(filter(None, row.cells())), flush=True)
    print()
    show_table(COLUMNS, [row.cells() for row in found])
    if options.json is not None:
        shown = {"machine": facts, "rows": [asdict(row) for row in found]}
        options.json.write_text(json.dumps(shown, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
