"""The command `watch`, on a real run: page, exit status, webhook and retraining."""

from __future__ import annotations

import io
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from real_runs import Runs
from request_logs import FIRST, drawn, write_log
from rich.console import Console

import pipeline.webhook
from common.errors import UserError
from models.features import LABEL
from pipeline.cli.status import Exit
from pipeline.local import predict, watch
from pipeline.settings import LocalSettings

pytestmark = pytest.mark.slow

DAY = 400


@pytest.fixture
def version(runs: Runs) -> int:
    (version,) = runs.records.pushed()
    return version


@pytest.fixture
def asked(runs: Runs) -> Callable[..., tuple[int, str]]:
    """Runs the command; its status, and what it says."""

    def run(folder: Path, **options: Any) -> tuple[int, str]:
        console = Console(file=io.StringIO(), width=500)
        status = watch.run(runs.settings(), watch.Options(log=folder, **options), console)
        assert isinstance(console.file, io.StringIO)
        return status, console.file.getvalue()

    return run


@pytest.fixture
def older(version: int, tmp_path: Path) -> Path:
    """A log of two days; on the second, callers are all of an age that was rare."""
    days = [drawn(DAY, 1), drawn(DAY, 2).assign(mother_age=44.0)]
    return write_log(tmp_path / "older", days, version)


def test_what_is_asked_as_learned_is_well(asked, version: int, tmp_path: Path, runs: Runs):
    days = [drawn(DAY, seed) for seed in range(3)] + [drawn(9, 4)]
    log = write_log(tmp_path / "log", days, version)
    served = runs.root / "reports" / "first-served.html"
    others = set(served.parent.glob("*.html")) - {served}
    status, said = asked(log)
    assert status == Exit.DONE
    assert f"1,209 rows from {FIRST} to 2026-09-10, answered by version {version}" in said
    assert f"2026-09-10 of version {version}: 9 rows are too few, 100 are needed" in said
    assert "As learned: nothing that was asked is further from training" in said
    page = served.read_text()
    assert '<h2 id="served">' in page
    assert '<h2 id="data">' in page  # All else is that of the run.
    assert set(served.parent.glob("*.html")) == {*others, served}
    status, said = asked(log, since="2026-09-10")
    assert "9 rows of 2026-09-10" in said
    assert "Not judged: no day has 100 rows" in said
    with pytest.raises(UserError, match="has none since 2026-09-11; the newest is of 2026-09-10"):
        asked(log, since="2026-09-11")


def test_what_a_batch_was_asked_is_watched_too(asked, version: int, tmp_path: Path, runs: Runs):
    rows = drawn(DAY, 2).drop(columns=LABEL.name).assign(mother_age=44.0)
    rows.to_parquet(tmp_path / "rows.parquet")
    console = Console(file=io.StringIO(), width=500)
    given, output = str(tmp_path / "rows.parquet"), str(tmp_path / "out.parquet")
    options = predict.Options(input=given, output=output, request_log=tmp_path / "log")
    assert predict.run(runs.settings(), options, console) == Exit.DONE
    status, said = asked(tmp_path / "log")
    assert status == Exit.DRIFTED
    assert f"{DAY} rows" in said
    assert f"answered by version {version}" in said
    assert "Verdict     Not as learned: mother age." in said


def test_what_has_drifted_is_told_to_whom_it_concerns(
    asked, older: Path, monkeypatch: pytest.MonkeyPatch
):
    posted: list[tuple[str, str]] = []
    monkeypatch.setattr(pipeline.webhook, "post", lambda *what: posted.append(what))
    started: list[LocalSettings] = []

    def run_pipeline(settings: LocalSettings, options: None, console: Console) -> int:
        started.append(settings)
        return Exit.NOT_BLESSED

    monkeypatch.setattr(watch, "run_pipeline", run_pipeline)
    status, said = asked(older, webhook="https://chat.example.com/hooks/1")
    assert (status, started) == (Exit.DRIFTED, [])
    assert "Verdict     Not as learned: mother age. Changed from one day to another" in said
    ((address, text),) = posted
    assert address == "https://chat.example.com/hooks/1"
    assert "Not as learned: mother age." in text
    assert "first-served.html" in text

    status, said = asked(older, retrain=True)
    assert status == Exit.NOT_BLESSED
    assert [settings.warm_start for settings in started] == [True]
    assert len(posted) == 1


def test_labels_say_whether_it_would_be_blessed_today(
    asked, version: int, tmp_path: Path, runs: Runs
):
    """Two weeks: what the second's labels are, the model did not know."""
    days = [drawn(DAY, 1), *(drawn(1, i) for i in range(6)), drawn(DAY, 2)]
    births = pd.concat(days, ignore_index=True)
    rng = np.random.default_rng(1)
    made = births[LABEL.name] + rng.normal(0, 1, len(births))
    log = write_log(tmp_path / "log", days, version, predictions=made.to_numpy())
    truth = pd.DataFrame(
        {"request_id": [f"r{i}" for i in range(len(births))], LABEL.name: births[LABEL.name]}
    )
    file = tmp_path / "labels.csv"
    truth.to_csv(file, index=False)
    status, said = asked(log, labels=file)
    assert status == Exit.DONE
    assert "Estimate    RMSE" in said
    exact = math.sqrt(np.mean((made - births[LABEL.name]) ** 2))
    assert f"Would be blessed today: RMSE {exact:.4f} lb over 806 labelled rows" in said

    truth.loc[DAY + 6 :, LABEL.name] += 30  # The bound of these runs is 20.
    truth.to_csv(file, index=False)
    status, said = asked(log, labels=file)
    assert status == Exit.NOT_BLESSED
    assert "Would not be blessed today: all examples: RMSE is 21." in said
    page = (runs.root / "reports" / "first-served.html").read_text()
    assert 'id="chart-served-error"' in page
    weeks = page.split('id="chart-served-error"')[1].split("</script>")[0]
    assert '"week":"2026-09-07"' in weeks
    assert '"week":"2026-09-14"' in weeks

    truth[:50].to_csv(file, index=False)
    status, said = asked(log, labels=file)
    assert status == Exit.DONE
    assert "Not judged: RMSE" in said
    assert "over 50 labelled rows; 200 are needed" in said


def test_a_file_that_is_no_log_is_named(asked, runs: Runs, tmp_path: Path):
    splits = (runs.root / "pipeline" / "BigQueryExampleGen").glob("examples/*/Split-eval")
    examples = next(file for split in splits for file in split.glob("*.gz"))
    foreign = tmp_path / "requests-1.tfrecord.gz"
    foreign.write_bytes(examples.read_bytes())
    with pytest.raises(
        UserError, match=r"requests-1.*is no file of a log of requests: it has rows"
    ):
        asked(tmp_path)
