"""Titles of items: MovieLens `movies.dat`, `u.item`, `movies.csv`, or any file whose first column is the item."""

import csv
import io
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from autorec.errors import InputError
from autorec.ratings.matrix import Ratings
from autorec.ratings.source import decode_text, open_source

_TITLE = ("title", "name", "movietitle", "booktitle", "itemname")
_SEPARATORS = ("::", "\t", "|", ",", ";")
_QUOTED = (",", ";")  # separators between fields that may be quoted

Row = tuple[int, list[str]]  # the line on which it begins, from 1; its fields


def read_titles(path: str) -> dict[str, str]:
    """Item id as written → title. The title is the column named so in a header, else the second.

    Text is UTF-8, else cp1252 or Latin-1. InputError names file and line.
    """
    source = open_source(path)
    lines = [line for line in io.StringIO(decode_text(source.data), newline="") if line.strip()]
    separator = next((mark for mark in _SEPARATORS if mark in lines[0]), None)
    if separator is None:
        raise InputError(f"{path}, line 1: {lines[0][:60]!r} has one column; titles need two: item and title")
    titles: dict[str, str] = {}
    column = None
    for number, row in _read_rows(path, decode_text(source.data), separator):
        if column is None:
            header = [name.strip().lower().replace("_", "").replace(" ", "") for name in row]
            column = next((header.index(name) for name in _TITLE if name in header), 1)
            if header[column : column + 1] and header[column] in _TITLE:
                continue
        if len(row) <= column:
            raise InputError(f"{path}, line {number}: has {len(row)} columns; the title is in column {column + 1}")
        titles[row[0].strip()] = row[column].strip()
    return titles


def with_titles(ratings: Ratings, path: str) -> Ratings:
    """The ratings with the titles of `path`; items that it does not name get "". InputError: it names none."""
    titles = read_titles(path)
    found = np.full(ratings.n_items, "", dtype=object)
    columns = ratings.find_items(list(titles))
    if not (columns >= 0).any():
        raise InputError(f"{path} has {len(titles)} titles and none of a rated item; is it the right file?")
    found[columns[columns >= 0]] = np.array(list(titles.values()), dtype=object)[columns >= 0]
    return replace(ratings, titles=found)


def _read_rows(path: str, text: str, separator: str) -> Iterator[Row]:
    """The rows with text, split at \\n, \\r\\n and \\r alone: titles may hold characters at which `str.splitlines`
    splits."""
    lines = io.StringIO(text, newline="")
    if separator not in _QUOTED:
        for number, line in enumerate(lines, 1):
            if line.strip():
                yield number, line.rstrip("\r\n").split(separator)
        return
    reader = csv.reader(lines, delimiter=separator)
    number = 1
    try:
        for row in reader:
            if any(map(str.strip, row)):
                yield number, row
            number = reader.line_num + 1
    except csv.Error as error:
        raise InputError(f"{path}, line {number}: cannot be read ({error})") from None
