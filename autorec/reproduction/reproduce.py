"""The jobs by name, and one or all of them."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from autorec import checks
from autorec.errors import InputError, ParameterError, nearest, shown
from autorec.reproduction.adversarial import adversarial
from autorec.reproduction.attacks import attacks
from autorec.reproduction.defaults import defaults
from autorec.reproduction.family import family
from autorec.reproduction.intervals import intervals
from autorec.reproduction.interview import interview
from autorec.reproduction.joint import choice, joint
from autorec.reproduction.latest import latest
from autorec.reproduction.published import paper, papers, table
from autorec.reproduction.rating import ratings
from autorec.reproduction.strong import ranking, strong
from autorec.reproduction.uses import uses

Job = Callable[[Path], Iterator[str]]  # folder that holds ml-100k and ml-1m → lines

JOBS: Mapping[str, Job] = {
    job.__name__: job
    for job in (
        *(table, paper, papers, ranking, strong, family, adversarial),
        *(joint, choice, latest, ratings, uses, attacks, intervals, interview, defaults),
    )
}
SMALL = ("family", "adversarial", "uses", "attacks", "interview")  # read MovieLens 100K alone
LARGE = ("paper", "ranking", "strong", "joint", "choice", "latest", "intervals")  # read MovieLens 1M alone


def reproduce(datasets: str | Path, jobs: Sequence[str] = ()) -> Iterator[str]:
    """Yield the lines of the named jobs, of all without names, as they are measured; all take hours.

    datasets: a folder that holds ml-100k and ml-1m, or the one that the jobs read. ParameterError: an unknown job.
    InputError: a data set is missing.

    >>> lines = autorec.reproduce("datasets", ["tabel"])
    Traceback (most recent call last):
        ...
    autorec.errors.ParameterError: no job 'tabel'; allowed: ...; did you mean table?
    >>> for line in autorec.reproduce("datasets", ["table"]):  # doctest: +SKIP
    ...     print(line)
    """
    asked = checks.listed("jobs", jobs, "names of jobs")
    for name in asked:
        if not isinstance(name, str) or name not in JOBS:
            raise ParameterError(f"no job {shown(name)}; allowed: {', '.join(JOBS)}{nearest(name, JOBS)}")
    folder = checks.path("datasets", datasets)
    for name, without in (("ml-100k", LARGE), ("ml-1m", SMALL)):
        if not set(asked or JOBS) <= set(without) and not (folder / name).is_dir():
            raise InputError(f"{folder} holds no folder {name}; autorec fetch {name} -o {folder / name} gets it")
    return (line for name in asked or JOBS for line in JOBS[name](folder))
