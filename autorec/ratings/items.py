"""Titles and attributes of items: MovieLens `movies.dat`, `u.item`, `movies.csv`, any file whose first column is the
item, or a table in memory.

An attribute is a further column. A | separates the values of an item that has several, as `Comedy|Romance`.
"""

import csv
import io
import itertools
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from autorec.errors import InputError
from autorec.ratings.convert import take_frame
from autorec.ratings.dialect import head_lines
from autorec.ratings.ids import Ids, as_ids, look_up, make_index
from autorec.ratings.json_lines import is_json_lines
from autorec.ratings.matrix import Ratings
from autorec.ratings.roles import find_columns
from autorec.ratings.source import decode_text, open_source

TABLE = "the table of items"  # in messages
_TITLE = ("title", "name", "movietitle", "booktitle", "itemname")
_SEPARATORS = ("::", "\t", "|", ",", ";")
_QUOTED = (",", ";")  # separators between fields that may be quoted
_OF_MOVIES_DAT = ("item", "title", "genre")
_OF_U_ITEM = ("item", "title", "released", "video", "imdb")
_FLAGS = (  # the rest of u.item, each 0 or 1; in the order of u.genre
    "unknown", "Action", "Adventure", "Animation", "Children's", "Comedy", "Crime", "Documentary", "Drama", "Fantasy",
    "Film-Noir", "Horror", "Musical", "Mystery", "Romance", "Sci-Fi", "Thriller", "War", "Western",
)  # fmt: skip

_END = "\0end"  # put after the last line: inside a row, it says that a quote is open

Texts = npt.NDArray[np.object_]
Row = tuple[int, list[str]]  # the line on which it begins, from 1; its fields


class Items(NamedTuple):
    """What a file says of items. rows: id as written → the fields, one for each of `names` or fewer."""

    rows: dict[str, list[str]]
    names: list[str]  # of the columns
    title: int  # the column of titles


def read_items(path: str) -> Items:
    """The items of a file. The item is the first column; where a header names that as a title or not at all, as the
    index of pandas, the one that it names as an item. The title is the column named so in a header, else the second.

    Names of columns are those of a header in lower case, of a file without header item, title and then, in the forms of
    MovieLens, their known names; else, and where a name is empty or taken, "column 3". `genres` is called genre.
    Text is UTF-8, else cp1252 or Latin-1. InputError names file and line.
    """
    source = open_source(path)
    text = decode_text(source.data)
    lines = [line for line in io.StringIO(text, newline="") if line.strip()]
    if source.is_parquet or not lines or is_json_lines(path, head_lines(source.data)):
        raise InputError(f"{path} is no text with titles; give lines of item and title, as in 10,Toy Story")
    separator = _find_separator(lines[0])
    if separator is None:
        raise InputError(f"{path}, line 1: {lines[0].strip()[:60]!r} has one column; titles need two: item and title")
    rows = _read_rows(path, text, separator)
    first = next(rows, None)
    if first is None:
        raise InputError(f"{path} has separators and no titles; give lines of item and title, as in 10,Toy Story")
    header = first[1] if _find_title(first[1]) is not None else None
    elsewhere = header is not None and (not header[0].strip() or _find_title(header[:1]) == 0)
    order = _put_item_first(first[1]) if elsewhere else list(range(len(first[1])))
    names = _known_names(separator, len(order)) if header is None else [header[column] for column in order]
    title = 1 if header is None else _find_title(names) or 1
    items = Items({}, _name_columns(names, title, len(order)), title)
    width = 1 + max(order[:1] + (order[title : title + 1] or [title]))
    for number, row in rows if header is not None else itertools.chain([first], rows):
        if len(row) < width:
            raise InputError(f"{path}, line {number}: has {len(row)} columns; item and title need {width}")
        fields = [row[column].strip() for column in order if column < len(row)]
        items.rows[fields[0]] = fields
    return _join_flags(items) if items.names[len(_OF_U_ITEM) :] == [flag.lower() for flag in _FLAGS] else items


def _find_separator(line: str) -> str | None:
    """The separator that comes first, which is the one after the item: titles and genres may hold others."""
    rest = re.sub(r'^\s*"[^"]*"', "", line)
    found = [mark for mark in _SEPARATORS if mark in rest]
    return min(found, key=rest.index) if found else None


