"""Settings come from four places in a known order, and a bad one is refused by name."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from common.errors import UserError
from pipeline.cli.config import load_command, meanings
from pipeline.local import report
from pipeline.local.commands import COMMANDS
from pipeline.settings import LocalSettings, load_settings


@pytest.fixture(autouse=True)
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder without natality.toml, and an environment without settings."""
    monkeypatch.chdir(tmp_path)
    for name in meanings(LocalSettings):
        monkeypatch.delenv(f"NATALITY_{name.upper()}", raising=False)
    return tmp_path


def refused(*arguments: str) -> str:
    with pytest.raises(UserError) as caught:
        load_settings(arguments)
    return f"{caught.value.cause}\n{caught.value.cure}"


def test_flags_overrule_environment_overrules_file_overrules_defaults(
    empty_folder: Path, monkeypatch: pytest.MonkeyPatch
):
    file = empty_folder / "mine.toml"
    file.write_text("train_steps = 11\nbatch_size = 12\nseed = 13\n")
    monkeypatch.setenv("NATALITY_TRAIN_STEPS", "21")
    monkeypatch.setenv("NATALITY_BATCH_SIZE", "22")

    settings = load_settings(["--config", str(file), "--train-steps", "31"])

    assert settings.train_steps == 31
    assert settings.batch_size == 22
    assert settings.seed == 13
    assert settings.checkpoint_interval == LocalSettings.model_fields["checkpoint_interval"].default


def test_natality_toml_is_read_where_it_is(empty_folder: Path):
    assert load_settings().years == "2001-2008"
    (empty_folder / "natality.toml").write_text("years = '2003'\n")
    assert load_settings().years == "2003-2003"


def test_the_environment_can_name_the_file(empty_folder: Path, monkeypatch: pytest.MonkeyPatch):
    (empty_folder / "mine.toml").write_text("train_steps = 11\n")
    monkeypatch.setenv("NATALITY_CONFIG", "mine.toml")
    assert load_settings().train_steps == 11


def test_from_and_to_can_be_set_in_each_place(empty_folder: Path, monkeypatch: pytest.MonkeyPatch):
    assert load_settings(["--from", "Trainer"]).from_ == "Trainer"
    (empty_folder / "natality.toml").write_text("from = 'Transform'\nto = 'Pusher'\n")
    assert (load_settings().from_, load_settings().to) == ("Transform", "Pusher")
    monkeypatch.setenv("NATALITY_FROM", "Evaluator")
    assert load_settings().from_ == "Evaluator"


