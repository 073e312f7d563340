"""Settings of the Vertex runner: what Google Cloud would refuse is refused here, by name."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from common.errors import UserError
from data.table import QueryParameters
from models.declaration import Bounds, Hyperparameters
from pipeline.cli.config import load_command, meanings
from pipeline.vertex.commands import COMMANDS
from pipeline.vertex.scales import SCALES
from pipeline.vertex.vertex_settings import VertexSettings, load_settings

EXAMPLE = Path(__file__).parents[3] / "vertex.toml.example"

Load = Callable[..., VertexSettings]


def refused(load: Load, *flags: str) -> str:
    with pytest.raises(UserError) as caught:
        load(*flags)
    return f"{caught.value.cause}\n{caught.value.cure}"


@pytest.mark.parametrize("name", ["project", "run_root", "service_account", "image"])
def test_what_must_be_set_is_named(required: tuple[str, ...], name: str):
    flag = required.index(f"--{name}".replace("_", "-"))
    with pytest.raises(UserError) as caught:
        load_settings([*required[:flag], *required[flag + 2 :]])
    assert f"Setting {name} is missing (" in caught.value.cause
    assert "vertex.toml" in caught.value.cure


@pytest.mark.parametrize(
    ("setting", "bad", "good"),
    [
        ("project", "My Project", "my-project-2"),
        ("project", "123456", "example.com:legacy"),
        ("region", "us-central1-a", "northamerica-northeast1"),
        ("run_root", "/home/me", "gs://my-bucket"),
        ("run_root", "gs://", "gs://my.bucket/a/b"),
        ("run_root", "gs://My-Bucket/a", "gs://my_bucket/a"),
        ("temp", "gs://my-bucket//temp", "gs://my-bucket/temp"),
        ("service_account", "me@example.com", "a@b.iam.gserviceaccount.com"),
        ("image", "natality", "gcr.io/p/natality:v1.2"),
        ("dataflow_image", "gcr.io/p/natality", f"gcr.io/p/natality@sha256:{'0' * 64}"),
        ("network", "default", "projects/12/global/networks/default"),
        ("dataflow_machine_type", "big", "n1-custom-4-8192"),
        ("dataflow_disk", "5", "100"),
        ("dataflow_subnetwork", "default", "regions/us-central1/subnetworks/default"),
        ("dataflow_timeout", "0", "60"),
        ("tensorboard", "natality", "projects/p/locations/us-central1/tensorboards/12"),
        ("push_to", "bucket", "storage"),
        ("endpoint", "births/weight", "births by weight"),
        ("endpoint_traffic", "101", "10"),
    ],
)
def test_forms(vertex_settings: Load, setting: str, bad: str, good: str):
    flag = f"--{setting}".replace("_", "-")
    assert f"Setting {setting} is {bad!r}" in refused(vertex_settings, flag, bad)
    assert str(getattr(vertex_settings(flag, good), setting)) == good


def test_workers_have_an_image_beside_that_of_the_tasks(vertex_settings: Load):
    by_tag = vertex_settings("--image", "localhost:5000/p/natality:v1.2")
    assert by_tag.workers_image == "localhost:5000/p/natality-workers:v1.2"
    by_digest = ["--image", f"gcr.io/p/natality@sha256:{'0' * 64}"]
    assert "dataflow_image must be set" in refused(vertex_settings, *by_digest)
    workers = f"gcr.io/p/natality-workers@sha256:{'1' * 64}"
    by_digest += ["--dataflow-image", workers]
    assert "serving_image must be set" in refused(vertex_settings, *by_digest)
    serving = f"gcr.io/p/natality-serving@sha256:{'2' * 64}"
    named = vertex_settings(*by_digest, "--serving-image", serving)
    assert (named.workers_image, named.serving_container) == (workers, serving)
    assert vertex_settings(*by_digest, "--push-to", "storage").workers_image == workers


def test_a_folder_may_end_in_a_slash(vertex_settings: Load):
    assert vertex_settings("--run-root", "gs://my-bucket/a/").run_root == "gs://my-bucket/a"


@pytest.mark.parametrize("label", ["Team=a", "team=A", "1=a", "team=a.b"])
def test_labels_are_checked(vertex_settings: Load, label: str):
    assert vertex_settings("--labels", "team=a").labels == {"team": "a"}
    name = label.partition("=")[0]
    assert f"Setting labels.{name} is" in refused(vertex_settings, "--labels", label)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--scale", "huge"], "no scale is called 'huge'; there are basic, multi_worker, gpu"),
        (["--dataflow-workers", "20"], "dataflow_workers is 20, more than dataflow_max_workers"),
        (["--endpoint-min-replicas", "3"], "endpoint_min_replicas is 3, more than"),
        (["--dataflow-timeout", "400"], "dataflow_timeout is 400, more than task_timeout, 360"),
        (["--training-timeout", "400"], "training_timeout is 400, more than task_timeout, 360"),
        (
            ["--score-input", "rows.csv", "--score-output", "bq:my-project.rides.scored"],
            "score_input is 'rows.csv', which Dataflow's workers do not reach",
        ),
        (
            ["--dataflow-subnetwork", "regions/europe-west1/subnetworks/a"],
            "which is not in region us-central1",
        ),
        (
            ["--tensorboard", "projects/p/locations/europe-west1/tensorboards/1"],
            "which is not in region us-central1",
        ),
    ],
)
def test_settings_that_do_not_fit_together(vertex_settings: Load, flags: list[str], message: str):
    assert message in refused(vertex_settings, *flags)


def test_scales_can_be_added_and_changed_in_the_file(vertex_settings: Load, empty_folder: Path):
    (empty_folder / "vertex.toml").write_text(
        'scale = "mine"\n[scales.mine]\nmachine_type = "n2-standard-32"\nmachines = 2\n'
        '[scales.basic]\nmachine_type = "n2-standard-4"\n'
    )
    scales = vertex_settings().all_scales
    assert set(scales) == {*SCALES, "mine"}
    assert scales["mine"].machines == 2
    assert scales["basic"].machine_type == "n2-standard-4"


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("machines = 2", "Setting scales.mine.machine_type is missing"),
        ('machine_type = "n2-standard-4"\nmachines = 0', "Setting scales.mine.machines is '0'"),
        ('machine_type = "n2-standard-4"\ngpus = 1', "Setting scales.mine.gpus is '1'"),
        (
            'machine_type = "n2-standard-4"\naccelerator_count = 1',
            'Setting scales.mine is {machine_type = "n2-standard-4", accelerator_count = 1}: '
            "accelerator_type and accelerator_count belong together",
        ),
    ],
)
def test_a_scale_is_checked(vertex_settings: Load, empty_folder: Path, table: str, message: str):
    (empty_folder / "vertex.toml").write_text(f"[scales.mine]\n{table}\n")
    assert message in refused(vertex_settings)


@pytest.mark.parametrize(
    ("flags", "setting"),
    [
        (["schedule", "create", "weekly", "--cron", "daily"], "schedule.create.cron"),
        (
            ["schedule", "create", "w", "--cron", "0 6 * * 1", "--time-zone", "Mars/Base"],
            "schedule.create.time_zone",
        ),
        (["compile", "--output", "natality.txt"], "compile.output"),
    ],
)
def test_options_of_commands_are_checked(required: tuple[str, ...], flags: list[str], setting: str):
    with pytest.raises(UserError) as caught:
        load_command(VertexSettings, [*required, *flags], COMMANDS)
    assert f"Setting {setting} is '{flags[-1]}'" in caught.value.cause


@pytest.mark.parametrize(
    ("cron", "reason"),
    [
        ("0 0 31 2,4 *", "Bad day-of-month"),
        ("@daily", "Wrong number of fields"),
        ("0 0 L * *", "Vertex AI knows"),
        ("0 0 * * 1#2", "Vertex AI knows"),
        ("* 0 0 * * *", "Vertex AI knows"),
    ],
)
def test_a_time_that_never_comes_or_vertex_can_not_read(
    required: tuple[str, ...], cron: str, reason: str
):
    with pytest.raises(UserError) as caught:
        load_command(
            VertexSettings, [*required, "schedule", "create", "w", "--cron", cron], COMMANDS
        )
    assert "schedule.create.cron" in caught.value.cause
    assert reason.lower() in str(caught.value).lower()


@pytest.mark.parametrize("cron", ["0 6 * * MON", "*/5 0-3,7 1 jan-mar 0", "0 0 29 2 *"])
def test_times_that_vertex_can_read(required: tuple[str, ...], cron: str):
    load_command(VertexSettings, [*required, "schedule", "create", "w", "--cron", cron], COMMANDS)


def test_the_example_has_every_setting_with_its_default():
    text = EXAMPLE.read_text()
    settings = load_settings(["--config", str(EXAMPLE)])

    named = set(re.findall(r"^(?:# )?(\w+) = ", text, re.MULTILINE))
    shown = set(re.findall(r"^(\w+) = ", text.partition("\n[")[0], re.MULTILINE))
    query = set(QueryParameters.model_fields)
    assert set(meanings(VertexSettings)) - named == {"config", "scales"} | query
    assert settings.all_scales == SCALES == settings.scales
    for name in shown:
        field = VertexSettings.model_fields[name]
        assert field.is_required() or getattr(settings, name) == field.default, name
    with_default = {
        name
        for name, field in VertexSettings.model_fields.items()
        if name in meanings(VertexSettings) and field.default is not None
    }
    declared = set(query) | {"table", "endpoint"}
    declared |= {f.name for kind in (Bounds, Hyperparameters) for f in dataclasses.fields(kind)}
    # Of a warm start, runs and schedules have each a default of their own.
    assert with_default - shown == {"scales", "schema_file", "warm_start"} | declared


def test_what_the_example_shows_of_settings_without_a_default_is_allowed(empty_folder: Path):
    text = re.sub(r"^# (?!schema_file)(\w+ = )", r"\1", EXAMPLE.read_text(), flags=re.MULTILINE)
    (empty_folder / "vertex.toml").write_text(text)
    settings = load_settings()
    assert settings.network
    assert settings.tensorboard


def test_help_names_the_commands_and_what_they_do(capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit):
        load_command(VertexSettings, ["--help"], COMMANDS)
    text = " ".join(capsys.readouterr().out.split())
    assert "compile Write the pipeline spec that Vertex AI runs." in text
    assert "schedule Create, list, pause, resume or delete a recurring run." in text
