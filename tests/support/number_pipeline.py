"""A pipeline of three components that takes a moment: a number, its double, and its reader."""

# No `from __future__ import annotations`: TFX reads the annotations of a component as objects. What
# it makes of them, a type checker does not know.
# pyright: reportInvalidTypeArguments=false, reportArgumentType=false, reportCallIssue=false
from collections.abc import Sequence
from pathlib import Path

from ml_metadata.proto import metadata_store_pb2
from tfx import v1 as tfx
from tfx.types.standard_artifacts import Integer

from common.errors import UserError
from pipeline.cli.status import State
from pipeline.local.runner import ObservedRunner, run_options


@tfx.dsl.components.component
def Start(  # noqa: N802, the name of a node
    number: tfx.dsl.components.OutputArtifact[Integer],
    value: tfx.dsl.components.Parameter[int] = 1,
) -> None:
    number.value = value


@tfx.dsl.components.component
def Double(  # noqa: N802
    number: tfx.dsl.components.InputArtifact[Integer],
    doubled: tfx.dsl.components.OutputArtifact[Integer],
    word: tfx.dsl.components.Parameter[str] = "",
) -> None:
    if word == "fail":
        raise UserError("The word is fail.", "Choose another.")
    number.read()
    doubled.value = 2 * number.value


@tfx.dsl.components.component
def End(number: tfx.dsl.components.InputArtifact[Integer]) -> None:  # noqa: N802
    number.read()


class Witness:
    """Writes down what it is told."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.told: list[tuple[str, State]] = []
        self.seconds: dict[str, float] = {}

    def loading(self) -> None: ...

    def noticed(self, sentence: str) -> None:
        raise AssertionError(sentence)

    def planned(self, components: Sequence[str]) -> None:
        self.names = list(components)

    def changed(self, component: str, state: State, seconds: float = 0.0) -> None:
        self.told.append((component, state))
        self.seconds[component] = seconds

    @property
    def ends(self) -> list[tuple[str, State]]:
        return [(name, state) for name, state in self.told if state is not State.RUNNING]


def numbers(
    folder: Path, connection: metadata_store_pb2.ConnectionConfig, value: int = 1, word: str = ""
) -> tfx.dsl.Pipeline:
    start = Start(value=value)
    double = Double(number=start.outputs["number"], word=word)
    end = End(number=double.outputs["doubled"])
    return tfx.dsl.Pipeline(
        pipeline_name="numbers",
        pipeline_root=str(folder / "pipeline"),
        components=[start, double, end],
        enable_cache=True,
        metadata_connection_config=connection,
    )


def run(pipeline: tfx.dsl.Pipeline, name: str, *ends: str | None) -> Witness:
    witness = Witness()
    options = run_options(*ends) if ends else None
    ObservedRunner(witness, name).run(pipeline, run_options=options)
    return witness