def test_only_our_variables_are_read(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("FROM", "someone@example.com")
    monkeypatch.setenv("SEED", "none")
    assert load_settings().from_ is None


@pytest.mark.parametrize(
    ("flags", "cache"), [([], True), (["--no-cache"], False), (["--cache"], True)]
)
def test_switches(flags: list[str], cache: bool):
    assert load_settings(flags).cache is cache


def test_settings_are_frozen():
    settings = load_settings()
    with pytest.raises(ValidationError):
        settings.seed = 3  # type: ignore[misc]


def test_home_is_expanded(empty_folder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HOME", str(empty_folder))
    (empty_folder / "natality.toml").write_text("run_root = '~/runs'\n")
    assert load_settings().run_root == empty_folder / "runs"


@pytest.mark.parametrize(
    ("flags", "setting", "seen", "allowed"),
    [
        (["--train-steps", "0"], "train_steps", "'0'", "greater than or equal to 1"),
        (["--train-steps", "many"], "train_steps", "'many'", "integer"),
        (["--train-steps=-5"], "train_steps", "'-5'", "greater than or equal to 1"),
        (["--batch-size", "1.5"], "batch_size", "'1.5'", "integer"),
        (["--sample", "0"], "sample", "'0'", "greater than or equal to 0.000001"),
        (["--sample", "1.1"], "sample", "'1.1'", "less than or equal to 1"),
        (["--sample", "nan"], "sample", "'nan'", "less than or equal to 1"),
        (["--max-rmse", "nan"], "max_rmse", "'nan'", "greater than 0"),
        (["--years", "2008-2001"], "years", "'2008-2001'", "within 1969-2008"),
        (["--years", "1968"], "years", "'1968'", "within 1969-2008"),
        (["--years", "lately"], "years", "'lately'", "such as 2001-2008"),
        (["--table", "natality; DROP"], "table", "'natality; DROP'", "project.dataset.table"),
        (["--anomaly-severity", "bad"], "anomaly_severity", "'bad'", "'warning' or 'never'"),
        (["--judged-slices", "colour"], "judged_slices", "'colour'", "plurality, is_male"),
        (["--schema-file", "none.pbtxt"], "schema_file", "'none.pbtxt'", "no such file"),
        (["--bigquery-temp", "/tmp"], "bigquery_temp", "'/tmp'", "start with gs://"),
        (["--score-input", "no.csv"], "score_input", "'no.csv'", "no such file"),
        (["--score-input", "rows.xlsx"], "score_input", "'rows.xlsx'", ".parquet, .csv or .jsonl"),
        (["--seed", str(2**32)], "seed", f"'{2**32}'", f"less than {2**32}"),
        (["--from", "Trainr"], "from", "'Trainr'", "is Trainer meant?"),
        (["--to", "x"], "to", "'x'", "they are BaseModel, BigQueryExampleGen, "),
        (["--run-root", "runs[1]"], "run_root", "'runs[1]'", "with '[' in its name"),
        (["--run-root", "a\\b"], "run_root", "'a\\\\b'", "with '\\\\' in its name"),
        (["--run-root", "a\nb"], "run_root", "'a\\nb'", "with '\\n' in its name"),
        (["--run-root", "a\udcff"], "run_root", "'a\\udcff'", "not UTF-8"),
        (["--run-root", "a" * 500], "run_root", f"'{'a' * 500}'", "longer than 400 bytes"),
        (["--run-root", "~nobody-here"], "run_root", "'~nobody-here'", "no such user"),
        (["--source", "~nobody-here/a.csv"], "source", "'~nobody-here/a.csv'", "no such user"),
        (["--source", "\udcff.csv"], "source", "'\\udcff.csv'", "not UTF-8"),
        (["--schema-file", "a" * 300], "schema_file", f"'{'a' * 300}'", "file name too long"),
        (["--schema-file", "~nobody-here/s"], "schema_file", "'~nobody-here/s'", "no such user"),
    ],
)
def test_a_bad_value_is_named_with_what_is_allowed(
    flags: list[str], setting: str, seen: str, allowed: str
):
    message = refused(*flags)
    assert f"Setting {setting} is {seen}" in message
    assert allowed in message
    assert f"Change {setting}" in message


def test_a_bad_value_in_a_file_or_the_environment_is_named_too(
    empty_folder: Path, monkeypatch: pytest.MonkeyPatch
):
    (empty_folder / "natality.toml").write_text("train_steps = 0\n")
    assert "Setting train_steps is '0'" in refused()
    (empty_folder / "natality.toml").unlink()
    monkeypatch.setenv("NATALITY_SAMPLE", "2")
    assert "Setting sample is '2'" in refused()


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("years = 1979-05-27", "'1979-05-27'"),
        ("[train_steps]\nx = 1979-05-27", '{x = "1979-05-27"}'),
        ("train_steps = [07:32:00]", '["07:32:00"]'),
        ("train_steps = inf", "'inf'"),
    ],
)
def test_whatever_toml_can_hold_is_shown(empty_folder: Path, text: str, seen: str):
    (empty_folder / "natality.toml").write_text(text)
    assert f"is {seen}: " in refused()


def test_the_first_component_may_not_run_after_the_last():
    message = refused("--from", "Pusher", "--to", "Trainer")
    assert "from is Pusher, which runs after Trainer" in message


@pytest.mark.parametrize(
    "flags",
    [["--train-steps="], ["--train-steps", ""], ["--from="], ["--seed=\n"], ["--project", " "]],
)
def test_an_empty_value_is_named(flags: list[str]):
    assert f"{flags[0].partition('=')[0]} has an empty value" in refused(*flags)


@pytest.mark.parametrize("flag", ["--to", "--tune-steps", "--bigquery-temp"])
def test_null_is_a_word_like_any_other(flag: str):
    assert "is 'null'" in refused(flag, "null")


def test_a_switch_takes_no_value():
    assert "--cache takes no value, and has got 'false'" in refused("--cache=false")


@pytest.mark.parametrize("name", ["settings", "predict", "report", "config"])
def test_a_table_that_would_be_ignored_is_named(empty_folder: Path, name: str):
    (empty_folder / "natality.toml").write_text(f"[{name}]\ntrain_steps = 3\n")
    with pytest.raises(UserError, match=f"There is no setting {name}."):
        load_command(LocalSettings, [], COMMANDS)


