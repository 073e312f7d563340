"""A thousand bad inputs, generated: each is refused by a named error, or rightly answered.

What is answered is held to what other means make of the same input: see `right_answers`.
"""

from __future__ import annotations

import csv
import gzip
import importlib
import io
import json
import os
import random
import string
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from rich.console import Console
from right_answers import (
    right_config,
    right_flags,
    right_metadata,
    right_request,
    right_root,
    right_rows,
    right_schema,
)

from common.errors import UserError
from data.table import TABLE
from models.declaration import Category
from models.features import FEATURES
from models.judging import EXAMPLE_REQUEST
from models.request import check_request, parse_request
from pipeline.caching import name_by_content
from pipeline.cli.config import load_command, meanings
from pipeline.cli.run_root import new_log, sole_run
from pipeline.local.commands import COMMANDS
from pipeline.settings import LocalSettings, load_settings
from report.runs.metadata_file import METADATA, open_metadata
from schema.propose import SCHEMA_FILE

SEED = 20261125
Attack = tuple[str, Callable[[], Any]]
"""What is tried, in a few words, and how."""

WORDS = (
    *("", " ", "0", "-1", "1e999", "nan", "inf", "-inf", "1.5", "9" * 400, "0x10", "1_000"),
    *("None", "null", "true", "[]", "{}", '"', "'", "\\", "\0", "\n", "\udcff", "ä", "\u0661"),
    *("..", "/", "~", "~nobody-here/x", "a[1]", "*", "a" * 5000, "$(id)", "; rm", "--", "-h x"),
    *("2001-2008", "2008-2001", "gs://", "p.d.t", "1,2", ",", "64,,32", "error", "Trainer", "%s"),
)

GOOD = {
    **{"years": "2003", "table": "p.d.t", "sample": "0.5", "wide_l2": "0", "cross_share": "1"},
    **{"hidden_units": "64,32", "anomaly_severity": "never", "judged_slices": "plurality"},
    **{"project": "my-project", "bigquery_temp": "gs://bucket/tmp", "run_root": "there"},
    **{"environment": "staging", "source": "a.csv", "from": "Trainer", "to": "Evaluator"},
    **{"schema_file": str(SCHEMA_FILE), "bigquery_ml_dataset": "my-project.models"},
}
"""Values that settings may have; of those that are not here, 7."""

ENDS = REFUSED, ANSWERED, HELPED = "refused with cause and cure", "rightly answered", "helped"

TOLD: Counter[str] = Counter()
"""How all ended, of every kind."""


@pytest.fixture(autouse=True)
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in os.environ:
        if name.startswith("NATALITY_"):
            monkeypatch.delenv(name)


def damaged(content: bytes, chosen: random.Random) -> bytes:
    """Content cut short, with bytes changed, left out, doubled or put in."""
    kind, at = chosen.randrange(5), chosen.randrange(len(content))
    length = chosen.choice([1, 2, 17, 300])
    noise = chosen.randbytes(length)
    return (
        content[:at],
        content[:at] + noise + content[at + length :],
        content[:at] + content[at + length :],
        content[:at] + content[at : at + length] * 2 + content[at + length :],
        content[:at] + noise + content[at:],
    )[kind]


def settings(chosen: random.Random, folder: Path) -> Iterator[Attack]:
    names = [*meanings(LocalSettings), "sed", "", "=", "train steps"]

    def load(flags: list[str]) -> None:
        settings, command, options = load_command(LocalSettings, flags, COMMANDS)
        right_flags(settings, flags)
        if command in ("clean", "predict", "release", "report"):  # Of the others, some never end.
            module = importlib.import_module(f"pipeline.local.{command}")
            module.run(settings, options, Console(quiet=True))

    for _ in range(300):
        flags: list[str] = []
        for _ in range(chosen.randint(1, 3)):
            name = chosen.choice(names)
            flag = f"--{name}".replace("_", "-")
            word = chosen.choice([chosen.choice(WORDS), GOOD.get(name, "7")])
            flags += chosen.choice([[flag, word], [f"{flag}={word}"], [flag], [word]])
        if chosen.random() < 0.3:
            command = chosen.choice([*COMMANDS, "predic", "run"])
            flags.insert(chosen.randint(0, len(flags)), command)
        yield f"flags {flags}", lambda flags=flags: load(flags)


