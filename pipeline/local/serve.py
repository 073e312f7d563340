"""The command `serve`: a server of what was pushed here."""

from __future__ import annotations

from typing import NoReturn

from pydantic import BaseModel, Field
from rich.console import Console

from pipeline.local.handover import hand_over
from pipeline.settings import LocalSettings
from report.runs import reports_of_versions


class Options(BaseModel):
    """Serve the pushed model over HTTP; docs/serving.md says how it is asked."""

    model_folder: str | None = Field(
        default=None, description="folder of versions; by default where this run root's are pushed"
    )
    host: str = Field(default="127.0.0.1", description="address to listen on")
    port: int = Field(default=8501, ge=0, le=65535, description="port; 0 for any that is free")
    workers: int = Field(default=1, ge=1, le=256, description="processes that answer")
    request_log: str | None = Field(
        default=None, description="folder that gets requests and answers, for the command watch"
    )


def run(settings: LocalSettings, options: Options, console: Console) -> NoReturn:
    """Becomes the server, which has further settings as SERVING_... variables."""
    flags = {
        "model-folder": options.model_folder or settings.serving_folder,
        "host": options.host,
        "port": options.port,
        "workers": options.workers,
    }
    if options.model_folder is None:
        flags["reports"] = reports_of_versions(settings.run_root)
    if options.request_log is not None:
        flags["request-log"] = options.request_log
    hand_over("serving", flags, console)
