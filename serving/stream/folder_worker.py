"""Takes files of rows that appear in a folder, and answers each by a file of the same name."""

from __future__ import annotations

import fcntl
import os
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from common.errors import UserError
from serving.dead_letters import SUFFIX, DeadLetter
from serving.stream.answering import check_and_ask
from serving.stream.messages import Message, Reply
from serving.stream.worker import Counts, Log, Tell

if TYPE_CHECKING:  # It loads TensorFlow.
    from serving.versions.saved_model import SavedModel

MOST_ROWS = 1000
"""In a call of the model."""

ANSWERS_ASIDE, LETTERS_ASIDE = ".answers.part", ".dead.part"
"""What is being written, in the folder of the answers."""


@dataclass(frozen=True)
class Folders:
    """Files of a folder, as a source.

    Attributes:
        input: Where files of JSON lines appear, each renamed into place when it is whole.
        output: Where their answers go.
    """

    input: Path
    output: Path

    @contextmanager
    def worker(self, most_bytes: int, tell: Tell, log: Log | None = None) -> Iterator[FolderWorker]:
        """The one worker of the folder of answers.

        Raises:
            UserError: If there is no folder to watch, it is also that of the answers, or another
                process answers there.
        """
        if not self.input.is_dir():
            raise UserError(f"There is no folder {self.input}.", "Make it, or name another.")
        try:
            self.output.mkdir(parents=True, exist_ok=True)
            lock = os.open(self.output, os.O_RDONLY)
        except OSError as error:
            raise UserError(f"Nothing can be written: {error}.", "Name another folder.") from error
        try:
            self._claim(lock)
            yield FolderWorker(self, most_bytes, tell, log)
        finally:
            os.close(lock)

    def _claim(self, lock: int) -> None:
        if self.output.samefile(self.input):
            raise UserError(
                f"{self.output} can't hold both rows and answers, which have the same names.",
                "Name another folder for the answers.",
            )
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise UserError(
                f"Another process answers into {self.output}.", "End it, or name another folder."
            ) from error


@dataclass(frozen=True)
class FolderWorker:
    """Answers the files of a folder, one in a turn.

    A file is answered if the file with its answers is there, and nothing else tells so: a worker
    that is killed leaves none of what it had not finished, and the next one begins that anew.

    Attributes:
        most_bytes: Longest line that is read.
        log: Takes what is answered, each row by the name of its file and its number there.
        waiting: Names of the files to answer next.
        left: Names of the files that are left alone, and were told.
    """

    source: Folders
    most_bytes: int
    tell: Tell
    log: Log | None = None
    waiting: deque[str] = field(default_factory=deque)
    left: set[str] = field(default_factory=set)

    def turn(self, model: SavedModel, seconds: float) -> Counts:
        """Answers the next file, with one version from its first row to its last.

        Where there is none, it waits so many seconds.
        """
        if not self.waiting:
            self.waiting.extend(self._new())
        if self.waiting:
            return self._answer(model, self.waiting.popleft())
        time.sleep(seconds)
        return Counts()

    def _new(self) -> Iterator[str]:
        """Names of the files that wait."""
        try:
            answered = set(os.listdir(self.source.output))
            there = sorted(e.name for e in os.scandir(self.source.input) if e.is_file())
        except OSError as error:
            raise UserError(
                f"The folders can't be listed: {error}.", "Put them back, and start again."
            ) from error
        for name in there:
            if name.startswith((".", "_")) or name in answered:
                continue
            if name.endswith(".jsonl") and not name.endswith(SUFFIX):
                yield name
            elif name not in self.left:
                self.left.add(name)
                self.tell(f"{name} is left alone: rows come in .jsonl files, none {SUFFIX}")

    def _answer(self, model: SavedModel, name: str) -> Counts:
        file = self.source.input / name
        try:
            with file.open("rb") as stream:
                return self._write(model, file, stream)
        except OSError as error:
            if not file.exists():
                return Counts()  # Somebody has taken it away.
            raise UserError(
                f"{file} can't be answered: {error}.", "Mend that and start again; it is kept."
            ) from error

    def _write(self, model: SavedModel, file: Path, stream: BinaryIO) -> Counts:
        output = self.source.output
        answers_aside, letters_aside = output / ANSWERS_ASIDE, output / LETTERS_ASIDE
        counts = Counts()
        put = self.log
        log = (lambda number, *told: put(f"{file.name}:{number}", *told)) if put else None
        try:
            with answers_aside.open("wb") as answers, letters_aside.open("wb") as letters:
                for rows in _rows(stream):
                    answered, dead = check_and_ask(model, rows, self.most_bytes, log)
                    answers.writelines(reply.data + b"\n" for reply in answered)
                    letters.writelines(_letters(file, dead))
                    counts += Counts(len(answered), len(dead))
                for written in (answers, letters):  # So that a name never comes before its content.
                    written.flush()
                    os.fsync(written.fileno())
            # The answers last: they say that all is done.
            told = output / f"{file.name}{SUFFIX}"
            if counts.dead:
                os.replace(letters_aside, told)
            else:
                told.unlink(missing_ok=True)  # Of a worker that was killed between these two.
            os.replace(answers_aside, output / file.name)
        finally:
            for aside in (answers_aside, letters_aside):
                aside.unlink(missing_ok=True)
        return counts


def _rows(stream: BinaryIO) -> Iterator[list[Message]]:
    """The lines of a file as messages, each called by its number; empty lines are none."""
    lines = (line.rstrip(b"\r\n") for line in stream if line.strip())
    rows = (Message(str(number), line) for number, line in enumerate(lines, start=1))
    while some := list(islice(rows, MOST_ROWS)):
        yield some


def _letters(file: Path, dead: list[Reply]) -> Iterator[bytes]:
    """Lines of a dead-letter file, in the order of the rows."""
    for reply in sorted(dead, key=lambda reply: int(reply.attributes["message_id"])):
        row, cause = int(reply.attributes["message_id"]), reply.attributes["cause"]
        raw = reply.data.decode("utf-8", "backslashreplace")
        yield DeadLetter(str(file), row, cause, raw).to_json()
