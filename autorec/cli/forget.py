"""autorec forget: a model without a person, or an item."""

from pathlib import Path

import click

import autorec
from autorec.cli.options import output as output_file
from autorec.cli.output import write_json
from autorec.cli.paths import Input, OutputModel
from autorec.cli.text import show_facts
from autorec.cli.verb import say, verb
from autorec.files import write_text
from autorec.plain_json import to_json


@verb
@click.argument("model", type=Input())
@click.option("--user", "users", metavar="ID", multiple=True, help="A user; repeatable.")
@click.option("--item", "items", metavar="ID", multiple=True, help="An item; repeatable.")
@click.option("-o", "--output", type=OutputModel(), metavar="NEW", help="The new model; by default it replaces MODEL.")
@click.option("--fast", is_flag=True, help="Go on from the weights that are there; not exact, and it says so.")
@output_file("certificate", ".json", names=("--certificate",))
def forget(
    model: str,
    users: tuple[str, ...],
    items: tuple[str, ...],
    fast: bool,
    output: Path | None,
    certificate: Path | None,
    as_json: bool,
) -> None:
    """Take users, or items, with all their ratings out of the folder MODEL.

    The model is trained again on the ratings that remain, with the same parameters and seed, and is bit for bit the one
    of somebody who never had the others; users who were folded in are left out alone. The certificate says what was
    removed and how, with the SHA-256 of all files before and after. With --fast AutoRec is trained on for a few epochs
    without these ratings: that is not exact, as the output and the certificate say.
    """
    if not users and not items:
        raise click.UsageError("give --user or --item")
    found = autorec.forget_saved(model, list(users), list(items), output, fast=fast)
    if certificate is not None:
        write_text(certificate, to_json(found, indent=2) + "\n")
        say(f"Wrote {certificate}.")
    if as_json:
        write_json(found)
        return
    counts = {name: len(found["removed"][name]) for name in ("users", "items")}
    if not found["exact"]:
        say(f"Note: {found['note']}; without --fast it is exact.")
    hashes = {when: found[when]["sha256"] for when in ("before", "after")}
    show_facts(
        {**counts, "ratings": found["removed"]["ratings"], "how": found["how"], "exact": found["exact"], **hashes}
    )
