"""docs/deploy.md: what it tells to type."""

from __future__ import annotations

import re
import shlex
import subprocess
from pathlib import Path

import pytest
from image import CHECKOUT

from pipeline.cli.config import load_command
from pipeline.vertex.commands import COMMANDS
from pipeline.vertex.vertex_settings import VertexSettings

DOCS = (CHECKOUT / "docs" / "deploy.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```\n(.*?)^```$", DOCS, re.DOTALL | re.MULTILINE)
SETTINGS = next(block for block in BLOCKS if block.startswith("project = "))
TYPED = re.findall(r"^python vertex_runner\.py (.*)$", DOCS, re.MULTILINE)


def test_a_shell_takes_all_that_is_to_be_typed():
    typed = "".join(block for block in BLOCKS if block != SETTINGS)
    ended = subprocess.run(["bash", "-n"], input=typed, capture_output=True, text=True, check=False)
    assert ended.stderr == ""


@pytest.mark.parametrize("command", TYPED)
def test_the_runner_takes_each_command_with_the_settings_shown(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    Path("vertex.toml").write_text(SETTINGS)
    arguments = shlex.split(command, comments=True)
    assert load_command(VertexSettings, arguments, COMMANDS)[1] in arguments


def test_all_commands_of_the_runner_are_shown():
    lines = ([*_required(), *shlex.split(line, comments=True)] for line in TYPED)
    assert {load_command(VertexSettings, line, COMMANDS)[1] for line in lines} == set(COMMANDS)


def _required() -> list[str]:
    given = dict(line.split(" = ") for line in SETTINGS.splitlines())
    flags = [(f"--{name.replace('_', '-')}", value.strip('"')) for name, value in given.items()]
    return [part for flag in flags for part in flag]