def config_files(chosen: random.Random, folder: Path) -> Iterator[Attack]:
    good = "\n".join(
        ["train_steps = 500", "years = '2003'", "sample = 0.5", "cache = true", "from = 'Trainer'"]
    )
    names = [*meanings(LocalSettings), "report", "x.y", "''"]
    file = folder / "mine.toml"

    def load(content: bytes) -> None:
        file.write_bytes(content)
        right_config(load_settings(["--config", str(file)]), content)

    for number in range(150):
        if number % 2:
            content = damaged(good.encode(), chosen)
        else:
            name = chosen.choice(names)
            word = chosen.choice([chosen.choice(WORDS), GOOD.get(name, "7")])
            value = chosen.choice(
                [word, repr(word), f"[{word}]", "{ a = 1 }", "1979-05-27", "[[]]"]
            )
            text = chosen.choice([f"{name} = {value}", f"[{name}]\nx = {value}", f"[[{name}]]"])
            content = text.encode(errors="surrogateescape")
        yield f"config {content[:80]!r}", lambda content=content: load(content)


def requests(chosen: random.Random, folder: Path) -> Iterator[Attack]:
    values: list[Any] = [*WORDS, None, True, 0, -1, 1e308, 10**30, [], {}, [1], {"a": {}}]
    good = json.dumps(EXAMPLE_REQUEST).encode()
    for number in range(200):
        if number % 2:
            text = damaged(good, chosen).decode("utf-8", "replace")
            yield (
                f"request {text[:80]!r}",
                lambda text=text: right_request(parse_request(text), text),
            )
            continue
        fields: dict[str, Any] = dict(EXAMPLE_REQUEST)
        for _ in range(chosen.randint(1, 3)):
            name = chosen.choice([*(f.name for f in FEATURES), chosen.choice(WORDS)])
            feature = next((f for f in FEATURES if f.name == name), None)
            allowed = feature.vocabulary if isinstance(feature, Category) else (20, 40.5)
            fields[name] = chosen.choice([chosen.choice(values), chosen.choice(allowed)])
        yield (
            f"request {fields}",
            lambda fields=fields: right_request(check_request(fields), fields),
        )


def sources(chosen: random.Random, folder: Path) -> Iterator[Attack]:
    table = pq.read_table(TABLE.sample).slice(0, 3000)
    columns = [column.name for column in TABLE.columns]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    rows = table.select(columns).slice(0, 300).to_pylist()
    writer.writerows([["" if v is None else v for v in row.values()] for row in rows])
    plain = text.getvalue().encode()
    buffer = io.BytesIO()
    pq.write_table(table, buffer)
    parquet = buffer.getvalue()
    whole = folder / "whole.parquet"
    whole.write_bytes(parquet)

    def read(name: str, content: bytes) -> None:
        file = folder / name
        file.write_bytes(content)
        right_rows(file, whole)

    kinds = {"a.csv": plain, "a.csv.gz": gzip.compress(plain, mtime=0), "a.parquet": parquet}
    for number in range(210):
        name = list(kinds)[number % 3]
        content = damaged(kinds[name], chosen)
        if name == "a.csv" and number % 2:
            content = odd_csv(plain, chosen)
        yield f"source {name} {number}", lambda name=name, content=content: read(name, content)
    for number in range(30):
        column = chosen.choice(columns)
        kind = chosen.choice([pa.string(), pa.float32(), pa.list_(pa.int64()), pa.bool_(), None])
        yield (
            f"source: {column} as {kind}",
            lambda column=column, kind=kind, name=f"b{number}.parquet": read_retyped(
                table, column, kind, folder / name
            ),
        )


def odd_csv(plain: bytes, chosen: random.Random) -> bytes:
    """A CSV file as some program or person may have made it."""
    lines = plain.decode().splitlines()
    kind = chosen.randrange(9)
    if kind == 0:
        lines[0] = lines[0].replace(",", chosen.choice([";", "\t", "|"]), chosen.choice([1, 99]))
    elif kind == 1:
        lines = [f"{i}," + line for i, line in enumerate(lines)]
    elif kind == 2:
        lines = [line + "," * chosen.randint(1, 3) for line in lines]
    elif kind == 3:
        lines[chosen.randrange(len(lines))] += chosen.choice(['"', ",1,2", "\0", "x" * 10**6])
    elif kind == 4:
        lines[0] = chosen.choice(["", lines[0] + "," + lines[0], lines[0].upper(), lines[0] + ",,"])
    elif kind == 5:
        at = chosen.randrange(1, len(lines))
        cells = lines[at].split(",")
        cells[chosen.randrange(len(cells))] = chosen.choice([w for w in WORDS if "\udcff" not in w])
        lines[at] = ",".join(cells)
    elif kind == 6:
        return "\n".join(lines).encode(chosen.choice(["utf-16", "utf-8-sig", "utf-32"]))
    elif kind == 7:
        return "\r".join(lines).encode()
    else:
        chosen.shuffle(lines)
    return "\n".join(lines).encode() + b"\n"


