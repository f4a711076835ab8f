"""autorec explain: why an item has its score."""

from pathlib import Path

import click

import autorec
from autorec import words
from autorec.cli.options import table_output
from autorec.cli.output import write_table
from autorec.cli.paths import Input
from autorec.cli.verb import say, verb


@verb
@click.argument("model", type=Input())
@click.option("--user", metavar="ID", required=True, help="A user of the model.")
@click.option("--item", metavar="ID", help="What to explain; by default the first of the user's list.")
@click.option("--by", type=click.Choice(["both", "choice", "rating"]), help="As for recommend.")
@table_output
def explain(
    model: str, user: str, item: str | None, by: words.RankedBy | None, output: Path | None, as_json: bool
) -> None:
    """Why ITEM has its score: what each rating of USER contributes to it.

    Columns item, rating, contribution, title, the largest contribution first. The row "base" is the score without them,
    "training" what the training of the user's vector adds to what the ratings alone say; all rows sum to the score.
    Where the score is no sum over the ratings, a contribution is the fall of the score when a rating is taken out.
    """
    found = autorec.explain(autorec.load(model), user, item, by=by)
    name = f"{found.item} ({found.title})" if found.title else found.item
    how = "is exactly the sum of" if found.exact else "is no sum over ratings; taken out one at a time, they make"
    say(f"The score {found.score:.4g} of {name} {how}:")
    facts = {"model": model, "user": user, "explained": found.item, "score": found.score, "exact": found.exact}
    table = found.to_frame()
    if output is not None:
        table["item"] = table["item"].astype(str)  # beside "base", one type for a column of a file
    write_table([table], output, as_json, **facts)
