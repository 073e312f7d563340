"""What a bad input that is not refused must have become: read once more, by other means."""

from __future__ import annotations

import csv
import gzip
import json
import math
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.parquet as pq
import tomli
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2

from data.query import render_splits
from data.source import Source, open_source
from data.table import TABLE
from data.warehouse import Warehouse
from models.declaration import UNKNOWN, Category
from models.features import FEATURES
from pipeline.settings import LocalSettings, load_settings
from report.runs.metadata_file import METADATA

Rows = list[tuple[Any, ...]]
"""Of a source: the declared columns in their order, None for NULL."""


def right_flags(settings: LocalSettings, flags: Sequence[str]) -> None:
    """Every flag means what it says, the last one of a name; all else is as by default."""
    given: dict[str, str | bool] = {}
    words = iter(flags)
    for flag in words:
        if not flag.startswith("--"):
            break  # A command; what follows is its own.
        name, equals, _ = flag[2:].replace("-", "_").partition("=")
        field = f"{name}_" if name == "from" else name
        switched = LocalSettings.model_fields.get(field.removeprefix("no_"))
        if switched is not None and switched.annotation is bool:
            given[field.removeprefix("no_")] = not name.startswith("no_")
        else:
            given[field] = flag.partition("=")[2] if equals else next(words)
    _as_given(settings, given)


def right_config(settings: LocalSettings, content: bytes) -> None:
    """The same of a settings file."""
    given = tomli.loads(content.decode())
    named = {f"{name}_" if name == "from" else name: value for name, value in given.items()}
    _as_given(settings, {name: v if isinstance(v, bool) else str(v) for name, v in named.items()})


def _as_given(settings: LocalSettings, given: Mapping[str, str | bool]) -> None:
    for name, field in LocalSettings.model_fields.items():
        if name == "config":
            continue
        value = getattr(settings, name)
        if name not in given:
            assert value == field.default, f"{name}, which was not given, is {value!r}"
        else:
            assert _means(value, given[name]), f"{name} is {value!r}, not {given[name]!r}"


def _means(value: Any, given: str | bool) -> bool:
    if isinstance(given, bool):
        return value is given
    if isinstance(value, int | float):
        return value == float(given)
    if isinstance(value, Path):
        return value == Path(given).expanduser()
    return value in (given, f"{given}-{given}", str(Path(given).expanduser()))  # Years, a range.


def right_request(request: Mapping[str, Any], given: str | Mapping[str, Any]) -> None:
    """Every feature has the value that was given, or is unknown where none was; as declared."""
    fields = json.loads(given) if isinstance(given, str) else given
    assert list(request) == [feature.name for feature in FEATURES]
    assert fields.keys() <= request.keys()
    for feature in FEATURES:
        value, wanted = request[feature.name], fields.get(feature.name)
        if isinstance(feature, Category):
            assert value in feature.vocabulary
            assert value == (UNKNOWN if wanted is None else str(wanted))
        elif wanted is None:
            assert not feature.required and math.isnan(value)
        else:
            assert isinstance(wanted, int | float) and value == wanted
            assert feature.minimum <= value <= feature.maximum


def right_rows(file: Path, whole: Path) -> None:
    """The rows are those that other readers find, and can be queried.

    Of a file whose damage lies where the query does not read, they are those of the whole file.
    """
    source = open_source(file)
    examples = _examples(source)
    try:
        found = duckdb.execute(source.relation()).fetchall()
    except duckdb.Error:
        assert examples == _examples(open_source(whole))
        return
    names = [column.name for column in TABLE.columns]
    others = _parquet_rows(file, names) if ".parquet" in file.name else list(_csv_rows(file, names))
    assert len(found) == len(others), f"{len(found)} rows, where others find {len(others)}"
    assert _in_order(found) == _in_order(others)


def _examples(source: Source) -> list[str]:
    """Those of all splits."""
    queries = render_splits(load_settings(), table=TABLE.name, sample=1.0)
    with Warehouse({TABLE.name: source}) as warehouse:
        answers = [b for query in queries.values() for b in warehouse.query(query, shuffle_seed=1)]
    assert all(batch.num_columns > len(FEATURES) for batch in answers)
    return _in_order([tuple(row.values()) for batch in answers for row in batch.to_pylist()])


def _in_order(rows: Rows) -> list[str]:
    return sorted(map(repr, rows))


def _parquet_rows(file: Path, names: Sequence[str]) -> Rows:
    table = pq.read_table(file)
    folded = {name.casefold(): name for name in table.column_names}
    columns = [table[folded[name.casefold()]].to_pylist() for name in names]
    return list(zip(*map(_typed, columns, [c.type for c in TABLE.columns]), strict=True))


def _csv_rows(file: Path, names: Sequence[str]) -> Iterator[tuple[Any, ...]]:
    opened = gzip.open if file.suffix == ".gz" else open
    with opened(file, "rt", encoding="utf-8-sig", newline="") as text:
        header, *lines = (line for line in csv.reader(text, strict=True) if line)
    places = [[name.casefold() for name in header].index(name) for name in names]
    columns = [[line[place] for line in lines] for place in places]
    yield from zip(*map(_typed, columns, [c.type for c in TABLE.columns]), strict=True)


def _typed(values: Sequence[Any], kind: str) -> list[Any]:
    """Values of a column, or their texts, as what the table has there."""
    words = {"true": True, "false": False, "1": True, "0": False, "t": True, "f": False}
    if kind == "BOOL":
        return [v if v is None or isinstance(v, bool) else words.get(v.lower()) for v in values]
    number = float if kind == "FLOAT64" else lambda value: int(float(value))
    return [None if v is None or v == "" else number(v) for v in values]


def right_root(root: Path, name: str) -> None:
    """The folder that was named is there, and no component trips over its name."""
    assert root.is_dir() and root.samefile(Path(name).expanduser())
    assert name.isprintable() and not set(name) & set("*?[\\")


def right_metadata(root: Path) -> None:
    """The file is whole, as SQLite itself says."""
    connection = sqlite3.connect(root / METADATA)
    assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    connection.close()


def right_schema(file: Path) -> None:
    """It is one of features."""
    assert text_format.Parse(file.read_text(), schema_pb2.Schema()).feature
