"""Many rows in one go: each is answered or told of, and the output is whole or as it was."""

from __future__ import annotations

import datetime
import gzip
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
import storage
import tensorflow as tf
import tensorflow_data_validation as tfdv
from apache_beam.io.filesystems import FileSystems
from google.auth.credentials import AnonymousCredentials
from google_cloud import GoogleCloud, Request
from small_model import expected, write_model

from common.errors import UserError
from data.query import render
from data.source import open_source
from data.table import TABLE, QueryParameters
from data.warehouse import Warehouse
from models.features import FEATURES
from models.names import EXAMPLES, PREDICTION, SERVING
from schema.propose import SCHEMA_FILE
from serving.batch import model_handler, readers
from serving.batch.batch_plan import plan
from serving.batch.launch_batch import ANSWERED, DEAD_LETTERS, FAILED, Outcome, launch, main
from serving.batch.output_shards import commit, write_shard
from serving.batch.parquet_shards import ParquetShards
from serving.batch.shard_names import ANSWERS, rows_in, shards
from serving.instances import from_rows
from serving.records.request_log import RequestLog, RequestLogSettings
from serving.versions.saved_model import SavedModel
from serving.watch.log_files import find_files
from serving.watch.logged_rows import LoggedRows, read_rows

GOOD = {"is_male": "True", "mother_age": 28.0, "plurality": "Single(1)", "gestation_weeks": 39.0}
HEADER = "id,is_male,mother_age,plurality,gestation_weeks,note\n"
PREDICTED = f"predicted_{PREDICTION}"


