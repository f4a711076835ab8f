"""Options that several verbs share, and how their text becomes values."""

import contextlib
import functools
import math
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

import autorec
from autorec.cli.paths import Input, Output, SplitName
from autorec.cli.verb import say
from autorec.errors import InputError

Function = Callable[..., None]


def settings(ctx: click.Context, param: click.Parameter, values: tuple[str, ...]) -> dict[str, Any]:
    """`name=value` … → dict; a value is a whole number, a number, true, false, none, else text."""
    found = {}
    for value in values:
        name, equals, text = value.partition("=")
        if not name or not equals:
            raise click.BadParameter(f"{value!r} is not name=value")
        found[name] = _value(text)
    return found


def model_settings(ctx: click.Context, param: click.Parameter, values: tuple[str, ...]) -> dict[str, dict[str, Any]]:
    """`model:name=value` … → model → settings; those without `model:` are of all models, ""."""
    found: dict[str, dict[str, Any]] = {}
    for value in values:
        before, equals, text = value.partition("=")
        model, colon, name = before.rpartition(":")
        if not (name and equals) or (colon and not model):
            raise click.BadParameter(f"{value!r} is not name=value or model:name=value")
        found.setdefault(model, {})[name] = _value(text)
    return found


def seconds(ctx: click.Context, param: click.Parameter, value: str) -> float:
    """90, 90s, 5m or 1h → seconds."""
    number, factor = (value[:-1], _UNITS[value[-1]]) if value[-1:] in _UNITS else (value, 1)
    with contextlib.suppress(ValueError):
        if 0 <= float(number) < math.inf:
            return float(number) * factor
    raise click.BadParameter(f"{value!r} is no time such as 90s, 5m or 1h")


_UNITS = {"s": 1, "m": 60, "h": 3600}


def _value(text: str) -> Any:
    if text.lower() in _WORDS:
        return _WORDS[text.lower()]
    for kind in (int, float):
        with contextlib.suppress(ValueError):
            return kind(text)
    return text


_WORDS = {"true": True, "false": False, "none": None}


def output(
    what: str, *suffixes: str, names: tuple[str, ...] = ("-o", "--output"), required: bool = False
) -> Callable[[Function], Function]:
    """-o: a file whose suffix chooses the form."""

    def checked(ctx: click.Context, param: click.Parameter, value: Path | None) -> Path | None:
        if value is not None and value.suffix.lower() not in suffixes:
            raise click.BadParameter(f"{str(value)!r} ends in none of {' '.join(suffixes)}")
        return value

    return click.option(
        *names,
        type=Output(),
        callback=checked,
        required=required,
        metavar="FILE",
        help=f"Write the {what} to this file: {' '.join(suffixes)}",
    )


_TABLES = (".csv", ".jsonl", ".parquet")
table_output = output("table", *_TABLES)
per_user_output = output("values of each user", *_TABLES, names=("--per-user",))
report_output = output("report", ".json", ".md", ".html", ".csv", ".tex")


def source_name(argument: str) -> str:
    """The name of the file or folder given as `argument` of the verb that runs; "" for stdin."""
    source = str(click.get_current_context().params[argument])
    return "" if source == "-" else Path(source).resolve().name


def side(default: str) -> Callable[[Function], Function]:
    """--of items|users."""
    return click.option("--of", type=click.Choice(["items", "users"]), default=default, show_default=True)


def split_option(help: str) -> Callable[[Function], Function]:
    return click.option("--by", type=SplitName(), default="random:0.1", show_default=True, help=help)


def judging(function: Function) -> Function:
    """How models are judged: -k, --relevant, --cold."""
    options = (
        click.option("-k", type=click.IntRange(min=1), multiple=True, default=(10,), show_default=True),
        click.option("--relevant", type=float, metavar="RATING", help="Ratings from here up count as hits."),
        click.option(
            "--cold", type=float, metavar="RATING", help="Answers pairs unknown to the model; else damped means."
        ),
    )
    return _with_options(function, options)


@dataclass(frozen=True)
class Reader:
    """A rating file, how it is read, and the function of the library that reads it."""

    path: str
    how: dict[str, Any]
    work: str

    def __call__(self, other: str | None = None, **further: Any) -> Any:
        """Read that file; with the name of another file this one in the same way, looking for it beside the first too.
        further: arguments of the function's own."""
        if other is not None and not Path(other).exists() and (Path(self.path) / other).exists():
            other = str(Path(self.path) / other)
        found = getattr(autorec, self.work)(self.path if other is None else other, **further, **self.how)
        if isinstance(found, autorec.Ratings) and found.skipped:
            say(f"Rows that could not be read and are left out: {found.skipped:,}.")
        return found


