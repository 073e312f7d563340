"""Schedules: the exact requests, when they come next, and no second one of the same name."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from google_cloud import GoogleCloud

from pipeline.vertex.commands import main
from pipeline.vertex.schedule import next_runs

PARENT = "projects/my-project/locations/us-central1"
SCHEDULES = f"/v1/{PARENT}/schedules"


def there(google: GoogleCloud, *schedules: dict[str, Any]) -> None:
    google.on(f"GET {SCHEDULES}", {"schedules": list(schedules)})


def weekly(number: int = 7, name: str = "weekly", **more: Any) -> dict[str, Any]:
    return {
        "name": f"{PARENT}/schedules/{number}",
        "displayName": name,
        "state": "ACTIVE",
        "cron": "CRON_TZ=Europe/Berlin 0 6 * * 1",
        "nextRunTime": "2026-03-30T04:00:00Z",
        **more,
    }


def test_next_runs_are_told_in_the_schedule_s_time_zone():
    before_summer = datetime(2026, 3, 25, tzinfo=ZoneInfo("Etc/UTC"))
    runs = next_runs("CRON_TZ=Europe/Berlin 0 6 * * 1", before_summer)
    assert [f"{run:%a %d %H:%M %Z}" for run in runs] == [
        "Mon 30 06:00 CEST",
        "Mon 06 06:00 CEST",
        "Mon 13 06:00 CEST",
    ]
    assert f"{next_runs('0 6 * * *', before_summer)[0]:%d %H:%M %Z}" == "25 06:00 UTC"


def test_a_schedule_is_created_with_the_run_that_submit_would_start(
    google: GoogleCloud, online: tuple[str, ...], capfd: pytest.CaptureFixture[str]
):
    there(google)
    google.on("GET /bigquery/.*", {"type": "VIEW"})
    google.on(f"POST {SCHEDULES}", lambda r: {**r.body, "name": f"{PARENT}/schedules/7"})
    google.on(f"POST /v1/{PARENT}/pipelineJobs", lambda r: r.body)
    when = ["--cron", "0 6 * * 1", "--time-zone", "Europe/Berlin", "--max-concurrent-runs", "2"]
    assert main([*online, "schedule", "create", "weekly", *when]) == 0
    # Rows are read anew in each: what the table is by then is not known now. A schedule goes on
    # from the last blessed model; a run does not, unless told to.
    assert main([*online, "--warm-start", "submit"]) == 0
    (created,) = google.asked(f"POST {SCHEDULES}")
    (run,) = google.asked(f"POST /v1/{PARENT}/pipelineJobs")
    assert created.body == {
        "displayName": "weekly",
        "cron": "CRON_TZ=Europe/Berlin 0 6 * * 1",
        "maxConcurrentRunCount": "2",
        "allowQueueing": True,
        "createPipelineJobRequest": {"parent": PARENT, "pipelineJob": run.body},
    }
    out = capfd.readouterr().out
    assert "weekly runs at CRON_TZ=Europe/Berlin 0 6 * * 1" in out
    assert out.count("  next: Mon ") == 3


def test_a_schedule_that_is_told_not_to_starts_cold(google: GoogleCloud, online: tuple[str, ...]):
    there(google)
    google.on(f"POST {SCHEDULES}", lambda r: {**r.body, "name": f"{PARENT}/schedules/7"})
    cold = [*online, "--no-warm-start", "schedule", "create", "weekly", "--cron", "0 6 * * 1"]
    assert main(cold) == 0
    (created,) = google.asked(f"POST {SCHEDULES}")
    tasks = created.body["createPipelineJobRequest"]["pipelineJob"]["pipelineSpec"]["root"]["dag"]
    assert "Trainer" in tasks["tasks"]
    assert not [task for task in tasks["tasks"] if task.startswith("BaseModel")]


def test_no_second_schedule_of_a_name_is_created(
    google: GoogleCloud, online: tuple[str, ...], capfd: pytest.CaptureFixture[str]
):
    there(google, weekly(state="PAUSED"))
    assert main([*online, "schedule", "create", "weekly", "--cron", "0 7 * * 1"]) == 1
    told = capfd.readouterr().err
    assert "There is a schedule weekly already, paused, at CRON_TZ=Europe/Berlin 0 6 * * 1." in told
    assert "vertex_runner.py schedule delete weekly" in told
    assert not google.asked("POST .*")


def test_the_list_shows_state_and_next_run(
    google: GoogleCloud, online: tuple[str, ...], capfd: pytest.CaptureFixture[str]
):
    there(google)
    assert main([*online, "schedule", "list"]) == 0
    assert "There are no schedules." in capfd.readouterr().out
    there(google, weekly(), weekly(8, "daily", state="PAUSED", cron="0 5 * * *"))
    assert main([*online, "schedule", "list"]) == 0
    _, daily, first = (line.split() for line in capfd.readouterr().out.strip().splitlines())
    assert daily == ["daily", "paused", "0", "5", "*", "*", "*"]
    assert first[:3] == ["weekly", "active", "CRON_TZ=Europe/Berlin"]
    assert first[-3:] == ["2026-03-30", "04:00", "UTC"]


@pytest.mark.parametrize(
    ("verb", "request_", "said"),
    [
        ("pause", f"POST {SCHEDULES}/7:pause", "weekly is paused"),
        ("resume", f"POST {SCHEDULES}/7:resume", "weekly is active again"),
        ("delete", f"DELETE {SCHEDULES}/7", "weekly is deleted"),
    ],
)
def test_a_schedule_is_found_by_name(
    google: GoogleCloud,
    online: tuple[str, ...],
    capfd: pytest.CaptureFixture[str],
    verb: str,
    request_: str,
    said: str,
):
    there(google, weekly(6, "daily"), weekly())
    done = {"@type": "type.googleapis.com/google.protobuf.Empty"}
    operation = {"name": f"{PARENT}/operations/1", "done": True, "response": done}
    google.on(request_, operation if verb == "delete" else {})
    assert main([*online, "schedule", verb, "weekly"]) == 0
    assert len(google.asked(request_)) == 1
    assert said in capfd.readouterr().out


@pytest.mark.parametrize("verb", ["pause", "resume", "delete"])
def test_a_schedule_that_is_not_there_or_twice_is_named(
    google: GoogleCloud, online: tuple[str, ...], capfd: pytest.CaptureFixture[str], verb: str
):
    there(google, weekly(6), weekly(7))
    assert main([*online, "schedule", verb, "monthly"]) == 1
    told = capfd.readouterr().err
    assert f"There is no schedule monthly in {PARENT}." in told
    assert main([*online, "schedule", verb, "weekly"]) == 1
    assert "There are 2 schedules named weekly: 6, 7." in capfd.readouterr().err
    assert not google.asked("(POST|DELETE) .*")


def test_what_to_do_must_be_said_before_any_setting(capfd: pytest.CaptureFixture[str]):
    assert main(["schedule"]) == 2
    told = capfd.readouterr().err
    assert "It is not said what schedule is to do." in told
    assert "Name one of create, list, pause, resume, delete." in told
    assert main(["schedule", "resum", "weekly"]) == 2
    told = capfd.readouterr().err
    assert "There is no command 'schedule resum'." in told
    assert "Did you mean schedule resume?" in told
