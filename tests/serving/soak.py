"""`make soak`: clients ask a server without a pause while versions come, go and are corrupt, and
workers are killed. No answer may be wrong, and none may be lost.

A request whose worker is killed loses its connection, as it would with any server; its client asks
again, and must get the right answer then.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import json
import math
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from small_model import expected, write_model

from models.declaration import Category, Number
from models.features import FEATURES
from models.judging import EXAMPLE_REQUEST
from models.names import PREDICTION

ROOT = Path(__file__).parents[2]
VARIANTS = 4
"""Models that differ in their answers; version N is number N modulo this."""
TRIES = 20
"""Times that a client asks before an answer counts as lost."""


class Soak:
    """A server, its clients, and what is done to it."""

    def __init__(self, folder: Path, clients: int, seed: int) -> None:
        self.counts: Counter[str] = Counter()
        self._folder = folder
        self._pushed = folder / "pushed"
        self._clients = clients
        self._chosen = random.Random(seed)
        self._newest = 0
        self._ended = threading.Event()
        self._lock = threading.Lock()
        self._port = 0

    def run(self, seconds: float) -> None:
        """Soaks for a while."""
        for variant in range(VARIANTS):
            write_model(self._folder / "variants", variant, offset=variant / 10)
        self._push()
        with self._server() as process:
            threads = [
                threading.Thread(target=self._ask, args=[random.Random(number)])
                for number in range(self._clients)
            ]
            for thread in threads:
                thread.start()
            until = time.monotonic() + seconds
            while time.monotonic() < until and process.poll() is None:
                time.sleep(self._chosen.uniform(1, 4))
                self._disturb(process)
            self._ended.set()
            for thread in threads:
                thread.join()
            self.counts["server died"] += process.poll() is not None

    def _disturb(self, process: subprocess.Popen[bytes]) -> None:
        what = self._chosen.choice(["push", "push", "corrupt", "half", "take back", "kill"])
        self.counts[what] += 1
        if what == "push":
            self._push()
        elif what == "corrupt":
            broken = self._chosen.choice(["saved_model.pb", "variables/variables.index"])
            file = self._push() / broken
            file.write_bytes(file.read_bytes()[: self._chosen.randrange(1, 200)])
        elif what == "half":
            self._push(whole=False)
        elif what == "take back" and (versions := sorted(self._pushed.iterdir()))[1:]:
            shutil.rmtree(versions[-1])
        elif what == "kill":
            children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(self._chosen.choice(children)), signal.SIGKILL)

    def _push(self, whole: bool = True) -> Path:
        """A new version; without what is written last if it is not to be whole."""
        self._newest += 1
        version = self._pushed / f"{self._newest:06d}"
        source = self._folder / "variants" / str(self._newest % VARIANTS)
        left_out = None if whole else shutil.ignore_patterns("saved_model.pb")
        shutil.copytree(source, version, ignore=left_out)
        return version

    @contextlib.contextmanager
    def _server(self) -> Iterator[subprocess.Popen[bytes]]:
        flags = ["--port", "0", "--workers", "2", "--poll-seconds", "0.3", "--no-access-log"]
        log = self._folder / "server.log"
        with (
            log.open("wb") as output,
            subprocess.Popen(
                [
                    *(sys.executable, "-m", "serving", *flags),
                    *("--model-folder", str(self._pushed), "--model-name", "model"),
                ],
                cwd=ROOT,
                stdout=output,
                stderr=subprocess.STDOUT,
            ) as process,
        ):
            while not log.read_bytes().endswith(b"\n"):
                time.sleep(0.05)
            self._port = json.loads(log.read_text().splitlines()[0])["port"]
            try:
                while b'"switched"' not in log.read_bytes():
                    time.sleep(0.05)
                yield process
            finally:
                process.terminate()
        for line in log.read_text(errors="replace").splitlines():
            with contextlib.suppress(json.JSONDecodeError):
                self.counts[f"server: {json.loads(line)['event']}"] += 1

    def _ask(self, chosen: random.Random) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=60)
        while not self._ended.is_set():
            rows = [_row(chosen) for _ in range(chosen.choice([1, 1, 1, 10, 200]))]
            outcome = "lost"
            for _ in range(TRIES):
                try:
                    connection.request("POST", "/v2/models/model/infer", json.dumps(_body(rows)))
                    response = connection.getresponse()
                    content = json.loads(response.read())
                except (OSError, http.client.HTTPException, ValueError):
                    connection.close()
                    self._count("connections lost")
                    time.sleep(0.2)
                    continue
                if response.status == 503:  # A worker that has just started.
                    self._count("told to come again")
                    connection.close()
                    time.sleep(0.5)
                    continue
                outcome = "right" if _is_right(rows, response.status, content) else "wrong"
                if outcome == "wrong":
                    print(f"{response.status}: {json.dumps(content)[:300]}", file=sys.stderr)
                break
            self._count(outcome)
        connection.close()

    def _count(self, what: str) -> None:
        with self._lock:
            self.counts[what] += 1


def _row(chosen: random.Random) -> dict[str, Any]:
    """The declared example with other numbers: words drawn at random may contradict each other."""
    numbers = {
        feature.name: round(chosen.uniform(feature.minimum, feature.maximum), 2)
        for feature in FEATURES
        if isinstance(feature, Number)
    }
    return {feature.name: None for feature in FEATURES} | dict(EXAMPLE_REQUEST) | numbers


def _body(rows: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "inputs": [
            {
                "name": feature.name,
                "shape": [len(rows)],
                "datatype": "BYTES" if isinstance(feature, Category) else "FP32",
                "data": [row[feature.name] for row in rows],
            }
            for feature in FEATURES
        ]
    }


def _is_right(rows: list[dict[str, Any]], status: int, content: dict[str, Any]) -> bool:
    """Whether the version that says that it answers, answers as its model does."""
    if status != 200:
        return False
    offset = int(content["model_version"]) % VARIANTS / 10
    (output,) = (o for o in content["outputs"] if o["name"] == PREDICTION)
    pairs = zip(output["data"], rows, strict=True)
    return all(math.isclose(got, expected(row, offset), rel_tol=1e-4) for got, row in pairs)


def main(arguments: list[str]) -> int:
    """Soaks, and tells what came of it; 1 if an answer was wrong or lost."""
    parser = argparse.ArgumentParser(prog="make soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        soak = Soak(Path(folder), asked.clients, asked.seed)
        soak.run(60 * asked.minutes)
    for what, count in sorted(soak.counts.items()):
        print(f"  {what:24} {count:,}")
    counts = soak.counts
    sound = counts["right"] and not (counts["wrong"] or counts["lost"] or counts["server died"])
    print("Sound." if sound else "NOT SOUND.")
    return 0 if sound else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
