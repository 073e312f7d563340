"""The same pipeline the stock way: what the TFX templates do by default, on the same rows.

Examples are imported as TFRecord, Transform materialises them and computes statistics, the Trainer
reads them through TFX's data accessor, and the Evaluator computes TFMA's own metrics. The network,
the steps, the batch size and the slices are those of our pipeline.
"""

# Keras carries no types; the checker guesses those of parameters from their defaults.
# pyright: reportArgumentType=false

from __future__ import annotations

import sys

import tensorflow_transform as tft
from tensorflow_model_analysis.proto import config_pb2
from tfx import v1 as tfx
from tfx.components.trainer.fn_args_utils import FnArgs
from tfx.proto import example_gen_pb2
from tfx_bsl.public import tfxio

from data.query import SPLITS
from models import names, signatures
from models.feature_kinds import categories
from models.features import HYPERPARAMETERS, LABEL, SLICES
from models.model import input_sizes, wide_and_deep
from pipeline.beam import RUNNER
from pipeline.settings import Settings, load_settings

STOCK_SLICES = [name for name in SLICES if name in [c.name for c in categories()]]
"""What stock TFMA can slice by, beside all examples; our other slices are ranges or groups."""


def run_fn(fn_args: FnArgs) -> None:
    """Trains as the templates do: batches come from TFX's data accessor."""
    transform = tft.TFTransformOutput(fn_args.transform_output)
    options = tfxio.TensorFlowDatasetOptions(
        batch_size=fn_args.custom_config["batch_size"], label_key=LABEL.name
    )
    schema = transform.transformed_metadata.schema
    train = fn_args.data_accessor.tf_dataset_factory(fn_args.train_files, options, schema)
    mean = float(next(iter(train))[1].numpy().mean())
    model = wide_and_deep(input_sizes(transform), mean, fn_args.train_steps, HYPERPARAMETERS)
    model.fit(train, steps_per_epoch=fn_args.train_steps, verbose=0)
    signatures.save(model, transform, fn_args.serving_model_dir)


def stock_pipeline(
    examples: str, root: str, schema_file: str, settings: Settings, edition: str = ""
):
    """The stock pipeline.

    Args:
        examples: Folder of `Split-<name>` folders of TFRecord files.
        root: Folder to write.
        schema_file: What examples must keep to.
        settings: Steps and batch size.
        edition: Another one has Transform do its work again, as an edited module file would.

    Returns:
        A TFX pipeline.
    """
    splits = [
        example_gen_pb2.Input.Split(name=split, pattern=f"Split-{split}/*") for split in SPLITS
    ]
    example_gen = tfx.components.ImportExampleGen(
        input_base=examples, input_config=example_gen_pb2.Input(splits=splits)
    )
    statistics = tfx.components.StatisticsGen(examples=example_gen.outputs["examples"])
    inferred = tfx.components.SchemaGen(statistics=statistics.outputs["statistics"])
    schema = tfx.components.ImportSchemaGen(schema_file=schema_file)
    validator = tfx.components.ExampleValidator(
        statistics=statistics.outputs["statistics"], schema=schema.outputs["schema"]
    )
    transform = tfx.components.Transform(
        examples=example_gen.outputs["examples"],
        schema=schema.outputs["schema"],
        preprocessing_fn="models.transform.preprocessing_fn",
        custom_config={"edition": edition},
    )
    trainer = tfx.components.Trainer(
        run_fn="benchmarks.stock.run_fn",
        examples=transform.outputs["transformed_examples"],
        transform_graph=transform.outputs["transform_graph"],
        schema=schema.outputs["schema"],
        train_args=tfx.proto.TrainArgs(splits=["train"], num_steps=settings.train_steps),
        eval_args=tfx.proto.EvalArgs(splits=["eval"]),
        custom_config={"batch_size": settings.batch_size},
    )
    evaluator = tfx.components.Evaluator(
        examples=example_gen.outputs["examples"],
        model=trainer.outputs["model"],
        schema=schema.outputs["schema"],
        eval_config=stock_eval_config(settings.max_rmse),
    )
    pusher = tfx.components.Pusher(
        model=trainer.outputs["model"],
        model_blessing=evaluator.outputs["blessing"],
        push_destination=tfx.proto.PushDestination(
            filesystem=tfx.proto.PushDestination.Filesystem(base_directory=f"{root}/serving")
        ),
    )
    return tfx.dsl.Pipeline(
        pipeline_name="stock",
        pipeline_root=f"{root}/pipeline",
        enable_cache=True,
        components=[
            *(example_gen, statistics, inferred, schema, validator),
            *(transform, trainer, evaluator, pusher),
        ],
        metadata_connection_config=tfx.orchestration.metadata.sqlite_metadata_connection_config(
            f"{root}/metadata.sqlite"
        ),
        beam_pipeline_args=[f"--runner={RUNNER}", "--direct_running_mode=in_memory"],
    )


def stock_eval_config(max_rmse: float) -> config_pb2.EvalConfig:
    """TFMA's own metrics, as its documentation has them."""
    bound = config_pb2.MetricThreshold(
        value_threshold=config_pb2.GenericValueThreshold(upper_bound={"value": max_rmse})
    )
    return config_pb2.EvalConfig(
        model_specs=[config_pb2.ModelSpec(signature_name=names.EXAMPLES, label_key=LABEL.name)],
        slicing_specs=[
            config_pb2.SlicingSpec(),
            *(config_pb2.SlicingSpec(feature_keys=[key]) for key in STOCK_SLICES),
        ],
        metrics_specs=[
            config_pb2.MetricsSpec(
                metrics=[
                    config_pb2.MetricConfig(
                        class_name="RootMeanSquaredError",
                        per_slice_thresholds=[
                            config_pb2.PerSliceMetricThreshold(
                                slicing_specs=[config_pb2.SlicingSpec()], threshold=bound
                            )
                        ],
                    ),
                    *(
                        config_pb2.MetricConfig(class_name=name)
                        for name in (
                            "MeanAbsoluteError",
                            "MeanLabel",
                            "MeanPrediction",
                            "Calibration",
                            "ExampleCount",
                        )
                    ),
                ]
            )
        ],
    )


def main(examples: str, root: str, edition: str = "") -> None:
    """Runs the stock pipeline with our default settings."""
    settings = load_settings()
    tfx.orchestration.LocalDagRunner().run(
        stock_pipeline(examples, root, str(settings.schema_file), settings, edition)
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
