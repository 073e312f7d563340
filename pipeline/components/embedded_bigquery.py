"""BigQueryExampleGen on a laptop: same component, queries and Examples, another engine.

The stock executor asks BigQuery and makes one Python dictionary, then one proto, per row. This one
streams columns: DuckDB's batches are encoded by the C++ encoder of tfx_bsl and written as they
come. `tests/bigquery/` proves that both give the same Examples.

    BigQueryExampleGen(
        input_config=...,
        custom_config=custom_config({"project.dataset.table": "rows.parquet"}, fingerprint),
        custom_executor_spec=executor_spec.BeamExecutorSpec(Executor),
    )
"""

from __future__ import annotations

import errno
import time
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import tensorflow as tf
from absl import logging
from tfx.components.example_gen import utils, write_split
from tfx.components.util import examples_utils
from tfx.dsl.components.base import base_beam_executor
from tfx.proto import example_gen_pb2
from tfx.types import artifact_utils, standard_component_specs
from tfx.utils import proto_utils
from tfx_bsl.coders import example_coder

from common.errors import UserError
from data.row_filters import what_took_all
from data.source import Source, open_source
from data.table import TABLE, QueryParameters
from data.warehouse import Warehouse
from pipeline.components.shards import from_config, read_shards, to_config

SHARD_ROWS = 1 << 17
"""Examples per file: about 5 MB compressed, and enough files for readers to work side by side."""

SHUFFLE_SEED = 20010101
"""Rows are shuffled, always the same way, so that any run of a file mixes months and sexes."""

_ENCODERS = 2
_GZIP = tf.io.TFRecordOptions("GZIP", compression_level=1)
"""Level 1 has nine tenths of the speed of plain records and a sixth of their size; level 6 three
quarters of that size, at a third of the speed."""


def custom_config(
    tables: Mapping[str, str], fingerprint: str, shards: int = 1
) -> example_gen_pb2.CustomConfig:
    """What `Executor` must know beyond the queries, where TFX's cache looks: in a property.

    Args:
        tables: For each BigQuery table in the queries, the path of its local source.
        fingerprint: Anything that changes when the data or the code that reads them does.
        shards: Among how many files the Examples of a split are dealt out, in turn; each of them
            is cut where it grows long.

    Returns:
        The component's `custom_config`.
    """
    return to_config(shards, tables=dict(tables), fingerprint=fingerprint)


class Executor(base_beam_executor.BaseBeamExecutor):
    """Runs the query of each input split on local files and writes its folder of shards."""

    def Do(  # noqa: N802 (TFX's name)
        self, input_dict: dict, output_dict: dict, exec_properties: dict[str, Any]
    ) -> None:
        """Writes the splits.

        Args:
            input_dict: Empty.
            output_dict: `examples`, the artifact to fill.
            exec_properties: The component's; its `custom_config` made by the function above.

        Raises:
            UserError: The data, the query or the disk is in the way; a split has no rows; or splits
                are asked for by hash bucket.
        """
        inputs, outputs = example_gen_pb2.Input(), example_gen_pb2.Output()
        proto_utils.json_to_proto(
            exec_properties[standard_component_specs.INPUT_CONFIG_KEY], inputs
        )
        proto_utils.json_to_proto(
            exec_properties[standard_component_specs.OUTPUT_CONFIG_KEY], outputs
        )
        if outputs.split_config.splits:
            # They would hash TFX's own serialization of an Example, which is not made here.
            raise UserError(
                "The embedded warehouse makes no splits by hash bucket.",
                "Split in the query: give BigQueryExampleGen an input split with a query for each.",
            )
        self._log_startup(input_dict, output_dict, exec_properties)
        artifact = artifact_utils.get_single_instance(
            output_dict[standard_component_specs.EXAMPLES_KEY]
        )
        artifact.split_names = artifact_utils.encode_split_names(
            utils.generate_output_split_names(inputs, outputs)
        )
        shards = read_shards(exec_properties)
        with _open_warehouse(exec_properties) as warehouse:
            for split in inputs.splits:
                folder = Path(artifact_utils.get_split_uri([artifact], split.name))
                if not _write_split(warehouse, split.pattern, folder, split.name, shards):
                    raise _empty(split, warehouse, _sources(exec_properties))
        examples_utils.set_payload_format(artifact, example_gen_pb2.FORMAT_TF_EXAMPLE)
        examples_utils.set_file_format(
            artifact, write_split.to_file_format_str(example_gen_pb2.FORMAT_TFRECORDS_GZIP)
        )


