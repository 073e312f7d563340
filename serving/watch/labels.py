"""Labels that came later: read before TensorFlow loads, and joined to the rows that were logged."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

from common.errors import UserError
from models.features import LABEL

if TYPE_CHECKING:  # Reading a log takes TensorFlow.
    from serving.watch.logged_rows import LoggedRows

REQUEST, ROW = "request_id", "row"
"""The key: the id of a request, and the place of the row in it, 0 where there is no such column."""

_ENDS = (".parquet", ".csv")
_FORM = (
    f"Give {REQUEST}, as the answer's header X-Request-ID has it, {LABEL.name}, and {ROW} where "
    "requests have several rows."
)


@dataclass(frozen=True)
class Labels:
    """Labels by key.

    Attributes:
        file: Where they are from.
        keys: `request_id` and `row`, each pair once.
        values: In the label's unit, `[labels]`.
    """

    file: Path
    keys: pd.MultiIndex
    values: np.ndarray


@dataclass(frozen=True)
class LabelledRows:
    """Logged rows whose label is known.

    Attributes:
        rows: What was asked and answered.
        labels: In the label's unit, `[rows]`.
        unlogged: Labels of which no row is logged.
        ambiguous: Further rows that have a label but share their key, which callers gave twice.
    """

    rows: LoggedRows
    labels: np.ndarray
    unlogged: int
    ambiguous: int


def read_labels(file: Path) -> Labels:
    """Reads a Parquet or CSV file of labels.

    Args:
        file: With the columns `request_id`, the label's name and, optionally, `row`.

    Raises:
        UserError: If there is no such file, it can't be read, lacks a column, has a key twice or a
            label that is no number.
    """
    if not file.is_file():
        raise UserError(f"There is no file of labels {file}.", "Check the path given as --labels.")
    if file.suffix.lower() not in _ENDS:
        raise UserError(
            f"{file} is of no known format.", f"Give a file that ends in {' or '.join(_ENDS)}."
        )
    try:
        table = _read(file)
    except (pa.ArrowException, OSError) as error:
        raise UserError(
            f"{file} can't be read: {str(error).splitlines()[0]}", "Export or copy it again."
        ) from error
    for name in (REQUEST, LABEL.name):
        if name not in table.column_names:
            there = ", ".join(table.column_names)
            raise UserError(f"{file} has no column {name}; it has {there}.", _FORM)
    try:
        values = table[LABEL.name].cast(pa.float64()).to_numpy()
        ids = table[REQUEST].cast(pa.string()).to_pandas()
        rows = table[ROW].cast(pa.int64()).to_numpy() if ROW in table.column_names else 0
    except pa.ArrowException as error:
        raise UserError(f"{file}: {str(error).splitlines()[0]}", _FORM) from error
    bad = ids[~np.isfinite(values)]
    if len(bad):
        raise UserError(
            f"{file} has no number in {LABEL.name} of {REQUEST} {bad.iloc[0]!r}, and of "
            f"{len(bad) - 1:,} more.",
            "Leave out what is not known yet.",
        )
    keys = pd.MultiIndex.from_arrays([ids, np.broadcast_to(rows, len(ids))])
    twice = keys[keys.duplicated()]
    if len(twice):
        raise UserError(
            f"{file} has {REQUEST} {twice[0][0]!r}, {ROW} {twice[0][1]} twice.",
            f"Give one label for each row; where requests have several rows, give {ROW} too.",
        )
    return Labels(file, keys, values)


def _read(file: Path) -> pa.Table:
    if file.suffix.lower() == ".parquet":
        return pq.read_table(file)
    # Ids may look like numbers.
    options = pyarrow.csv.ConvertOptions(column_types={REQUEST: pa.string()})
    return pyarrow.csv.read_csv(file, convert_options=options)


def join_labels(rows: LoggedRows, labels: Labels) -> LabelledRows:
    """Finds the logged rows that labels are of.

    Raises:
        UserError: If they are of none.
    """
    ids = pc.cast(rows.keys[REQUEST], pa.string(), safe=False).to_pandas()
    keys = pd.MultiIndex.from_arrays([ids, rows.keys[ROW].to_numpy()])
    places = labels.keys.get_indexer(keys)
    known, alone = places >= 0, ~keys.duplicated(keep=False)
    if not (known & alone).any():
        raise UserError(
            f"None of the {len(labels.values):,} labels of {labels.file} is of one row that was "
            f"logged in that time; the first is of {REQUEST} {labels.keys[0][0]!r}.",
            _FORM,
        )
    return LabelledRows(
        rows=rows.where(known & alone),
        labels=labels.values[places[known & alone]],
        unlogged=len(labels.values) - len(np.unique(places[known])),
        ambiguous=int(np.count_nonzero(known & ~alone)),
    )
