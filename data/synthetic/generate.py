r"""Synthetic births with the columns and the statistics of `bigquery-public-data.samples.natality`.

The rows are nobody's: they are drawn from the figures in `calibration.py`. Each chunk of rows
has its own seed, so the rows depend only on the number of rows, the years and the seed, and a
table of any size streams to disk in the memory of one chunk.

First `births.py` decides what happened; then `records.py` decides what the record says
of it.

The committed sample was made by

    python -m data.synthetic.generate --rows 50000 --years 2001-2008 --seed 1 \
        --out data/synthetic/sample.parquet
"""

import argparse
import errno
import os
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NoReturn

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from rich.console import Console
from rich.progress import Progress

from common.errors import UserError
from common.files import replacing
from data.synthetic import calibration as known
from data.synthetic.births import Years, draw_births
from data.synthetic.records import SCHEMA, as_recorded

CHUNK_ROWS = 131_072
"""Rows drawn, held and written at a time. Another value gives other rows for the same seed."""


# -------------------------------------------------------------------------------------- to the disk
def chunks(rows: int, years: Years, seed: int) -> Iterator[pa.Table]:
    """Yields tables of at most `CHUNK_ROWS` rows each; the same for the same arguments, always."""
    for index, start in enumerate(range(0, rows, CHUNK_ROWS)):
        rng = np.random.default_rng([seed, index])
        yield as_recorded(rng, draw_births(rng, min(CHUNK_ROWS, rows - start), years))


def write(out: Path, rows: int, years: Years, seed: int, console: Console | None = None) -> None:
    """Writes a Parquet file of synthetic births, whole or not at all.

    Args:
        out: The file; one that exists is replaced, a folder that does not exist is made.
        rows: How many births, 1 or more.
        years: First and last year, within 1969-2008.
        seed: Another seed, other births; 0 or more.
        console: Where to show progress, if it is a terminal.

    Raises:
        UserError: If the file cannot be written; what was there before is then untouched.
    """
    try:
        if out.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        with replacing(out) as partial:
            _stream(partial, rows, years, seed, console)
    except OSError as error:
        raise _cannot_write(out, error) from error


def _stream(path: Path, rows: int, years: Years, seed: int, console: Console | None) -> None:
    with (
        pq.ParquetWriter(path, SCHEMA, compression="zstd", compression_level=9) as writer,
        Progress(console=console, disable=not (console and console.is_terminal)) as progress,
    ):
        task = progress.add_task(f"births {years[0]}-{years[1]}", total=rows)
        for table in chunks(rows, years, seed):
            writer.write_table(table)
            progress.advance(task, table.num_rows)


def _cannot_write(out: Path, error: OSError) -> UserError:
    # `mkdir` says "exists" where a file is in the way of a folder.
    number = errno.ENOTDIR if isinstance(error, FileExistsError) else error.errno
    reason = os.strerror(number) if number else str(error)
    cures = {
        errno.ENOSPC: "Free some space (about 15 bytes a row are needed), or lower --rows.",
        errno.EDQUOT: "Free some of your quota (about 15 bytes a row are needed), or lower --rows.",
        errno.EFBIG: "Raise the limit on the size of a file (ulimit -f), or lower --rows.",
    }
    cure = cures.get(number or 0, "Give --out a file name in a folder you may write to.")
    return UserError(f"Cannot write {out}: {reason[:1].lower()}{reason[1:]}.", cure)


# ------------------------------------------------------------------------------------- command line
class _Parser(argparse.ArgumentParser):
    """Reports a wrong option like every other error of this project."""

    def error(self, message: str) -> NoReturn:
        raise UserError(f"{message[:1].upper()}{message[1:]}.", "See --help.")


def parse_years(text: str) -> Years:
    """Returns first and last year of '2001-2008', or of '2005' alone.

    Raises:
        UserError: If it is not a range of years for which there are figures.
    """
    first, dash, last = text.partition("-")
    low, high = int(known.YEARS[0]), int(known.YEARS[-1])
    if not first.isdecimal() or (dash and not last.isdecimal()):
        raise UserError(f"--years {text!r} is not a range of years.", "Write it as 2001-2008.")
    years = int(first), int(last or first)
    if years[0] > years[1]:
        raise UserError(
            f"--years {text} ends before it begins.", f"Write it as {years[1]}-{years[0]}."
        )
    if years[0] < low or years[1] > high:
        raise UserError(
            f"--years {text} leaves the years of the table.", f"Choose from {low}-{high}."
        )
    return years


def _whole_number(option: str, minimum: int, text: str) -> int:
    digits = text.replace("_", "")
    if not (digits.isdecimal() and int(digits) >= minimum):
        raise UserError(
            f"{option} {text!r} is not a whole number of {minimum} or more.",
            f"Write it in digits, for example {option} {minimum + 1}.",
        )
    return int(digits)


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = _Parser(
        prog="python -m data.synthetic.generate",
        description="Write synthetic US births with the columns and the statistics of the "
        "BigQuery table natality. The same options give the same rows.",
    )
    parser.add_argument(
        "--rows",
        metavar="N",
        required=True,
        type=lambda text: _whole_number("--rows", 1, text),
        help="number of births, 1 or more; about 15 bytes each on disk (required)",
    )
    parser.add_argument(
        "--years",
        metavar="A-B",
        default="2001-2008",
        type=parse_years,
        help="first and last calendar year of birth, within 1969-2008 (default: %(default)s)",
    )
    parser.add_argument(
        "--seed",
        metavar="S",
        default="1",
        type=lambda text: _whole_number("--seed", 0, text),
        help="whole number, 0 or more; another seed gives other births (default: %(default)s)",
    )
    parser.add_argument(
        "--out",
        metavar="FILE",
        required=True,
        type=Path,
        help="Parquet file to write, replaced if it exists; its folder is made (required)",
    )
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line; returns the exit status: 0 done, 2 user error, 130 interrupted."""
    console = Console(stderr=True)
    began = time.monotonic()
    try:
        options = _arguments(argv)
        write(options.out, options.rows, options.years, options.seed, console)
    except UserError as error:
        print(f"error: {error.cause}\n  cure: {error.cure}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted: nothing was written.", file=sys.stderr)
        return 130
    first, last = options.years
    print(
        f"{options.out}: {options.rows:,} births of {first}-{last}, seed {options.seed}, "
        f"{options.out.stat().st_size / 1e6:,.1f} MB in {time.monotonic() - began:.1f} s"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
