"""Titles of items: MovieLens `movies.dat`, `u.item`, `movies.csv`, or any file whose first column is the item."""

import csv
import io
from dataclasses import replace

import numpy as np

from autorec.errors import InputError
from autorec.ratings.matrix import Ratings
from autorec.ratings.sources import load, text_of

_TITLE = ("title", "name", "movietitle", "booktitle", "itemname")


def read_titles(path: str) -> dict[str, str]:
    """Item id as written → title. The title is the column named so in a header, else the second."""
    lines = [line for line in text_of(load(path)).splitlines() if line.strip()]
    separator = next((mark for mark in ("::", "\t", "|", ",", ";") if mark in lines[0]), None)
    if separator is None:
        raise InputError(f"{path}, line 1: {lines[0][:60]!r} has one column; titles need two: item and title")
    rows = _rows(lines, separator)
    header = [name.strip().lower().replace("_", "").replace(" ", "") for name in rows[0]]
    place = next((header.index(name) for name in _TITLE if name in header), 1)
    has_header = header[place] in _TITLE
    titles = {}
    for number, row in enumerate(rows[has_header:], 1 + has_header):
        if len(row) <= place:
            raise InputError(f"{path}, line {number}: has {len(row)} columns; the title is in column {place + 1}")
        titles[row[0].strip()] = row[place].strip()
    return titles


def with_titles(ratings: Ratings, path: str) -> Ratings:
    """The ratings with the titles of `path`; items it does not name get "". InputError: it names none of them."""
    titles = read_titles(path)
    tokens = np.array(list(titles), dtype=object)
    places = ratings.find_items(tokens.tolist()) if len(tokens) else np.zeros(0, dtype=np.int64)
    if not (places >= 0).any():
        raise InputError(f"{path} has {len(titles)} titles and none of a rated item; is it the right file?")
    found = np.full(ratings.n_items, "", dtype=object)
    found[places[places >= 0]] = np.array(list(titles.values()), dtype=object)[places >= 0]
    return replace(ratings, titles=found)


def _rows(lines: list[str], separator: str) -> list[list[str]]:
    if separator in (",", ";"):
        return list(csv.reader(io.StringIO("\n".join(lines)), delimiter=separator))
    return [line.split(separator) for line in lines]
