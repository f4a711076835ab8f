"""autorec plan: what a training would take."""

from dataclasses import asdict
from typing import Any

import click

import autorec
from autorec.cli.output import write_json
from autorec.cli.text import show_facts
from autorec.cli.verb import verb


def _count(ctx: click.Context, param: click.Parameter, value: float) -> int:
    return int(value)


_SIZE: dict[str, Any] = {"type": click.FloatRange(1, 1e15), "callback": _count, "metavar": "NUMBER"}


@verb
@click.option("--users", required=True, **_SIZE)
@click.option("--items", required=True, **_SIZE)
@click.option("--ratings", required=True, **_SIZE, help="All may be written as 100e6.")
@click.option("--hidden", type=click.IntRange(1), default=500, show_default=True, help="Units of the hidden layer.")
@click.option("--orientation", type=click.Choice(["item", "user"]), default="item", show_default=True)
@click.option("--workers", type=click.IntRange(1), default=1, show_default=True, help="Processes to share the columns.")
@click.option("--mesh", metavar="DxS", help="D groups of rows of S parts of the columns, as for `train`.")
@click.option(
    "--bandwidth",
    type=click.FloatRange(0, min_open=True),
    default=10.0,
    show_default=True,
    help="Gigabits a second that each process sends.",
)
def plan(
    users: int,
    items: int,
    ratings: int,
    hidden: int,
    orientation: str,
    workers: int,
    mesh: str | None,
    bandwidth: float,
    as_json: bool,
) -> None:
    """What training i-autorec (or u-autorec) takes: memory, bytes moved, epochs an hour.

    The speed is measured on this machine, the rest is arithmetic. Under torchrun the processes of `train` share the
    columns; --workers says how many there are.
    """
    where: dict[str, Any] = {"orientation": orientation, "workers": workers, "mesh": mesh, "bandwidth": bandwidth}
    made = autorec.plan(users, items, ratings, hidden, **where)
    if as_json:
        write_json({**where, **asdict(made), "epochs_an_hour": made.epochs_an_hour})
        return
    show_facts(made.to_facts())