@pytest.fixture(scope="module")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that was pushed twice, and whose third push was cut off."""
    folder = tmp_path_factory.mktemp("pushed")
    write_model(folder, 9, offset=0.3)
    write_model(folder, 10, offset=0.2)
    (folder / "11").mkdir()
    return folder


@pytest.fixture
def predict(model_folder: Path) -> Callable[..., Outcome]:
    """Predicts a file to another."""

    def run(given: Path | str, output: Path | str, **more: Any) -> Outcome:
        return launch(plan(str(given), str(output), str(model_folder), run="monday", **more))

    return run


BAD_LINES = {
    "short": ("b1,True,28", "It has 3 fields, the header 6."),
    "long": ("b2,True,28,Single(1),39,,,", "It has 8 fields, the header 6."),
    "age": ("b3,True,old,Single(1),39,", 'The field mother_age is "old".'),
    "outside": ("b4,True,300,Single(1),39,", "The field mother_age is 300"),
    "word": ("b5,maybe,28,Single(1),39,", 'The field is_male is "maybe".'),
    "missing": ("b6,True,28,,39,", "The field plurality is missing."),
    "infinite": ("b7,True,inf,Single(1),39,", "The field mother_age"),
    "underscore": ("b8,True,2_8,Single(1),39,", 'The field mother_age is "2_8".'),
}


def test_rows_of_csv_keep_their_columns_and_bad_ones_are_told(predict, tmp_path: Path):
    lines = ['g1,True,28,Single(1),39,"one, and\ntwo"', *(line for line, _ in BAD_LINES.values())]
    lines += ["007,Unknown,40,Multiple(2+),36,", "g3,,28,Single(1),39,ä"]
    file = tmp_path / "rows.csv"
    file.write_bytes((HEADER + "\n".join(lines)).encode() + b"\ng4,True,28,Single(1),39,\xff\n")

    outcome = predict(file, tmp_path / "out.jsonl")
    assert (outcome.answered, outcome.dead, outcome.status) == (3, 9, DEAD_LETTERS)
    answered = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert [row["id"] for row in answered] == ["g1", "007", "g3"]
    assert [row["note"] for row in answered] == ["one, and\ntwo", "", "ä"]
    assert {(row["model_version"], row["batch_run"]) for row in answered} == {("10", "monday")}
    for row in answered:
        assert row[PREDICTED] == pytest.approx(expected(row, 0.2), rel=1e-5)
        assert row[f"{PREDICTED}_80_low"] < row[PREDICTED] < row[f"{PREDICTED}_80_high"]

    letters = (tmp_path / "out.jsonl.dead.jsonl").read_text(encoding="utf-8").splitlines()
    by_row = {letter["row"]: letter for letter in map(json.loads, letters)}
    assert sorted(by_row) == [*range(2, 10), 12]
    for number, (line, cause) in enumerate(BAD_LINES.values(), start=2):
        assert by_row[number]["raw"] == line
        assert by_row[number]["cause"].startswith(cause)
        assert by_row[number]["file"] == str(file)
    assert by_row[12]["cause"] == "It is not UTF-8."
    assert by_row[12]["raw"].endswith(r",\xff")
    assert not [name for name in tmp_path.iterdir() if name.name.startswith(".")]


@pytest.mark.parametrize("file", ["saved_model.pb", "variables/variables.data-00000-of-00001"])
def test_an_older_version_predicts_for_a_damaged_one(tmp_path: Path, capfd, file: str):
    models = tmp_path / "models"
    write_model(models, 1, offset=0.3)
    damaged = write_model(models, 2, offset=0.2) / file
    damaged.write_bytes(damaged.read_bytes()[:20])
    rows = tmp_path / "rows.jsonl"
    rows.write_text(json.dumps(GOOD))
    output = tmp_path / "out.jsonl"
    flags = ["--input", str(rows), "--output", str(output), "--model-folder", str(models)]
    assert main(flags) == ANSWERED
    (row,) = map(json.loads, output.read_text().splitlines())
    assert row["model_version"] == "1"
    assert row[PREDICTED] == pytest.approx(expected(GOOD, 0.3), rel=1e-5)
    said = capfd.readouterr().out
    assert f"{models / '2'} can't be read (" in said
    assert "an older version answered" in said


def test_json_lines_may_differ_in_their_fields(predict, tmp_path: Path):
    rows = [GOOD | {"id": 1}, {"id": "two", "tags": ["a"], **GOOD}, GOOD | {"is_male": True}]
    lines = [*map(json.dumps, rows), "[1]", '{"is_male": ', "", '{"mother_age": NaN}']
    with gzip.open(tmp_path / "rows.jsonl.gz", "wt", encoding="utf-8") as file:
        file.write("\n".join(lines))
    outcome = predict(tmp_path / "rows.jsonl.gz", tmp_path / "out.parquet")
    assert (outcome.answered, outcome.dead) == (3, 3)
    table = pq.read_table(tmp_path / "out.parquet").to_pydict()
    assert table["id"] == ["1", "two", None]
    assert table["mother_age"] == [28.0] * 3
    assert table[PREDICTED] == pytest.approx([expected(GOOD, 0.2)] * 3, rel=1e-5)
    letters = (tmp_path / "out.parquet.dead.jsonl").read_text().splitlines()
    assert [json.loads(letter)["raw"] for letter in letters] == lines[3:5] + lines[6:]


@pytest.fixture(scope="module")
def thousand() -> list[dict[str, Any]]:
    """A thousand rows of the test split."""
    sql = render(QueryParameters(), table=TABLE.name, sample=1, split="test")
    with Warehouse({TABLE.name: open_source(TABLE.sample)}) as warehouse:
        return next(iter(warehouse.query(sql, shuffle_seed=1))).to_pylist()[:1000]


def test_it_answers_as_server_and_evaluator_do(
    predict, thousand, model_folder: Path, tmp_path: Path, monkeypatch
):
    """Of a folder of several files and of blocks that do not fill up."""
    monkeypatch.setattr(readers, "BLOCK_ROWS", 300)
    (tmp_path / "in").mkdir()
    for place, start in enumerate((0, 700)):
        rows = thousand[start : start + 700]
        pq.write_table(pa.Table.from_pylist(rows), tmp_path / "in" / f"{place}.parquet")
    assert predict(tmp_path / "in", tmp_path / "out.csv") == Outcome(1000, 0)
    found = pyarrow.csv.read_csv(tmp_path / "out.csv")
    assert found.column(TABLE.columns[0].name).to_pylist() == pytest.approx(
        [row[TABLE.columns[0].name] for row in thousand]
    )
    assert set(thousand[0]) < set(found.column_names)
    predicted = np.array(found.column(PREDICTED))

    model = SavedModel(str(model_folder / "10"), 10)
    asked = from_rows([{f.name: row[f.name] for f in FEATURES} for row in thousand])
    served = model.signatures[SERVING](asked)[PREDICTION]
    examples = np.array([_example(row) for row in thousand], dtype=object)
    evaluated = model.signatures[EXAMPLES]({"examples": examples})[PREDICTION]
    assert np.abs(predicted - served).max() < 1e-5
    assert np.abs(predicted - evaluated).max() < 1e-5


def _example(row: dict[str, Any]) -> bytes:
    features = tf.train.Features()
    for feature in FEATURES:
        value = row[feature.name]
        if isinstance(value, str):
            features.feature[feature.name].bytes_list.value.append(value.encode())
        elif value is not None:
            features.feature[feature.name].float_list.value.append(value)
    return tf.train.Example(features=features).SerializeToString()


def test_rows_at_which_the_model_fails_are_dead_letters(tmp_path: Path):
    write_model(tmp_path / "pushed", 1, lacks="is_male")
    (tmp_path / "rows.jsonl").write_text(json.dumps(GOOD) + "\n")
    batch = plan(f"{tmp_path}/rows.jsonl", f"{tmp_path}/out.csv", f"{tmp_path}/pushed")
    assert launch(batch) == Outcome(0, 1)
    (letter,) = (tmp_path / "out.csv.dead.jsonl").read_text().splitlines()
    assert json.loads(letter)["cause"].startswith("The model failed: ")
    assert json.loads(json.loads(letter)["raw"]) == GOOD


@pytest.mark.parametrize("name", ["out.csv", "out.parquet"])
def test_where_it_fails_the_output_is_as_it_was(predict, tmp_path: Path, name: str):
    whole = tmp_path / "in" / "1.parquet"
    whole.parent.mkdir()
    pq.write_table(pa.Table.from_pylist([GOOD] * 5000), whole, compression="none")
    damaged = bytearray(whole.read_bytes())
    damaged[20:200] = bytes(180)  # Pages, not the schema at the end, which is checked at first.
    (tmp_path / "in" / "2.parquet").write_bytes(damaged)
    (tmp_path / name).write_text("of yesterday")
    with pytest.raises(UserError, match=r"2\.parquet can't be read"):
        predict(tmp_path / "in", tmp_path / name)
    assert (tmp_path / name).read_text() == "of yesterday"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in", name]


def test_a_parquet_file_is_answered_in_its_order(predict, thousand, tmp_path: Path, monkeypatch):
    """Four blocks are a row group, and a block without a good row is no gap."""
    monkeypatch.setattr(readers, "BLOCK_ROWS", 10)
    monkeypatch.setattr(model_handler, "CALL_ROWS", 3)
    rows = [row | {"key": key} for key, row in enumerate(thousand[:200])]
    bad = {5, *range(40, 50), 120}
    for key in bad:
        rows[key]["mother_age"] = 300
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "rows.parquet")
    assert predict(tmp_path / "rows.parquet", tmp_path / "out.parquet") == Outcome(188, 12)
    file = pq.ParquetFile(tmp_path / "out.parquet")
    found = file.read()
    assert found.column("key").to_pylist() == [key for key in range(200) if key not in bad]
    assert [file.metadata.row_group(i).num_rows for i in range(5)] == [39, 40, 39, 40, 30]
    # As by shards of single blocks, which text is made of, and by calls for more rows at once.
    monkeypatch.setattr(model_handler, "CALL_ROWS", 10)
    predict(tmp_path / "rows.parquet", tmp_path / "out.jsonl")
    lines = (tmp_path / "out.jsonl").read_text().splitlines()
    assert found.to_pylist() == [json.loads(line) for line in lines]


@pytest.fixture
def bucket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A bucket of a server of Cloud Storage's API."""
    with storage.serving(tmp_path) as url:
        storage.client(url).create_bucket("my-bucket")
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", url)
        # Else Beam would look for credentials again and again, for twenty seconds.
        monkeypatch.setattr("google.auth.default", lambda **_: (AnonymousCredentials(), None))
        yield "gs://my-bucket"