def encode(batches: Iterable[pa.RecordBatch]) -> Iterator[list[bytes]]:
    """Serialized Examples of rows, as the stock executor makes them of BigQuery's.

    BOOL and INT64 become int64 lists, FLOAT64 float lists, STRING bytes lists; NULL a feature
    without a kind.

    Args:
        batches: Rows. Threads encode the next ones while the caller handles those it has.

    Yields:
        For each batch, its Examples in order.
    """
    waiting: deque[Future[list[bytes]]] = deque()
    with ThreadPoolExecutor(_ENCODERS, thread_name_prefix="encode") as threads:
        for batch in batches:
            waiting.append(threads.submit(_encode_batch, batch))
            if len(waiting) > _ENCODERS:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _encode_batch(batch: pa.RecordBatch) -> list[bytes]:
    lists = pa.RecordBatch.from_arrays([_as_lists(c) for c in batch.columns], batch.schema.names)
    # An encoder keeps state between calls, so threads must not share one.
    return example_coder.RecordBatchToExamplesEncoder().encode(lists)


def _as_lists(values: pa.Array) -> pa.Array:
    """One list per row: of one value, or NULL. An empty list would give the feature a kind."""
    if pa.types.is_floating(values.type):
        values = values.cast(pa.float32())
    elif pa.types.is_string(values.type):
        values = values.cast(pa.binary())
    else:
        values = values.cast(pa.int64())
    valid = values.is_valid().to_numpy(zero_copy_only=False)
    offsets = np.concatenate([[0], np.cumsum(valid)]).astype(np.int32)
    # A NULL offset makes the list that starts there NULL.
    starts = pa.array(offsets, mask=np.append(~valid, False))
    return pa.ListArray.from_arrays(starts, values.drop_null())


def _write_split(warehouse: Warehouse, query: str, folder: Path, name: str, shards: int) -> int:
    """Writes a split's shards, under names that readers do not see until all are there.

    Returns:
        The number of Examples.
    """
    folder.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    parts: list[Path] = []
    rows = 0
    try:
        records = encode(warehouse.query(query, shuffle_seed=SHUFFLE_SEED))
        for chapter in _chapters(records, shards * SHARD_ROWS):
            written = [folder / f".part-{len(parts) + i:05d}" for i in range(shards)]
            parts += written
            rows += _write_chapter(written, chapter, rows)
            pace = rows / (time.monotonic() - started)
            logging.info("Split %s: %s examples so far, %s/s.", name, f"{rows:,}", f"{pace:,.0f}")
        for index, part in enumerate(parts):
            part.rename(folder / f"data_tfrecord-{index:05d}-of-{len(parts):05d}.gz")
    except (OSError, tf.errors.ResourceExhaustedError) as error:
        if isinstance(error, OSError) and error.errno != errno.ENOSPC:
            raise
        raise UserError(
            f"The disk is full: split {name} could not be written to {folder}.",
            "Free space there, or choose another folder for the pipeline or a smaller sample.",
        ) from error
    finally:
        for part in parts:
            part.unlink(missing_ok=True)
    logging.info("Split %s: %s examples in %s shards.", name, f"{rows:,}", len(parts))
    return rows


def _chapters(batches: Iterator[list[bytes]], rows: int) -> Iterator[Iterator[list[bytes]]]:
    """Cuts batches into chapters of about `rows`; use each up before asking for the next."""
    for first in batches:

        def chapter(batch: list[bytes] = first) -> Iterator[list[bytes]]:
            seen = len(batch)
            yield batch
            while seen < rows and (more := next(batches, None)):
                seen += len(more)
                yield more

        yield chapter()


def _write_chapter(paths: Sequence[Path], batches: Iterator[list[bytes]], before: int) -> int:
    """Deals Examples out to files, in turn, going on where those `before` have ended.

    Returns:
        The number of Examples.
    """
    rows = 0
    with ExitStack() as stack:
        writers = [stack.enter_context(tf.io.TFRecordWriter(str(p), _GZIP)) for p in paths]
        for batch in batches:
            for index, writer in enumerate(writers):
                for record in batch[(index - before - rows) % len(writers) :: len(writers)]:
                    writer.write(record)
            rows += len(batch)
    return rows


def _sources(exec_properties: Mapping[str, Any]) -> dict[str, Source]:
    values = from_config(exec_properties)
    if "tables" not in values:
        raise UserError(
            "The embedded warehouse was told of no tables.",
            "Give BigQueryExampleGen what custom_config of its module returns.",
        )
    return {name: open_source(path) for name, path in values["tables"].items()}


def _open_warehouse(exec_properties: Mapping[str, Any]) -> Warehouse:
    return Warehouse(_sources(exec_properties))


def _empty(
    split: example_gen_pb2.Input.Split, warehouse: Warehouse, sources: Mapping[str, Source]
) -> UserError:
    held = []
    for table, source in sources.items():
        (row,) = next(iter(warehouse.query(f"SELECT COUNT(*) AS n FROM `{table}`"))).to_pylist()
        held.append(f"the {row['n']:,} {TABLE.rows} of {source.path}")
    took = "; ".join(f"{c} takes {n:,}" for c, n in what_took_all(warehouse, split.pattern))
    chosen = ", ".join((*QueryParameters.model_fields, "sample"))
    return UserError(
        f"Split {split.name} has no rows: of {' and '.join(held)}, the query's filters leave it "
        f"none{f': {took}' if took else ''}.",
        f"Choose more with {chosen}, or look at the filters and the split in "
        f"data/{TABLE.query.name}.",
    )
