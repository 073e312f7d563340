"""What a user may choose.

Defaults, then a TOML file, then the environment, then flags; each overrules the one before. This is
the only place where a choice has its default, its unit and its check.
"""

from __future__ import annotations

import difflib
import inspect
import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, Field, ValidationError, field_validator, model_validator
from pydantic_settings import (
    BaseSettings,
    CliPositionalArg,
    CliSubCommand,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
    TomlConfigSettingsSource,
)

from data.errors import UserError
from data.query import NATALITY
from models.bounds import Bounds
from models.features import SLICES

ROOT = Path(__file__).resolve().parent.parent
SAMPLE = "sample"
BIGQUERY = "bigquery"
ENV_PREFIX = "NATALITY_"
DEFAULT_CONFIG = Path("natality.toml")

FIRST_YEAR, LAST_YEAR = 1969, 2008
"""Years of birth that the natality table holds."""


class Predict(BaseModel):
    """Ask the newest pushed model for a weight, in pounds."""

    request: CliPositionalArg[str] = Field(
        description="One birth as JSON, such as "
        '\'{"mother_age": 28, "gestation_weeks": 39, "plurality": "Single(1)"}\'.'
    )


class Settings(BaseSettings):
    """Runs the natality pipeline on this machine, from births to a pushed model.

    Each option can also stand in a TOML file (train_steps = 500) or in the environment
    (NATALITY_TRAIN_STEPS=500); flags overrule the environment, the environment overrules the file.
    """

    model_config = SettingsConfigDict(
        env_prefix=ENV_PREFIX,
        env_prefix_target="all",  # Else --from would be read from a variable named FROM.
        env_ignore_empty=True,
        frozen=True,
        extra="forbid",
        validate_default=True,
        cli_exit_on_error=False,
        cli_prog_name="local_runner.py",
        cli_kebab_case=True,
        cli_implicit_flags=True,
        cli_hide_none_type=True,
    )

    config: Path | None = Field(
        None, description="TOML file with settings; natality.toml is read if it is there"
    )

    source: str = Field(
        SAMPLE,
        description="where births come from: 'sample' (50,000 births that come with the project), "
        "'bigquery', or a Parquet or CSV file, folder or glob with the natality columns",
    )
    project: str | None = Field(None, description="Google Cloud project that pays for BigQuery")
    table: str = Field(NATALITY, description="natality table, as project.dataset.table")
    bigquery_temp: str | None = Field(
        None, description="gs:// folder through which BigQuery hands over its rows"
    )
    years: str = Field("2001-2008", description="years of birth, both included, within 1969-2008")
    sample: float = Field(
        1.0, ge=1e-6, le=1, description="share of the births to use, the same ones each time"
    )

    train_steps: int = Field(
        1500, ge=1, le=100_000_000, description="steps of training, one batch each"
    )
    batch_size: int = Field(512, ge=1, le=1_000_000, description="examples per step")
    checkpoint_every: int = Field(
        500, ge=1, description="steps between checkpoints, and between looks at the eval split"
    )
    cache_examples: bool = Field(
        True, description="keep the training examples in memory, about 200 bytes each"
    )
    seed: int = Field(20_01, ge=0, description="seed of weights and shuffling")

    schema_file: Path = Field(
        ROOT / "schema" / "schema.pbtxt", description="curated schema that examples must keep to"
    )
    anomaly_severity: Literal["error", "warning", "never"] = Field(
        "error", description="anomalies of this severity or worse stop the run before training"
    )

    max_rmse: float = Field(
        1.15, gt=0, description="highest RMSE at which a model is blessed, in pounds"
    )
    max_slice_rmse: float = Field(
        2.5, gt=0, description="highest RMSE in any slice that is judged, in pounds"
    )
    max_rmse_rise: float = Field(
        0.01, ge=0, description="highest rise of the RMSE over the baseline model, in pounds"
    )
    max_slice_rmse_rise: float = Field(
        0.1, ge=0, description="the same, in any slice that is judged, in pounds"
    )
    min_slice_size: int = Field(
        200, ge=1, description="smaller slices are shown but not judged, in examples"
    )
    judged_slices: str = Field(
        "ultrasound,plurality,gestation_band,mother_age_band,birth_weight",
        description=f"slices that matter enough to judge, of {', '.join(SLICES)}",
    )

    run_root: Path = Field(
        Path("runs"), description="folder for metadata, artifacts, logs, checkpoints and models"
    )
    from_: str | None = Field(
        None, alias="from", description="first component to run; earlier ones are reused"
    )
    to: str | None = Field(None, description="last component to run")
    cache: bool = Field(
        True, description="reuse what a component made of the same inputs, code and settings"
    )

    predict: CliSubCommand[Predict]

    @field_validator("years")
    @classmethod
    def _check_years(cls, years: str) -> str:
        match = re.fullmatch(r"(\d{4})(?:-(\d{4}))?", years.strip())
        if not match:
            raise ValueError("write one year or a range, such as 2001-2008")
        first, last = int(match[1]), int(match[2] or match[1])
        if not FIRST_YEAR <= first <= last <= LAST_YEAR:
            raise ValueError(f"years must rise and lie within {FIRST_YEAR}-{LAST_YEAR}")
        return f"{first}-{last}"

    @field_validator("run_root", "schema_file")
    @classmethod
    def _expand_home(cls, path: Path) -> Path:
        return path.expanduser()

    @field_validator("schema_file")
    @classmethod
    def _check_file(cls, file: Path) -> Path:
        if not file.is_file():
            raise ValueError("there is no such file")
        return file

    @field_validator("table")
    @classmethod
    def _check_table(cls, table: str) -> str:
        if not re.fullmatch(r"[\w-]+(\.[\w-]+){2}", table):
            raise ValueError("write project.dataset.table, of letters, digits, - and _")
        return table

    @field_validator("bigquery_temp")
    @classmethod
    def _check_temp(cls, folder: str | None) -> str | None:
        if folder is not None and not folder.startswith("gs://"):
            raise ValueError("must start with gs://")
        return folder

    @field_validator("judged_slices")
    @classmethod
    def _check_slices(cls, slices: str) -> str:
        for name in filter(None, slices.split(",")):
            if name not in SLICES:
                raise ValueError(f"no slice is called {name!r}; there are {', '.join(SLICES)}")
        return slices

    @model_validator(mode="after")
    def _check_bigquery(self) -> Settings:
        if self.source == BIGQUERY and not (self.project and self.bigquery_temp):
            raise ValueError("source 'bigquery' needs project and bigquery_temp as well")
        return self

    @property
    def first_year(self) -> int:
        """First year of birth, included."""
        return int(self.years.split("-")[0])

    @property
    def last_year(self) -> int:
        """Last year of birth, included."""
        return int(self.years.split("-")[1])

    @property
    def bounds(self) -> Bounds:
        """When a model is blessed."""
        return Bounds(
            max_rmse=self.max_rmse,
            max_slice_rmse=self.max_slice_rmse,
            max_rmse_rise=self.max_rmse_rise,
            max_slice_rmse_rise=self.max_slice_rmse_rise,
            min_slice_size=self.min_slice_size,
            judged_slices=tuple(filter(None, self.judged_slices.split(","))),
        )

    @property
    def serving_folder(self) -> Path:
        """Where versions of the model are pushed, one numbered folder each."""
        return self.run_root / "serving" / "natality"

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The order in which sources overrule each other; flags come before all of these."""
        config = init_settings.init_kwargs.get("config")  # type: ignore[attr-defined]
        file = config or (DEFAULT_CONFIG if DEFAULT_CONFIG.exists() else None)
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls, toml_file=file)


Settings.__doc__ = inspect.cleandoc(Settings.__doc__ or "")  # As --help shows it.


def load_settings(arguments: Sequence[str] = ()) -> Settings:
    """Reads the settings from all their sources.

    Args:
        arguments: Command-line flags.

    Returns:
        Checked, frozen settings.

    Raises:
        UserError: If a value is not allowed, or a name not known.
        SystemExit: After `--help`.
    """
    _check_names(arguments)
    config = _config_file(arguments)
    given = {} if config is None else {"config": config}
    try:
        return Settings(_cli_parse_args=list(arguments), **given)  # type: ignore[call-arg]
    except ValidationError as error:
        raise _explained(error) from error
    except SettingsError as error:
        cause = str(error).removeprefix("error parsing CLI: ")
        raise UserError(f"{cause[0].upper()}{cause[1:]}.", "See --help for the options.") from error
    except ValueError as error:  # Also TOMLDecodeError, whose module depends on Python's version.
        raise UserError(
            f"The settings file {config or DEFAULT_CONFIG} is no TOML: {error}.",
            "Write one setting a line, such as train_steps = 500 or years = '2001-2008'.",
        ) from error


def _names() -> dict[str, str]:
    """What users call a setting, and what it means."""
    return {
        field.alias or name: field.description or ""
        for name, field in Settings.model_fields.items()
        if field.annotation != CliSubCommand[Predict]
    }


def _check_names(arguments: Sequence[str]) -> None:
    """Refuses what would otherwise be ignored, or taken for something else."""
    flags = {f"--{name}".replace("_", "-") for name in _names()}
    switches = {name for name, field in Settings.model_fields.items() if field.annotation is bool}
    flags |= {f"--no-{name}".replace("_", "-") for name in switches} | {"--help"}
    for argument in arguments:
        flag = argument.partition("=")[0]
        if flag.startswith("--") and flag not in flags:
            raise _unknown("option", flag, flags)
    variables = {f"{ENV_PREFIX}{name}".upper() for name in _names()}
    for variable in os.environ:
        if variable.startswith(ENV_PREFIX) and variable not in variables:
            raise _unknown("setting", variable, variables)


def _unknown(kind: str, name: str, known: Iterable[str]) -> UserError:
    close = difflib.get_close_matches(name, known, n=1)
    hint = f"Did you mean {close[0]}?" if close else "See --help for the settings there are."
    return UserError(f"There is no {kind} {name}.", hint)


def _config_file(arguments: Sequence[str]) -> Path | None:
    """The settings file asked for; it must be known before the settings are read."""
    path = os.environ.get(f"{ENV_PREFIX}CONFIG", "")
    for index, argument in enumerate(arguments):
        name, equals, value = argument.partition("=")
        if name == "--config":
            path = value if equals else "".join(arguments[index + 1 : index + 2])
    if not path:
        return None
    if not Path(path).is_file():
        raise UserError(f"There is no settings file {path}.", "Check the path given as config.")
    return Path(path)


def _explained(error: ValidationError) -> UserError:
    """The first thing wrong, in words of the user: setting, value seen, what is allowed."""
    first: Any = error.errors()[0]
    name = str(first["loc"][0]) if first["loc"] else ""
    if first["type"] == "extra_forbidden":
        return _unknown("setting", name, _names())
    message = str(first["msg"]).removeprefix("Value error, ")
    if not name:
        return UserError(f"The settings don't fit together: {message}.", "See --help.")
    meaning = f" ({_names()[name]})" if _names().get(name) else ""
    return UserError(
        f"Setting {name} is {str(first['input'])!r}: {message[0].lower()}{message[1:]}.",
        f"Change {name}{meaning}.",
    )
