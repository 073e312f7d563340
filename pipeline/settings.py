"""What a user may choose about the pipeline, wherever it runs, and about a run on this machine.

Defaults, then a TOML file, then the environment, then flags; each overrules the one before. This is
the only place where such a choice has its default, its unit and its check. How they are read is
`pipeline/cli/config.py`'s; what Vertex AI adds, `pipeline/vertex/vertex_settings.py`'s.
"""

from __future__ import annotations

import dataclasses
import difflib
import glob
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationInfo, field_validator, model_validator
from pydantic_settings import SettingsConfigDict

from data.table import TABLE, QueryParameters
from models.declaration import Bounds, Hyperparameters
from models.features import HYPERPARAMETERS, LABEL, SLICES
from models.judging import BOUNDS
from pipeline.cli.config import LOCAL_PREFIX, Layered, load

ROOT = Path(__file__).resolve().parent.parent
SAMPLE = "sample"
BIGQUERY = "bigquery"
PRODUCTION = "production"

_UNIT = f", in {LABEL.unit}" if LABEL.unit else ""

COMPONENTS = (
    *("BaseModel", "BigQueryExampleGen", "ImportSchemaGen", "TunedHyperparameters"),
    *("StatisticsGen", "ExampleValidator", "PreviousStatistics", "SchemaGen", "AnomalyGate"),
    *("AcceptedStatistics", "Transform", "Tuner", "Trainer", "Baseline"),
    *("Evaluator", "Replay", "Pusher", "BatchScorer", "Report"),
)
"""Of the pipeline, in the order in which they run; known without loading TFX. A setting may leave
some out, see `Settings.components`."""

ROW_FILES = (".parquet", ".csv", ".csv.gz", ".jsonl", ".jsonl.gz")
"""Ends of the names of files with rows to score."""

LONGEST_ROOT = 400
"""Bytes of the run root's path: SQLite opens no file whose path has more than 511."""


def expanded(path: Path) -> Path:
    """A path with ~ replaced by the home folder.

    Raises:
        ValueError: If it names a user whom this machine does not know, or is not text.
    """
    try:
        str(path).encode()
        return path.expanduser()
    except UnicodeEncodeError as error:
        raise ValueError("its name is not UTF-8") from error
    except RuntimeError as error:
        raise ValueError("there is no such user") from error


