"""Results as one JSON object on stdout, or as a file whose suffix chooses the form; as text by `cli.text`."""

import contextlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import click

from autorec import files
from autorec.cli import text
from autorec.cli.verb import say
from autorec.extras import require
from autorec.plain_json import to_json

HEAD = 5  # rows of a table that is written to a file
Frame = Any  # pandas.DataFrame; pandas itself comes with the library, not with the command line


def write_json(value: Any) -> None:
    """One JSON object on stdout."""
    click.echo(to_json(value, indent=2))


def write_table(frames: Iterable[Frame], output: Path | None, as_json: bool, **facts: Any) -> None:
    """DataFrames, blocks of rows of one table, written one after the other: to a file, with the first rows as text, as
    JSON, or as text."""
    if output is not None:
        head: list[Frame] = []
        rows = write_file(_keep_head(frames, head), output)
        say(f"Wrote {rows:,} rows to {output}.")
        if as_json:
            write_json({**facts, "output": str(output), "rows": rows})
        else:
            text.show_frames(head)
    elif as_json:
        _stream_json(frames, facts)
    else:
        text.show_frames(frames)


def _keep_head(frames: Iterable[Frame], head: list[Frame]) -> Iterator[Frame]:
    """The same frames; the first rows of the first one are put into `head`."""
    for frame in frames:
        if not head:
            head.append(frame.head(HEAD))
        yield frame


def require_form(output: Path | None) -> None:
    """AutoRecError, before any work, when a report of this suffix could not be written."""
    if output is not None and output.suffix.lower() in (".html", ".tex"):
        require("report", f"a report as {output.suffix.lower()}")


def write_report(report: Any, output: Path | None, as_json: bool, show: Callable[[dict[str, Any]], None]) -> None:
    """A report (with to_dict and save) to `output` by its suffix; on stdout all of it as JSON, or the main results by
    `show`."""
    if output is not None:
        report.save(output)
        say(f"Wrote {output}.")
    if as_json:
        write_json(report.to_dict())
    else:
        show(report.to_dict())


def write_file(frames: Iterable[Frame], output: Path) -> int:
    """DataFrames, blocks of rows of one table, to a file by its suffix; returns the number of rows."""
    write = {".csv": _write_csv, ".jsonl": _write_jsonl, ".parquet": _write_parquet}[output.suffix.lower()]
    with files.atomic_file(output) as path:
        return write(frames, path)


def _write_csv(frames: Iterable[Frame], path: Path) -> int:
    rows = 0
    with path.open("w", encoding="utf-8", newline="") as file:
        for block, frame in enumerate(frames):
            frame.to_csv(file, index=False, header=block == 0, lineterminator="\n")
            rows += len(frame)
    return rows


def _write_jsonl(frames: Iterable[Frame], path: Path) -> int:
    rows = 0
    with path.open("w", encoding="utf-8") as file:
        for record in _records(frames):
            file.write(to_json(record) + "\n")
            rows += 1
    return rows


def _write_parquet(frames: Iterable[Frame], path: Path) -> int:
    import pyarrow
    import pyarrow.parquet

    rows, writer = 0, None
    with path.open("wb") as file, contextlib.ExitStack() as stack:  # Arrow itself opens no path that is not UTF-8
        for frame in frames:
            schema = writer.schema if writer is not None else None
            table = pyarrow.Table.from_pandas(frame, schema=schema, preserve_index=False)
            if writer is None:
                writer = stack.enter_context(pyarrow.parquet.ParquetWriter(file, table.schema))
            writer.write_table(table)
            rows += len(frame)
    return rows


def _records(frames: Iterable[Frame]) -> Iterator[dict[str, Any]]:
    for frame in frames:
        columns = [frame[name].tolist() for name in frame.columns]
        for values in zip(*columns, strict=True):
            yield dict(zip(frame.columns, values, strict=True))


def _stream_json(frames: Iterable[Frame], facts: dict[str, Any]) -> None:
    head = to_json({**facts, "rows": []})
    click.echo(head.removesuffix("]}"), nl=False)
    for number, record in enumerate(_records(frames)):
        click.echo(("," if number else "") + "\n" + to_json(record), nl=False)
    click.echo("\n]}")
