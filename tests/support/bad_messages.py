"""A row, and twenty ways in which a message can't be answered, each with the cause to be told."""

from __future__ import annotations

import json

from models.features import FEATURES
from models.judging import EXAMPLE_REQUEST

ROW = dict(EXAMPLE_REQUEST)
NUMBER = next(f.name for f in FEATURES if f.required and isinstance(ROW[f.name], (int, float)))
WORD = next(f.name for f in FEATURES if f.required and isinstance(ROW[f.name], str))

BAD: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "The message is empty."),
    "blank": (b" \n", "The message is empty."),
    "binary": (b"\x80\x81\xff", "The message is not UTF-8."),
    "huge": (b'{"a": "' + b"x" * 70_000 + b'"}', "The message has 70,009 bytes"),
    "no JSON": (b"hello", "The request is no JSON"),
    "cut": (json.dumps(ROW).encode()[:-3], "The request is no JSON"),
    "twice": (f'{{"{NUMBER}": 1, "{NUMBER}": 2}}'.encode(), f"The field {NUMBER} is given twice"),
    "NaN": (json.dumps(ROW | {NUMBER: float("nan")}).encode(), "The request is no JSON"),
    "deep": (b"[" * 5000, "The request is no JSON"),
    "list": (json.dumps([ROW]).encode(), "The message is no JSON object."),
    "null": (b"null", "The message is no JSON object."),
    "text": (b'"row"', "The message is no JSON object."),
    "no field": (b"{}", "The field "),
    "missing": (json.dumps({**ROW, NUMBER: None}).encode(), f"The field {NUMBER} is missing."),
    "outside": (json.dumps(ROW | {NUMBER: 1e6}).encode(), f"The field {NUMBER} is 1000000.0."),
    "text for number": (json.dumps(ROW | {NUMBER: "9"}).encode(), f'The field {NUMBER} is "9".'),
    "truth for number": (json.dumps(ROW | {NUMBER: True}).encode(), f"The field {NUMBER} is true."),
    "word": (json.dumps(ROW | {WORD: "odd"}).encode(), f'The field {WORD} is "odd".'),
    "object": (json.dumps(ROW | {WORD: {}}).encode(), f"The field {WORD} is an object."),
    "long": (b'{"k": ' + b"9" * 400 + b", " + json.dumps(ROW).encode()[1:], "A field can't be"),
}