class Settings(Layered, QueryParameters):
    """What is chosen about the pipeline, wherever it runs."""

    table: str = Field(TABLE.name, description="table, as project.dataset.table")
    sample: float = Field(
        1.0, ge=1e-6, le=1, description=f"share of the {TABLE.rows} to use, the same ones each time"
    )

    shards: int | None = Field(
        None,
        ge=1,
        le=1000,
        description="files that each split is dealt out to, so that workers share them; by "
        "default, as many as there are machines that train",
    )

    train_steps: int = Field(
        1500, ge=1, le=100_000_000, description="steps of training, one batch each"
    )
    batch_size: int = Field(512, ge=1, le=1_000_000, description="examples per step")
    checkpoint_interval: int = Field(
        500, ge=1, description="steps between checkpoints, and between looks at the eval split"
    )
    cache_examples: bool = Field(
        True, description="keep the training examples in memory, about 200 bytes each"
    )
    warm_start: bool = Field(
        False,
        description="go on from the last blessed model: its weights, hyperparameters and steps; a "
        "schedule does so unless told not to",
    )
    seed: int = Field(20_01, ge=0, lt=2**32, description="seed of weights and shuffling")

    tune_trials: int = Field(
        0,
        ge=0,
        le=10_000,
        description="sets of hyperparameters to try before training; with none, what was found "
        "last is used",
    )
    tune_processes: int = Field(2, ge=1, le=1000, description="how many are tried at a time")
    tune_steps: int | None = Field(
        None, ge=1, description="steps of each trial; by default, those of training"
    )
    mixed_precision: bool = Field(
        False, description="compute the deep half in bfloat16: for GPUs that are made for it"
    )

    hidden_units: str = Field(
        ",".join(map(str, HYPERPARAMETERS.hidden_units)),
        description="widths of the deep half's layers, the first one first",
    )
    category_embedding: int = Field(
        HYPERPARAMETERS.category_embedding,
        ge=1,
        description="width of the embedding of each category, in the deep half",
    )
    wide_learning_rate: float = Field(
        HYPERPARAMETERS.wide_learning_rate, gt=0, description="learning rate of the wide half"
    )
    wide_l2: float = Field(
        HYPERPARAMETERS.wide_l2, ge=0, description="L2 regularisation of the wide half"
    )
    deep_learning_rate: float = Field(
        HYPERPARAMETERS.deep_learning_rate,
        gt=0,
        description="learning rate of the deep half at first; it falls to zero",
    )
    cross_share: float = Field(
        HYPERPARAMETERS.cross_share,
        gt=0,
        le=1,
        description="share of its buckets that each cross uses",
    )
    label_scale: float = Field(
        HYPERPARAMETERS.label_scale,
        gt=0,
        description=f"about the label's standard deviation, which rates are relative to{_UNIT}",
    )

    schema_file: Path = Field(
        ROOT / "schema" / "schema.pbtxt", description="schema that examples must keep to"
    )
    anomaly_severity: Literal["error", "warning", "never"] = Field(
        "error", description="anomalies of this severity or worse stop the run before training"
    )

    max_rmse: float = Field(
        BOUNDS.max_rmse, gt=0, description=f"highest RMSE at which a model is blessed{_UNIT}"
    )
    max_slice_rmse: float = Field(
        BOUNDS.max_slice_rmse,
        gt=0,
        description=f"highest RMSE in any slice that is judged{_UNIT}",
    )
    max_rmse_rise: float = Field(
        BOUNDS.max_rmse_rise,
        ge=0,
        description=f"highest rise of the RMSE over the baseline model{_UNIT}",
    )
    max_slice_rmse_rise: float = Field(
        BOUNDS.max_slice_rmse_rise,
        ge=0,
        description=f"the same, in any slice that is judged{_UNIT}",
    )
    min_slice_size: int = Field(
        BOUNDS.min_slice_size,
        ge=1,
        description="smaller slices are shown but not judged, in examples",
    )
    judged_slices: str = Field(
        ",".join(BOUNDS.judged_slices),
        description=f"slices that matter enough to judge, of {', '.join(SLICES)}",
    )

    replay_requests: str | None = Field(
        None,
        description="folder of a server's log of requests, which a model must answer before it is "
        "pushed; by default, rows of the test split",
    )
    max_replay_p99_ms: float = Field(
        1000.0,
        gt=0,
        description="longest that 99% of those requests may take, in milliseconds; busy machines "
        "are slow, so the default stops nothing but what is out of hand",
    )

    reference: Literal["local", "bigquery_ml"] = Field(
        "local",
        description="what the report holds the model against: learners on this machine, or besides "
        "them a model that BigQuery ML trains on the same splits",
    )
    bigquery_ml_model: Literal[
        "LINEAR_REG", "BOOSTED_TREE_REGRESSOR", "DNN_LINEAR_COMBINED_REGRESSOR"
    ] = Field("BOOSTED_TREE_REGRESSOR", description="kind of that model")
    bigquery_ml_dataset: str | None = Field(
        None,
        description="dataset that keeps models in BigQuery, as project.dataset; the project pays",
    )

    score_input: str | None = Field(
        None,
        description="rows to predict after each push: .parquet, .csv or .jsonl files, or a table, "
        "as bq:project.dataset.table",
    )
    score_output: str | None = Field(
        None, description="where they go, with their predictions: a file or a table"
    )

    environment: str = Field(
        "development",
        pattern=r"^[a-z]([a-z0-9-]{0,28}[a-z0-9])?$",
        description="what the run is for: 'production', or a name of your own; data and model are "
        "compared with those of the same environment only",
    )
    cache: bool = Field(
        True, description="reuse what a component made of the same inputs, code and settings"
    )

    @field_validator("schema_file")
    @classmethod
    def _check_file(cls, file: Path) -> Path:
        file = expanded(file)
        try:
            there = file.is_file()
        except OSError as error:
            raise ValueError(f"it can't be read: {str(error.strerror).lower()}") from error
        if not there:
            raise ValueError("there is no such file")
        return file

    @field_validator("table")
    @classmethod
    def _check_table(cls, table: str) -> str:
        if not re.fullmatch(r"[\w-]+(\.[\w-]+){2}", table):
            raise ValueError("write project.dataset.table, of letters, digits, - and _")
        return table

    @field_validator("bigquery_ml_dataset")
    @classmethod
    def _check_dataset(cls, dataset: str | None) -> str | None:
        if dataset is not None and not re.fullmatch(r"[a-z][a-z0-9-]+\.\w+", dataset):
            raise ValueError("write project.dataset")
        return dataset

    @field_validator("judged_slices")
    @classmethod
    def _check_slices(cls, slices: str) -> str:
        for name in filter(None, slices.split(",")):
            if name not in SLICES:
                raise ValueError(f"no slice is called {name!r}; there are {', '.join(SLICES)}")
        return slices

    @field_validator("hidden_units")
    @classmethod
    def _check_units(cls, units: str) -> str:
        if units and not re.fullmatch(r"[1-9]\d{0,4}(,[1-9]\d{0,4})*", units):
            raise ValueError("write widths with commas between them, such as 64,32")
        return units

    @model_validator(mode="after")
    def _check_environment(self) -> Settings:
        if self.environment == PRODUCTION and self.sample < 1:
            raise ValueError(
                f"environment is {PRODUCTION!r} and sample {self.sample:g}; what was learned from "
                "a sample must not become the baseline of the whole table"
            )
        return self

    @model_validator(mode="after")
    def _check_reference(self) -> Settings:
        if self.reference == "bigquery_ml" and not self.bigquery_ml_dataset:
            raise ValueError("reference 'bigquery_ml' needs bigquery_ml_dataset as well")
        return self

    @field_validator("score_input", "score_output")
    @classmethod
    def _check_place(cls, place: str | None) -> str | None:
        table = r"(bq:)?[\w-]+(\.[\w-]+){2}"
        if place and not (place.endswith(ROW_FILES) or re.fullmatch(table, place)):
            raise ValueError(
                "write a name that ends in .parquet, .csv or .jsonl, or bq:project.dataset.table"
            )
        return place

    @model_validator(mode="after")
    def _check_scoring(self) -> Settings:
        if (self.score_input is None) != (self.score_output is None):
            raise ValueError("score_input and score_output go together, and one of them is missing")
        return self

    @property
    def components(self) -> tuple[str, ...]:
        """Those of the pipeline as it is set, in the order in which they run."""
        left_out = ["TunedHyperparameters" if self.tune_trials else "Tuner"]
        left_out += [] if self.warm_start else ["BaseModel"]
        left_out += [] if self.score_input else ["BatchScorer"]
        return tuple(name for name in COMPONENTS if name not in left_out)

    @property
    def chosen_hyperparameters(self) -> tuple[str, ...]:
        """Names of those that the user has set, be it to what they are by default."""
        return tuple(name for name in _names(Hyperparameters) if name in self.model_fields_set)

    @property
    def hyperparameters(self) -> Hyperparameters:
        """What shapes the network and how it learns."""
        values: dict[str, Any] = {name: getattr(self, name) for name in _names(Hyperparameters)}
        values["hidden_units"] = tuple(int(w) for w in self.hidden_units.split(",") if w)
        return Hyperparameters(**values)

    @property
    def bounds(self) -> Bounds:
        """When a model is blessed."""
        values: dict[str, Any] = {name: getattr(self, name) for name in _names(Bounds)}
        values["judged_slices"] = tuple(filter(None, self.judged_slices.split(",")))
        return Bounds(**values)