def ratings_file(argument: str = "ratings", work: str = "read_ratings") -> Callable[[Function], Function]:
    """An argument that is a rating file, and the options that say how to read it; the function gets a `Reader`, `read`.

    work: the name of another function of the library that reads the file.
    """

    def decorate(function: Function) -> Function:
        @functools.wraps(function)
        def run(**options: Any) -> None:
            path = options.pop(argument)
            how = {name: options.pop(name) for name in _READING}
            how["sep"] = how["sep"] and how["sep"].replace("\\t", "\t")
            function(read=Reader(path, how, work), **options)

        return click.argument(argument, type=Input())(_with_options(run, _reading_options()))

    return decorate


def _with_options(function: Function, options: Iterable[Callable[[Function], Function]]) -> Function:
    for option in reversed(list(options)):
        function = option(function)
    return function


_READING = ("columns", "sep", "format", "header", "items", "scale", "on_error", "member", "decimal", "missing")


def _reading_options() -> Iterable[Callable[[Function], Function]]:
    return (
        click.option("--columns", metavar="user=…,item=…,rating=…,timestamp=…", help="By name, or by number from 1."),
        click.option("--sep", help="Text between two columns, as in '::'; \\t is a tab."),
        click.option("--format", type=click.Choice(["text", "netflix", "parquet"]), help="Instead of guessing it."),
        click.option("--header/--no-header", default=None, help="Whether the first line names the columns."),
        click.option(
            "--items", type=Input(), metavar="FILE", help="Titles: movies.dat, u.item, movies.csv, item,title."
        ),
        click.option("--scale", type=float, nargs=2, metavar="LOW HIGH", help="Lowest and highest possible rating."),
        click.option("--on-error", type=click.Choice(["raise", "skip"]), default="raise", show_default=True),
        click.option("--member", metavar="NAME", help="Which file of a zip archive."),
        click.option("--decimal", type=click.Choice([".", ","]), default=".", help="The decimal point."),
        click.option(
            "--missing", type=float, multiple=True, metavar="RATING", help="Stands for none, as 99 in Jester."
        ),
    )


def filtering(function: Function) -> Function:
    """--allow, --deny, --where, --diversify; the function gets `wishes`, arguments of `Recommender.recommend`."""

    @functools.wraps(function)
    def run(*, allow: str | None, deny: str | None, where: tuple[str, ...], diversify: float, **options: Any) -> None:
        attributes: dict[str, list[str]] = {}
        for one in where:
            name, equals, value = one.partition("=")
            if not name or not equals:
                raise click.BadParameter(f"{one!r} is not name=value", param_hint="--where")
            attributes.setdefault(name, []).append(value)
        files = {name: path and autorec.read_ids(path) for name, path in (("allow", allow), ("deny", deny))}
        function(wishes={**files, "where": attributes, "diversify": diversify}, **options)

    options = (
        click.option("--allow", type=Input(), metavar="FILE", help="The only items that may be listed, one id a line."),
        click.option("--deny", type=Input(), metavar="FILE", help="Items that may not be listed, one id a line."),
        click.option(
            "--where",
            multiple=True,
            metavar="NAME=VALUE",
            help="An attribute of the items; of equal names one suffices.",
        ),
        click.option(
            "--diversify", type=float, default=0.0, metavar="λ", help="0 to 1: the more, the less alike are the items."
        ),
    )
    return _with_options(run, options)


def new_ratings(function: Function) -> Function:
    """--new-user, --new-item: ratings to fold in; the function gets `fold`, which takes the model there."""

    @functools.wraps(function)
    def run(*, new_user: str | None, new_item: str | None, **options: Any) -> None:
        if new_user is not None and new_item is not None:
            raise click.UsageError("give --new-user or --new-item, not both")

        def fold(model: Any) -> Any:
            if new_user is not None:
                return model.fold_in(read_new(new_user), of="users")
            return model if new_item is None else model.fold_in(read_new(new_item), of="items")

        function(fold=fold, folded=new_user is not None, **options)

    text = "Ratings of new {}, user,item,rating: a file, or - for JSON lines on stdin."
    options = (
        click.option("--new-user", type=Input(), metavar="FILE", help=text.format("users")),
        click.option("--new-item", type=Input(), metavar="FILE", help=text.format("items")),
    )
    return _with_options(run, options)


def read_new(path: str) -> Any:
    """Ratings of new users or items: a file, or - for JSON lines on stdin."""
    return autorec.read_json_lines(sys.stdin) if path == "-" else read_beside(path)


def read_beside(path: str) -> Any:
    """Ratings of a file beside the main one. InputError: what `read_ratings` refuses; options that it names are of the
    main file."""
    try:
        return autorec.read_ratings(path)
    except InputError as error:
        if "(--" not in str(error):
            raise
        raise InputError(
            f"{error}; no option says so of this file: write it as CSV with the header user,item,rating"
        ) from None