@pytest.mark.parametrize("place", ["folder", "bucket"])
def test_answers_have_the_order_of_blocks_however_these_come(place, bucket, tmp_path: Path):
    staging = {"folder": str(tmp_path), "bucket": bucket}[place] + "/staging"
    (tmp_path / "staging").mkdir()
    written = ParquetShards(staging)
    for key in [(1, 0), (0, 0), (0, 2), (0, 1), (0, 3), (0, 4)]:
        # Two have a further column, as lines of JSON may.
        columns = {"key": [key], "more": ["a"]} if key[1] > 2 else {"key": [key]}
        written.write(key, pa.table(columns))
    assert shards(staging, ANSWERS) == [
        f"{staging}/answers-000000-{block:012d}-1" for block in range(3)
    ] + [f"{staging}/answers-000001-{0:012d}-1"]
    written.close()
    assert sum(map(rows_in, shards(staging, ANSWERS))) == 6
    output = staging.replace("staging", "out.parquet")
    commit(staging, output, f"{output}.dead.jsonl", {"read": 6, "answers": 6})
    with FileSystems.open(output) as stream:
        found = pq.read_table(stream).to_pydict()
    assert found["key"] == [[0, 0], [0, 1], [0, 2], [0, 3], [0, 4], [1, 0]]
    assert found["more"] == [None, None, None, "a", "a", None]