def _names(declared: type[Hyperparameters] | type[Bounds]) -> list[str]:
    """Of its fields; the settings have one of each name."""
    return [field.name for field in dataclasses.fields(declared)]


class LocalSettings(Settings):
    """What is chosen about a run on this machine."""

    model_config = SettingsConfigDict(cli_prog_name="local_runner.py")
    default_config = Path(f"{TABLE.pipeline}.toml")
    incidental = Settings.incidental | {
        *("run_root", "versions_kept", "from_", "to", "read_in_chunks"),
    }

    source: str = Field(
        SAMPLE,
        description=f"where {TABLE.rows} come from: 'sample' (those that come with the project), "
        "'bigquery', or a Parquet or CSV file, folder or glob with the table's columns",
    )
    project: str | None = Field(None, description="Google Cloud project that pays for BigQuery")
    bigquery_temp: str | None = Field(
        None, description="gs:// folder through which BigQuery hands over its rows"
    )

    run_root: Path = Field(
        Path("runs"), description="folder for metadata, artifacts, logs, checkpoints and models"
    )
    versions_kept: int = Field(
        5, ge=1, le=1000, description="newest pushed models that stay; older ones are removed"
    )
    from_: str | None = Field(
        None, alias="from", description="first component to run; earlier ones are reused"
    )
    to: str | None = Field(None, description="last component to run")

    read_in_chunks: bool = Field(
        True, description="read examples in chunks; --no-read-in-chunks does it as TFX does, slowly"
    )

    @field_validator("run_root")
    @classmethod
    def _check_root(cls, path: Path) -> Path:
        path = expanded(path)
        whole = os.path.abspath(path)
        if bad := next((c for c in whole if c in "*?[\\" or not c.isprintable()), None):
            raise ValueError(f"no component can work below a folder with {bad!r} in its name")
        if len(os.fsencode(whole)) > LONGEST_ROOT:
            raise ValueError(f"its path is longer than {LONGEST_ROOT} bytes")
        return path

    @field_validator("replay_requests")
    @classmethod
    def _check_requests(cls, folder: str | None) -> str | None:
        if folder is None or folder.startswith("gs://"):
            return folder
        path = expanded(Path(folder))
        if not path.is_dir():
            raise ValueError("there is no such folder")
        return str(path.resolve())

    @field_validator("score_input", "score_output")
    @classmethod
    def _check_rows(cls, place: str | None, field: ValidationInfo) -> str | None:
        if place is None or not place.endswith(ROW_FILES) or place.startswith("gs://"):
            return place
        path = str(expanded(Path(place)))
        # Told now, and not once a model is pushed.
        if field.field_name == "score_input" and not glob.glob(path):
            raise ValueError("there is no such file")
        return path

    @field_validator("source")
    @classmethod
    def _check_source(cls, source: str) -> str:
        return source if source in (SAMPLE, BIGQUERY) else str(expanded(Path(source)))

    @field_validator("from_", "to")
    @classmethod
    def _check_component(cls, name: str | None) -> str | None:
        if name is None or name in COMPONENTS:
            return name
        close = difflib.get_close_matches(name, COMPONENTS, n=1)
        hint = f"is {close[0]} meant?" if close else f"they are {', '.join(COMPONENTS)}"
        raise ValueError(f"there is no such component; {hint}")

    @model_validator(mode="after")
    def _check_ends(self) -> LocalSettings:
        for name in filter(None, (self.from_, self.to)):
            if name not in self.components:
                raise ValueError(f"{name} is no part of the pipeline as it is set")
        first, last = self.from_ or COMPONENTS[0], self.to or COMPONENTS[-1]
        if COMPONENTS.index(first) > COMPONENTS.index(last):
            raise ValueError(f"from is {first}, which runs after {last}, and that is to")
        return self

    @field_validator("bigquery_temp")
    @classmethod
    def _check_temp(cls, folder: str | None) -> str | None:
        if folder is not None and not folder.startswith("gs://"):
            raise ValueError("must start with gs://")
        return folder

    @model_validator(mode="after")
    def _check_bigquery(self) -> LocalSettings:
        if self.source == BIGQUERY and not (self.project and self.bigquery_temp):
            raise ValueError("source 'bigquery' needs project and bigquery_temp as well")
        if self.reference == "bigquery_ml" and self.source != BIGQUERY:
            raise ValueError("reference 'bigquery_ml' needs source 'bigquery', to learn from")
        return self

    @property
    def source_path(self) -> Path:
        """File, folder or glob of the source, where it is not BigQuery."""
        return TABLE.sample if self.source == SAMPLE else Path(self.source)

    @property
    def serving_folder(self) -> Path:
        """Where versions of the model are pushed, one numbered folder each."""
        return self.run_root / "serving" / TABLE.pipeline


# As --help shows it.
LocalSettings.__doc__ = f"""\
Runs the {TABLE.pipeline} pipeline on this machine, from {TABLE.rows} to a pushed model.

Each option can also stand in a TOML file (train_steps = 500) or in the environment
({LOCAL_PREFIX}TRAIN_STEPS=500); flags overrule the environment, the environment overrules the file.
"""


def load_settings(arguments: Sequence[str] = ()) -> LocalSettings:
    """Reads the settings of the local runner; see `pipeline.cli.config.load`."""
    return load(LocalSettings, arguments)
