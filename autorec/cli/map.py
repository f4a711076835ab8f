"""autorec map: users or items in two dimensions."""

from pathlib import Path

import click

import autorec
from autorec import files, words
from autorec.cli.options import output, side
from autorec.cli.output import require_form, write_file, write_json
from autorec.cli.paths import Input
from autorec.cli.verb import say, verb


@verb
@click.argument("model", type=Input())
@side("items")
@click.option("--by", type=click.Choice(["pca", "tsne"]), default="pca", show_default=True, help="tsne takes longer.")
@click.option("-k", type=click.IntRange(min=2), default=8, show_default=True, help="How many segments, in colours.")
@click.option("--seed", type=int, default=0, show_default=True)
@click.option("--user-ids", is_flag=True, help="Name the users on a map of users.")
@output("map", ".html", ".csv", ".jsonl", ".parquet", required=True)
def map(
    model: str, of: words.Side, by: words.Projection, k: int, seed: int, user_ids: bool, output: Path, as_json: bool
) -> None:
    """Draw the items, or users, of MODEL so that those it scores alike are near each other.

    The page is one file with titles on the dots; other suffixes get the table of points. How far the map can be trusted
    stands in it.
    """
    require_form(output)
    drawn = autorec.draw_map(autorec.load(model), of, k, by, seed)
    if output.suffix.lower() == ".html":
        files.write_text(output, drawn.to_html(user_ids=user_ids))
    else:
        write_file([drawn.to_frame()], output)
    say(f"{drawn!r}. Wrote {output}.")
    if as_json:
        facts = {"points": len(drawn.points), "variance": drawn.variance, "trustworthiness": drawn.trustworthiness}
        write_json({"model": model, "of": of, "by": by, "k": k, "seed": seed, **facts, "output": str(output)})
