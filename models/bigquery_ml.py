"""The script that has BigQuery ML train and judge a model on the same splits and features.

The text is `data/bigquery_ml.sql`; this fills it from the declaration. BigQuery ML fills in numbers
that are NULL by itself, with their mean.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from string import Template

from data.table import TABLE
from models import features as declared
from models.declaration import UNKNOWN, Category, Hyperparameters, Number
from models.declared_sql import as_literal, bucket, cross_hash, word
from models.transform import bucket_name, quantile_name, unknown_name, z_score_name


def write_script(
    kind: str, model: str, queries: Mapping[str, str], options: Hyperparameters
) -> str:
    """The script.

    Args:
        kind: Of model, as BigQuery ML calls it.
        model: Its name, as `project.dataset.model`; one that is there is replaced.
        queries: By split, its query.
        options: What of them the kind has.

    Returns:
        BigQuery SQL: one statement that trains, and one that answers with `rmse` and `mae` on the
        eval split, in the label's unit.
    """
    chosen = {
        "model_type": as_literal(kind),
        "input_label_cols": f"[{as_literal(declared.LABEL.name)}]",
        # All of the train split is learned from; the eval split stays unseen.
        "data_split_method": "'NO_SPLIT'",
    }
    if kind == "DNN_LINEAR_COMBINED_REGRESSOR" and options.hidden_units:
        chosen["hidden_units"] = f"[{', '.join(map(str, options.hidden_units))}]"
    template = (TABLE.query.parent / "bigquery_ml.sql").read_text(encoding="utf-8")
    return Template(template).substitute(
        model=model,
        transform=_listed(_transform()),
        options=_listed(f"{name} = {value}" for name, value in chosen.items()),
        train=queries["train"].strip(),
        eval=queries["eval"].strip(),
    )


def _listed(lines: Iterable[str]) -> str:
    return ",\n".join(f"  {line}" for line in lines)


def _transform() -> list[str]:
    """The columns that the model learns from, and the label."""
    columns, parts = [], {}
    for feature in declared.FEATURES:
        if isinstance(feature, Category):
            parts[feature.name] = word(feature.name)
            columns.append(f"{word(feature.name)} AS {feature.name}")
        else:
            columns += _number(feature)
            if feature.boundaries:
                parts[feature.name] = _bucket(feature)
    for cross in declared.CROSSES:
        hashed = cross_hash(parts[parent] for parent in cross.parents)
        # As many buckets as our own; which combinations share one is chance there as here.
        columns.append(f"CAST(ABS(MOD({hashed}, {cross.buckets})) AS STRING) AS {cross.name}")
    return [*columns, declared.LABEL.name]


def _number(number: Number) -> list[str]:
    # BigQuery ML takes a STRING as a category, and a number as a magnitude.
    columns = [f"ML.STANDARD_SCALER({number.name}) OVER () AS {z_score_name(number)}"]
    if number.boundaries:
        columns.append(f"{_bucket(number)} AS {bucket_name(number)}")
    if number.quantiles:
        quantile = f"ML.QUANTILE_BUCKETIZE({number.name}, {number.quantiles}) OVER ()"
        columns.append(f"{quantile} AS {quantile_name(number)}")
    if number.optional:
        columns.append(f"CAST({number.name} IS NULL AS STRING) AS {unknown_name(number)}")
    return columns


def _bucket(number: Number) -> str:
    found = f"CAST({bucket(number.name, number.boundaries)} AS STRING)"
    return f"IFNULL({found}, {as_literal(UNKNOWN)})" if number.optional else found
