"""The same rows asked in every way: as the Evaluator does, by each protocol, by each command."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import tensorflow as tf
from checkout import Project
from google import pubsub_v1
from pubsub import Emulator, subscription, topic
from served_rows import wait_until_ready
from starlette.testclient import TestClient

from models.declaration import Category
from models.features import FEATURES
from models.names import EXAMPLES, PREDICTED, PREDICTION
from models.request import parse_request
from pipeline.local.predict import predict
from serving.server.application import create_application
from serving.server.server_settings import ServerSettings
from serving.stream.folder_worker import Folders
from serving.stream.launch_stream import Stream, launch
from serving.stream.pubsub_worker import Subscription
from serving.versions.push_folder import versions

Row = Mapping[str, Any]


def read_examples(folder: Path, count: int) -> list[bytes]:
    """Examples of the eval split, serialized, that BigQueryExampleGen made in a folder."""
    files = sorted(map(str, folder.rglob("Split-eval/*.gz")))
    dataset: Any = tf.data.TFRecordDataset(files, compression_type="GZIP").take(count)
    return list(dataset.as_numpy_iterator())


def row_of(example: bytes) -> Row:
    """An Example as a caller would send it: what it lacks is left out."""
    values = tf.train.Example.FromString(example).features.feature
    row: dict[str, Any] = {}
    for feature in FEATURES:
        if isinstance(feature, Category) and values[feature.name].bytes_list.value:
            row[feature.name] = values[feature.name].bytes_list.value[0].decode()
        elif not isinstance(feature, Category) and values[feature.name].float_list.value:
            row[feature.name] = values[feature.name].float_list.value[0]
    return row


def write_rows(file: Path, examples: list[bytes]) -> None:
    """Examples as JSON lines, as a caller would write them."""
    file.write_text("".join(json.dumps(row_of(example)) + "\n" for example in examples))


def read_answers(file: Path) -> list[float]:
    """The predictions in a file of JSON lines."""
    return [json.loads(line)[PREDICTED] for line in file.read_text().splitlines()]


def as_the_evaluator(folder: Path, examples: list[bytes]) -> list[float]:
    """What the signature answers that the Evaluator calls, on the same bytes."""
    model = tf.saved_model.load(str(versions(folder)[0]))
    answered = model.signatures[EXAMPLES](tf.constant(examples))
    return answered[PREDICTION].numpy().tolist()


def by_protocol(folder: Path, examples: list[bytes]) -> Iterator[tuple[str, list[float]]]:
    """Each way to ask the server, and what it answers."""
    rows = [row_of(example) for example in examples]
    columns = {f.name: [row.get(f.name) for row in rows] for f in FEATURES}
    encoded = [{"b64": base64.b64encode(example).decode()} for example in examples]
    tensors = [
        {
            "name": feature.name,
            "shape": [len(rows)],
            "datatype": "BYTES" if isinstance(feature, Category) else "FP32",
            "data": columns[feature.name],
        }
        for feature in FEATURES
    ]
    settings = ServerSettings(model_folder=str(folder), model_name="model", access_log=False)
    with TestClient(create_application(settings)) as client:
        wait_until_ready(client)

        def ask(address: str, body: dict[str, Any]) -> Any:
            response = client.post(address, json=body)
            assert response.status_code == 200, response.text
            return response.json()

        serving = "/v1/models/model:predict"
        yield "TensorFlow Serving, rows", ask(serving, {"instances": rows})["predictions"]
        yield "TensorFlow Serving, columns", ask(serving, {"inputs": columns})["outputs"]
        by_example = {"signature_name": EXAMPLES, "instances": encoded}
        yield "TensorFlow Serving, Examples", ask(serving, by_example)["predictions"]
        yield "Vertex AI", ask("/predict", {"instances": rows})["predictions"]
        inferred = ask("/v2/models/model/infer", {"inputs": tensors})
        (output,) = (o for o in inferred["outputs"] if o["name"] == PREDICTION)
        yield "Open Inference", output["data"]


def by_command(project: Project, folder: Path, examples: list[bytes]) -> list[float]:
    """What `predict` answers to a file of rows, in their order."""
    asked, answered = folder / "asked.jsonl", folder / "answered.jsonl"
    write_rows(asked, examples)
    ended = project.run("predict", "--input", str(asked), "--output", str(answered))
    assert ended.status == 0, ended.out + ended.err
    return read_answers(answered)


def by_stream(folder: Path, place: Path, examples: list[bytes]) -> list[float]:
    """What the stream answers to a file of rows that appears in a folder, in their order."""
    source = Folders(place / "asked", place / "answers")
    source.input.mkdir()
    write_rows(source.input / "rows.jsonl", examples)
    launch(Stream(source, str(folder), most_messages=len(examples)))
    return read_answers(source.output / "rows.jsonl")


def by_pubsub(
    folder: Path, place: Path, emulator: Emulator, examples: list[bytes]
) -> dict[int, float]:
    """What the stream answers to messages of Pub/Sub, by the place of the row."""
    rows = [json.dumps({**row_of(row), "place": i}).encode() for i, row in enumerate(examples)]
    emulator.publish([pubsub_v1.PubsubMessage(data=row) for row in rows])
    names = (subscription("asked"), topic("answers"), topic("dead"))
    source = Subscription(*names, place / "answered.sqlite")
    launch(Stream(source, str(folder), most_messages=len(examples)))
    answers = [json.loads(message.data) for message in emulator.read("answers")]
    return {answer["place"]: answer[PREDICTED] for answer in answers}


def by_request(folder: Path, examples: list[bytes]) -> list[float]:
    """What `predict` answers to a request, before it rounds."""
    requests = [parse_request(json.dumps(row_of(example))) for example in examples]
    return [predict(folder, request).prediction for request in requests]
