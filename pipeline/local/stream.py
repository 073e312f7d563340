"""The command `stream`: answers rows that keep coming with what was pushed here."""

from __future__ import annotations

from pathlib import Path
from typing import NoReturn

from pydantic import BaseModel, Field
from rich.console import Console

from pipeline.local.handover import hand_over
from pipeline.settings import LocalSettings

_NAME = r"^projects/[^/]+/{}/[^/]+$"
_TOPIC = _NAME.format("topics")


class Options(BaseModel):
    """Answer the messages of a Pub/Sub subscription, or files; docs/serving.md says how."""

    subscription: str | None = Field(
        default=None,
        pattern=_NAME.format("subscriptions"),
        description="as projects/P/subscriptions/S; with --answers and --dead-letters",
    )
    answers: str | None = Field(
        default=None, pattern=_TOPIC, description="topic of the answers, as projects/P/topics/T"
    )
    dead_letters: str | None = Field(
        default=None, pattern=_TOPIC, description="topic of what can't be answered"
    )
    input: Path | None = Field(
        default=None, description="with --output, folder where .jsonl files appear"
    )
    output: Path | None = Field(default=None, description="folder for their answers")
    model_folder: str | None = Field(
        default=None, description="folder of versions; by default where this run root's are pushed"
    )
    id_attribute: str | None = Field(
        default=None,
        description="attribute by which a message is answered once; by default Pub/Sub's own id",
    )
    request_log: Path | None = Field(
        default=None, description="folder that gets what is answered as well, for watch"
    )


def run(settings: LocalSettings, options: Options, console: Console) -> NoReturn:
    """Becomes the worker, which goes on until Ctrl-C."""
    flags = {
        "subscription": options.subscription,
        "answers": options.answers,
        "dead-letters": options.dead_letters,
        "id-attribute": options.id_attribute,
        "input": options.input,
        "output": options.output,
        "model-folder": options.model_folder or settings.serving_folder,
        "request-log": options.request_log,
        "state": settings.run_root / "stream" / "answered.sqlite",
    }
    given = {name: value for name, value in flags.items() if value is not None}
    hand_over("serving.stream", given, console)