def read_retyped(table: pa.Table, column: str, kind: pa.DataType | None, file: Path) -> None:
    index = table.column_names.index(column)
    if kind is None:
        changed = table.drop([column])
    elif isinstance(kind, pa.ListType):
        changed = table.set_column(index, column, pa.array([[1]] * table.num_rows))
    else:
        values = pa.array([None if v is None else str(v) for v in table[column].to_pylist()])
        if not pa.types.is_string(kind):
            values = pa.array([None] * table.num_rows, kind)
        changed = table.set_column(index, column, values)
    pq.write_table(changed, file)
    right_rows(file, file)


def run_roots(chosen: random.Random, folder: Path) -> Iterator[Attack]:
    good = folder / "good"
    good.mkdir()
    open_metadata(good, write=True)
    metadata = (good / METADATA).read_bytes()
    letters = string.ascii_letters + "äß🍼 *?[]\\\n\t'\"%;$~\udcff."

    def enter(name: str) -> None:
        root = load_settings(["--run-root", name]).run_root
        with sole_run(root):
            new_log(root)
        right_root(root, name)

    for _ in range(50):
        name = "".join(chosen.choices(letters, k=chosen.choice([1, 5, 60, 300])))
        yield f"root {name[:60]!r}", lambda name=f"./{name}": enter(name)

    def store(number: int, content: bytes) -> None:
        root = folder / str(number)
        root.mkdir()
        (root / METADATA).write_bytes(content)
        open_metadata(root, write=True).get_executions()
        right_metadata(root)

    for number in range(30):
        content = chosen.choice([b"", b"x" * 9000, metadata[: 4096 * chosen.randint(1, 9)]])
        content = chosen.choice([content, damaged(metadata, chosen)])
        yield f"metadata {number}", lambda n=number, content=content: store(n, content)


def schemas(chosen: random.Random, folder: Path) -> Iterator[Attack]:
    good = SCHEMA_FILE.read_bytes()
    file = folder / "schema.pbtxt"

    def read(content: bytes) -> None:
        file.write_bytes(content)
        load_settings(["--schema-file", str(file)])
        name_by_content(file)
        right_schema(file)

    for number in range(60):
        content = damaged(good, chosen)
        yield f"schema {number}", lambda content=content: read(content)


@pytest.mark.parametrize(
    "kind",
    [settings, config_files, requests, sources, run_roots, schemas],
    ids=lambda k: k.__name__,
)
def test_every_bad_input_is_named_or_answered(
    kind: Callable[[random.Random, Path], Iterator[Attack]],
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
):
    ends: Counter[str] = Counter()
    wrong = []
    for tried, action in kind(random.Random(SEED), tmp_path):
        end = _end(action)
        ends["wrong" if end not in ENDS else end] += 1
        if end not in ENDS:
            wrong.append(f"{tried}: {end}")
    TOLD.update(ends)
    with capfd.disabled():
        print(f"\n{kind.__name__}: {told(ends)}\n  so far: {told(TOLD)}", flush=True)
    assert not wrong, "\n".join(wrong)


def _end(action: Callable[[], Any]) -> str:
    """One of `ENDS`, or what is wrong."""
    try:
        action()
    except UserError as error:
        named = error.cause.strip() and error.cure.strip() and len(str(error)) < 20_000
        return REFUSED if named else repr(error)
    except SystemExit as ended:  # After --help.
        return f"it exits with {ended.code}" if ended.code else HELPED
    except Exception as error:  # noqa: BLE001, that is what is looked for
        return f"{type(error).__name__}: {str(error)[:300]}"
    return ANSWERED


def told(ends: Counter[str]) -> str:
    return f"{ends.total()} tried: " + ", ".join(f"{n} {end}" for end, n in ends.items())