def test_what_is_left_of_a_killed_run_is_no_part_of_the_next(predict, tmp_path: Path):
    left = tmp_path / ".scoring-out.jsonl"
    left.mkdir()
    write_shard(str(left), "answers", (0, 1), 1, pa.table({"id": ["of a killed run"]}))
    (tmp_path / "rows.jsonl").write_text(json.dumps(GOOD) + "\n")
    assert predict(tmp_path / "rows.jsonl", tmp_path / "out.jsonl") == Outcome(1, 0)
    (row,) = (tmp_path / "out.jsonl").read_text().splitlines()
    assert "id" not in json.loads(row)


def test_a_row_that_got_lost_is_no_success(tmp_path: Path):
    write_shard(str(tmp_path), "answers", (0, 1), 2, pa.table({"id": [1, 2]}))
    with pytest.raises(UserError, match="3 rows were read, but 2 answered and 0 are dead"):
        commit(str(tmp_path), f"{tmp_path}/out.csv", f"{tmp_path}/dead", {"read": 3, "answers": 2})
    assert not (tmp_path / "out.csv").exists()


@pytest.mark.parametrize(
    ("given", "output", "said"),
    [
        ("rows.csv", "out.xlsx", "out.xlsx is of no known format"),
        ("rows.csv", "out.csv", "has no column plurality; it has id, is_male"),
        ("nothing.csv", "out.csv", "There is nothing to read at"),
    ],
)
def test_what_cannot_be_is_told_at_once(given, output, said, model_folder, tmp_path, capsys):
    (tmp_path / "rows.csv").write_text("id,is_male,mother_age,gestation_weeks\n1,True,28,39\n")
    flags = ["--input", str(tmp_path / given), "--output", str(tmp_path / output)]
    assert main([*flags, "--model-folder", str(model_folder)]) == FAILED
    assert said in capsys.readouterr().err
    assert not (tmp_path / output).exists()


def test_without_a_model_it_says_what_to_do(tmp_path: Path):
    with pytest.raises(UserError, match="No model has been pushed to"):
        plan("rows.csv", "out.csv", str(tmp_path))