@pytest.mark.parametrize(
    ("arguments", "cause", "cure"),
    [
        (["predict", "{}", "--run-root", "x"], "--run-root stands after the command predict", "--"),
        (["--compare", "report"], "--compare is an option of the command report", "after report"),
        (["predict", "--zzz", "7"], "no option --zzz", "--help"),
        (["report", "--runn=7"], "no option --runn", "--run?"),
        (["predicts"], "no command 'predicts'", "predict?"),
        (["xyz"], "no command 'xyz'", "There are clean, init, predict"),
        (["report", "--run="], "--run has an empty value", "leave it out"),
        (["init"], "The following arguments are required: FOLDER.", "See init --help"),
        (["clean", "--keep", "0"], "Setting clean.keep is '0'", "Change clean.keep"),
    ],
)
def test_options_belong_to_commands(arguments: list[str], cause: str, cure: str):
    with pytest.raises(UserError) as caught:
        load_command(LocalSettings, arguments, COMMANDS)
    assert cause in caught.value.cause
    assert cure in caught.value.cure


def test_a_value_may_be_called_as_a_command():
    settings, command, options = load_command(
        LocalSettings, ["--source", "report", "--no-cache", "report", "--run", "predict"], COMMANDS
    )
    assert (settings.source, command) == ("report", "report")
    assert options == report.Options.model_validate({"run": "predict"})
    assert type(settings) is LocalSettings


def test_bigquery_needs_a_project_and_a_folder():
    message = refused("--source", "bigquery", "--project", "mine")
    assert "needs project and bigquery_temp" in message


@pytest.mark.parametrize("flag", ["--score-input", "--score-output"])
def test_rows_to_score_need_a_place_to_go(empty_folder: Path, flag: str):
    (empty_folder / "rows.csv").touch()
    assert "go together, and one of them is missing" in refused(flag, "rows.csv")


@pytest.mark.parametrize(
    ("flag", "hint"),
    [
        ("--trainsteps", "--train-steps"),
        ("--train-step", "--train-steps"),
        ("--nocache", "--no-cache"),
        ("--sampel=0.1", "--sample"),
    ],
)
def test_an_unknown_option_gets_a_hint(flag: str, hint: str):
    message = refused(flag, "3")
    assert f"no option {flag.partition('=')[0]}." in message
    assert hint in message


def test_an_unknown_key_or_variable_gets_a_hint(
    empty_folder: Path, monkeypatch: pytest.MonkeyPatch
):
    (empty_folder / "natality.toml").write_text("train_stepz = 3\n")
    assert refused() == "There is no setting train_stepz.\nDid you mean train_steps?"
    (empty_folder / "natality.toml").unlink()
    monkeypatch.setenv("NATALITY_CACHES", "0")
    assert refused() == "There is no setting NATALITY_CACHES.\nDid you mean NATALITY_CACHE?"


@pytest.mark.parametrize("text", ["train_steps = = 3\n", "train_steps\n", "\xff\xfe"])
def test_a_file_that_is_no_toml_is_named(empty_folder: Path, text: str):
    (empty_folder / "mine.toml").write_bytes(text.encode("latin-1"))
    assert "mine.toml is no TOML" in refused("--config", "mine.toml")


def test_a_file_that_can_not_be_read_is_named(empty_folder: Path):
    (empty_folder / "folder").mkdir()
    (empty_folder / "loop").symlink_to("loop")
    assert "folder can't be read: it is no file" in refused("--config", "folder")
    assert "loop can't be read: too many levels" in refused("--config", "loop")
    (empty_folder / "natality.toml").mkdir()
    assert "natality.toml can't be read: it is no file" in refused()


def test_a_home_that_is_not_there_is_named():
    assert "no settings file ~nobody-here/a.toml" in refused("--config", "~nobody-here/a.toml")


def test_a_file_that_is_not_there_is_named():
    assert "no settings file none.toml" in refused("--config=none.toml")


def test_a_missing_value_and_a_stray_word_are_named():
    assert "--train-steps: expected one argument" in refused("--train-steps")
    assert "'trian'" in refused("trian")


def test_help_explains_every_setting_with_its_default(capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as ended:
        load_settings(["--help"])
    assert ended.value.code == 0
    text = " ".join(capsys.readouterr().out.split())
    for name in meanings(LocalSettings):
        field = LocalSettings.model_fields.get(name) or LocalSettings.model_fields[f"{name}_"]
        flag = f"--{field.alias or name}".replace("_", "-")
        assert f"{flag} " in text or f"{flag}," in text
        assert field.description
        # Long words are broken across lines.
        squeezed = text.replace(" ", "")
        assert field.description.replace(" ", "") in squeezed
        default = "not set" if field.default is None else str(field.default)
        assert f"(default:{default})".replace(" ", "") in squeezed


def test_variables_of_the_vertex_runner_are_its_own(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("NATALITY_VERTEX_REGION", "us-central1")
    assert load_settings().seed == LocalSettings.model_fields["seed"].default