def take_items(table: Any) -> Items:
    """The items of a table of pandas, polars or Arrow: the item is the column with such a name, else the first; the
    rest as `read_items`. A value that is missing is "". InputError: fewer than two columns; ids as in `ids.as_ids`."""
    frame = take_frame(table)
    frame = frame.reset_index() if frame.index.name else frame
    names = [str(name) for name in frame.columns]
    order = _put_item_first(names)
    if len(order) < 2:
        raise InputError(f"{TABLE} has the columns {names}; titles need two: item and title")
    title = _find_title([names[number] for number in order])
    ids = as_ids(frame.iloc[:, order[0]], f"column {names[order[0]]} of {TABLE}")
    fields = zip(map(str, ids), *(map(_write, frame.iloc[:, number]) for number in order[1:]), strict=True)
    named = _name_columns([names[number] for number in order], title or 1, len(order))
    return Items({row[0]: list(row) for row in fields}, named, title or 1)


def _write(value: Any) -> str:
    """A value of a table as a file has it."""
    if pd.api.types.is_scalar(value) and pd.isna(value):
        return ""
    return f"{value:.0f}" if isinstance(value, float) and value.is_integer() else str(value).strip()


def with_items(ratings: Ratings, source: Any) -> Ratings:
    """The ratings with titles and attributes of `source`; items that it does not name get "". InputError: it names
    none."""
    titles, attributes = describe_items(ratings.item_ids, source)
    return replace(ratings, titles=titles, attributes=attributes)


def describe_items(item_ids: Ids, source: Any) -> tuple[Texts, dict[str, Texts]]:
    """(titles [items], name → attribute [items]) of `source`, a path or a table, for these ids, "" where it does not
    name one. InputError: it names none."""
    items = read_items(source) if isinstance(source, str) else take_items(source)
    columns = look_up(as_ids(list(items.rows)), make_index(item_ids))
    if not (columns >= 0).any():
        where = (source, "file") if isinstance(source, str) else (TABLE, "table")
        raise InputError(
            f"{where[0]} has {len(items.rows)} titles and none of a rated item; is it the right {where[1]}?"
        )
    found = {name: np.full(len(item_ids), "", dtype=object) for name in items.names[1:]}
    for column, fields in zip(columns, items.rows.values(), strict=True):
        if column >= 0:
            for name, value in zip(items.names[1:], fields[1:], strict=False):
                found[name][column] = value
    titles = found.pop(items.names[items.title])
    return titles, {name: of for name, of in found.items() if of.any()}


def _put_item_first(names: list[str]) -> list[int]:
    """The columns in order, but first the one that is named as items are, if any: an index may stand before it."""
    item = next(iter(find_columns(names, "item")), 0)
    return [item, *(number for number in range(len(names)) if number != item)]


def _find_title(header: list[str]) -> int | None:
    """The column that is named as titles are."""
    names = [name.strip().lower().replace("_", "").replace(" ", "") for name in header]
    return next((names.index(name) for name in _TITLE if name in names), None)


def _known_names(separator: str, n: int) -> list[str]:
    """Of n columns of a file without a header."""
    known = {("::", len(_OF_MOVIES_DAT)): _OF_MOVIES_DAT, ("|", len(_OF_U_ITEM + _FLAGS)): _OF_U_ITEM + _FLAGS}
    return list(known.get((separator, n), ("item", "title")))


def _name_columns(given: list[str], title: int, n: int) -> list[str]:
    """n different names; "item" and "title" are those of the first column and of column `title`."""
    names: list[str] = []
    for column in range(n):
        name = given[column].strip().lower() if column < len(given) else ""
        name = "item" if column == 0 else "title" if column == title else "genre" if name == "genres" else name
        taken = name in names or (name in ("item", "title") and column not in (0, title))
        names.append(name if name and not taken else f"column {column + 1}")
    return names


def _join_flags(items: Items) -> Items:
    """The flags of u.item as one attribute, genre."""
    first = len(_OF_U_ITEM)
    rows = {}
    for item, fields in items.rows.items():
        genres = (name for name, flag in zip(_FLAGS, fields[first:], strict=False) if flag == "1")
        rows[item] = [*fields[:first], "|".join(genres)]
    return Items(rows, [*items.names[:first], "genre"], items.title)


def _read_rows(path: str, text: str, separator: str) -> Iterator[Row]:
    """The rows with text, split at \\n, \\r\\n and \\r alone: titles may hold characters at which `str.splitlines`
    splits."""
    lines = io.StringIO(text, newline="")
    if separator not in _QUOTED:
        for number, line in enumerate(lines, 1):
            if line.strip():
                yield number, line.rstrip("\r\n").split(separator)
        return
    reader = csv.reader(itertools.chain(lines, [_END]), delimiter=separator)
    number = 1
    try:
        for row in reader:
            if row[-1:] == [_END]:
                return
            if row and row[-1].endswith(_END):
                raise InputError(f"{path}, line {number}: a quote is opened and never closed; close it, or double it")
            if any(map(str.strip, row)):
                yield number, row
            number = reader.line_num + 1
    except csv.Error as error:
        raise InputError(f"{path}, line {number}: cannot be read ({error})") from None