def test_tables_come_and_go_by_jobs_of_bigquery(predict, tmp_path: Path, monkeypatch):
    """Through a server that answers as its API does; a small answer comes as JSON."""
    jobs = "/bigquery/v2/projects/my-project/jobs"
    fields = [
        {"name": name, "type": "STRING" if isinstance(value, str) else "FLOAT"}
        for name, value in ({"id": ""} | GOOD).items()
    ]
    values = [{"v": str(value)} for value in ({"id": "a"} | GOOD).values()]

    def done(request: Request) -> dict:
        body = request.body if isinstance(request.body, dict) else {}
        reference = {"projectId": "my-project", "jobId": "j", "location": "US"}
        told = {"jobReference": body.get("jobReference", reference), "status": {"state": "DONE"}}
        return told | {"configuration": body.get("configuration", {"query": {}})}

    with GoogleCloud() as google:
        key = tmp_path / "key.json"
        storage.write_credentials(key, f"{google.url}/token")
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(key))
        monkeypatch.setenv("BIGQUERY_EMULATOR_HOST", google.url)
        google.on(f"(GET|POST) {jobs}.*", done)
        google.on(
            "GET /bigquery/v2/projects/my-project/queries/.*",
            {
                "jobComplete": True,
                "jobReference": {"projectId": "my-project", "jobId": "j", "location": "US"},
                "schema": {"fields": fields},
                "totalRows": "1",
                "rows": [{"f": values}],
            },
        )
        staging = {"staging": str(tmp_path / "staging"), "dead_letters": f"{tmp_path}/dead.jsonl"}
        assert predict("my-project.rides.asked", f"{tmp_path}/out.jsonl", **staging) == Outcome(
            1, 0
        )
        (query,) = [r for r in google.requests if r.path == jobs and r.method == "POST"]
    assert query.body["configuration"]["query"]["query"] == "SELECT * FROM `my-project.rides.asked`"
    row = json.loads((tmp_path / "out.jsonl").read_text())
    assert row["id"] == "a"
    assert row[PREDICTED] == pytest.approx(expected(GOOD, 0.2), rel=1e-5)


def logged(folder: Path) -> LoggedRows:
    schema = tfdv.load_schema_text(str(SCHEMA_FILE))
    return read_rows(find_files(folder, None), schema, None)


def test_what_is_answered_goes_to_a_log_for_the_watch(predict, tmp_path: Path):
    given = tmp_path / "in"
    given.mkdir()
    unknown = {"plurality": "Multiple(2+)", "is_male": "Unknown"}
    rows = [GOOD, GOOD | {"mother_age": 300}, GOOD | unknown]
    (given / "1.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    (given / "2.jsonl").write_text(json.dumps(GOOD | {"mother_age": 40}))
    before = datetime.datetime.now(datetime.timezone.utc).date()
    outcome = predict(given, tmp_path / "out.jsonl", request_log=str(tmp_path / "log"))
    after = datetime.datetime.now(datetime.timezone.utc).date()
    assert (outcome.answered, outcome.dead) == (3, 1)
    answered = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    found = logged(tmp_path / "log")
    # A row's key is the run, and its place in the output.
    assert found.keys.to_pylist() == [{"request_id": b"monday", "row": i} for i in range(3)]
    assert found.versions.tolist() == [10, 10, 10]
    assert set(found.days.astype(object)) <= {before, after}
    assert found.predictions.tolist() == pytest.approx([row[PREDICTED] for row in answered])
    assert found.features["mother_age"].to_pylist() == [[28.0], [28.0], [40.0]]

    server = RequestLog(RequestLogSettings(tmp_path / "served"))
    asked = [{name: row[name] for name in GOOD} for row in answered]
    server.put("monday", 10, from_rows(asked), found.predictions)
    server.close()
    assert logged(tmp_path / "served").features.equals(found.features)


def test_a_share_is_logged_and_a_run_that_fails_logs_nothing(predict, tmp_path: Path, monkeypatch):
    file, log = tmp_path / "rows.jsonl", str(tmp_path / "log")
    file.write_text((json.dumps(GOOD) + "\n") * 1000)
    predict(file, tmp_path / "out.csv", request_log=log, request_log_share=0.1)
    assert 40 < len(logged(tmp_path / "log")) < 200

    def full(*_: Any) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr("serving.batch.shard_names.os.replace", full)
    with pytest.raises(UserError, match="No space left"):
        predict(file, tmp_path / "other.csv", request_log=str(tmp_path / "other"))
    assert not (tmp_path / "other").exists()
    assert not (tmp_path / "other.csv").exists()


def test_status_zero_means_that_every_row_is_answered(model_folder, tmp_path: Path, capsys):
    (tmp_path / "rows.jsonl").write_text((json.dumps(GOOD) + "\n") * 3)
    flags = ["--input", f"{tmp_path}/rows.jsonl", "--output", f"{tmp_path}/out.jsonl"]
    assert main([*flags, "--model-folder", str(model_folder)]) == ANSWERED
    assert capsys.readouterr().out.startswith(f"3 {TABLE.rows} predicted to ")
    assert (tmp_path / "out.jsonl.dead.jsonl").read_text() == ""
