"""What each command of the Vertex runner takes besides the settings."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, Field, model_validator
from pydantic_settings import CliPositionalArg, CliSubCommand

from data.table import TABLE
from pipeline.vertex.resource_names import (
    BigQueryTable,
    BucketFile,
    Cron,
    Folder,
    JobId,
    SpecFile,
    Subscription,
    TimeZone,
    Topic,
)
from serving.watch.watched import MIN_ROWS


class Check(BaseModel):
    """Look whether all that a run needs is there: settings, credentials, APIs, bucket, image."""


class Compile(BaseModel):
    """Write the pipeline spec that Vertex AI runs."""

    output: SpecFile = Field(
        Path(f"{TABLE.pipeline}.json"),
        description="file to write: a whole job as .json, or its spec alone as .yaml",
    )


class Rehearse(BaseModel):
    """Run the compiled spec on this machine, task by task, as Vertex AI would."""

    from_: str | None = Field(
        None, alias="from", description="first task to run; what earlier ones made is reused"
    )
    source: str = Field(
        "sample",
        description="what stands in for BigQuery: 'sample', which comes with the project, or a "
        "Parquet or CSV file, folder or glob with the table's columns",
    )
    root: Path = Field(
        Path("rehearsal"), description="folder that stands in for buckets, and for logs"
    )


class StartOptions(BaseModel):
    """How a run is started."""

    wait: bool = Field(False, description="follow the tasks, and end with the outcome of the run")
    dry_run: bool = Field(False, description="print the request, and send nothing")
    every: float = Field(
        10.0, ge=0.01, le=3600, description="seconds between looks at a run that is followed"
    )


class Submit(StartOptions):
    """Start a run on Vertex AI."""

    follow: JobId | None = Field(
        None, description="follow this run, by its id, rather than start another"
    )
    cancel: JobId | None = Field(
        None, description="cancel this run, by its id, rather than start another"
    )

    @model_validator(mode="after")
    def _check_purpose(self) -> Submit:
        given = [name for name in ("dry_run", "follow", "cancel") if getattr(self, name)]
        if len(given) > 1:
            raise ValueError(f"{' and '.join(given)} exclude each other")
        return self


class CreateSchedule(BaseModel):
    """Run the pipeline again and again."""

    name: CliPositionalArg[str] = Field(description="how to call the schedule")
    cron: Cron = Field(description="when to run: minute, hour, day, month and weekday")
    time_zone: TimeZone = Field("Etc/UTC", description="time zone of these")
    max_concurrent_runs: int = Field(
        1, ge=1, le=100, description="runs that may go on at once; others wait for their turn"
    )


class ListSchedules(BaseModel):
    """List the schedules there are."""


class OneSchedule(BaseModel):
    """Which schedule."""

    name: CliPositionalArg[str] = Field(description="name of the schedule")


class PauseSchedule(OneSchedule):
    """Start no more runs, until it is resumed."""


class ResumeSchedule(OneSchedule):
    """Start runs again."""


class DeleteSchedule(OneSchedule):
    """Remove a schedule; its runs stay."""


class Schedule(BaseModel):
    """Create, list, pause, resume or delete a recurring run."""

    create: CliSubCommand[CreateSchedule]
    list: CliSubCommand[ListSchedules]
    pause: CliSubCommand[PauseSchedule]
    resume: CliSubCommand[ResumeSchedule]
    delete: CliSubCommand[DeleteSchedule]


class ReleaseStatus(BaseModel):
    """List the versions, and which share of the requests each gets."""


class Promote(BaseModel):
    """Have a version get all requests."""

    version: CliPositionalArg[str | None] = Field(
        None, pattern=r"^\d+$", description="its number; by default the candidate's"
    )


class RollBack(BaseModel):
    """Take the candidate back; without one, go back to the version before."""


class Release(BaseModel):
    """Tell which version the endpoint asks, promote one, or go back."""

    status: CliSubCommand[ReleaseStatus]
    promote: CliSubCommand[Promote]
    rollback: CliSubCommand[RollBack]


class WatchOptions(BaseModel):
    """What a watch looks at, and what it does if that is not as learned."""

    log: Folder = Field(description="gs:// folder of a server's log of requests")
    days: int = Field(7, ge=1, le=366, description="days to look at, up to today in UTC")
    min_rows: int = Field(
        MIN_ROWS, ge=2, description="rows of a day below which it is shown but not judged"
    )
    retrain: bool = Field(
        False,
        description="if it is not well, start the pipeline with --warm-start, once for each "
        "version",
    )


class CompileWatch(WatchOptions):
    """Write the pipeline spec of the watch."""

    output: SpecFile = Field(
        Path("watch.json"), description=Compile.model_fields["output"].description
    )


class SubmitWatch(StartOptions, WatchOptions):
    """Start a watch on Vertex AI."""


class ScheduleWatch(CreateSchedule, WatchOptions):
    """Watch again and again; the command schedule lists, pauses and deletes it."""


class RehearseWatch(WatchOptions):
    """Run the compiled watch on this machine, on the model that was rehearsed last."""

    requests: Path = Field(description="folder of a server's log that stands in for the bucket's")
    root: Path = Field(Path("rehearsal"), description=Rehearse.model_fields["root"].description)


class Watch(BaseModel):
    """Compare what is asked with what was learned: compile, rehearse, submit or schedule that."""

    compile: CliSubCommand[CompileWatch]
    rehearse: CliSubCommand[RehearseWatch]
    submit: CliSubCommand[SubmitWatch]
    schedule: CliSubCommand[ScheduleWatch]


class Batch(BaseModel):
    """Predict for many rows, by a job of Dataflow."""

    input: str = Field(
        description="what to read: a .parquet, .csv or .jsonl file, folder or glob, gs://...; a "
        "table, as bq:project.dataset.table; or a query, or a .sql file of one"
    )
    output: str = Field(
        description="where to: a .parquet, .csv or .jsonl file, gs://...; or a table, as "
        "bq:project.dataset.table, whose rows are replaced"
    )
    dead_letters: BucketFile | None = Field(
        None,
        description="file for the rows that are not answered; by default, beside a file, and for a "
        "table in batch below run_root",
    )
    model_folder: Folder | None = Field(
        None,
        description="folder of numbered versions, of which the newest predicts; by default, the "
        "version that the endpoint asks, or where models are stored",
    )
    run: JobId | None = Field(
        None, description="what the run is called in each row; by default the time"
    )
    request_log: Folder | None = Field(
        None, description="gs:// folder of a log of requests that gets the rows too, for watch"
    )
    request_log_share: float = Field(1.0, gt=0, le=1, description="share of rows that it gets")
    wait: bool = Field(True, description="wait for the end of the job, and tell what came of it")


class Stream(BaseModel):
    """Answer the messages of a Pub/Sub subscription, by a job of Dataflow that goes on."""

    subscription: Subscription = Field(description="what to answer")
    answers: Topic = Field(description="topic of the answers")
    dead_letters: Topic = Field(description="topic of the messages that are not answered")
    table: BigQueryTable | None = Field(
        None, description="table that is there and gets the answers as well; by default, none"
    )
    model_folder: Folder | None = Field(
        None,
        description="folder of numbered versions, of which the newest answers, also one that comes "
        "later; by default, the version that the endpoint asks, or where models are stored",
    )
    id_attribute: str | None = Field(
        None,
        description="attribute by which a message that is published twice is answered once; by "
        "default Pub/Sub's own id",
    )
    most_bytes: int = Field(65_536, ge=1, le=10_000_000, description="longest message to read")
    name: JobId = Field("stream", description="what the job is called, behind the pipeline's name")
    update: bool = Field(
        False, description="replace the running job of that name, which hands over what it has"
    )
