"""Marks the statistics that the gate let pass: what the next run's are compared with.

Those of StatisticsGen are there before the gate has spoken, also of a run that it stops. If those
were the reference, data that was rejected would pass the second time, compared with itself.
"""

# No `from __future__ import annotations`: TFX reads the annotations of a component as objects. What
# it makes of them, a type checker does not know.
# pyright: reportInvalidTypeArguments=false, reportArgumentType=false
from tfx import v1 as tfx
from tfx.utils import io_utils

ACCEPTED = "accepted"
"""Name of the property that the marked statistics have; its value is 1."""


@tfx.dsl.components.component
def AcceptedStatistics(  # noqa: N802, the name of the node
    statistics: tfx.dsl.components.InputArtifact[tfx.types.standard_artifacts.ExampleStatistics],
    accepted: tfx.dsl.components.OutputArtifact[tfx.types.standard_artifacts.ExampleStatistics],
    code: tfx.dsl.components.Parameter[str] = "",
) -> None:
    """Copies the statistics of a run that has passed the gate, and marks the copy.

    Runs behind the gate. It does not read what the gate writes, so that it comes from the cache
    where only the previous statistics have changed: else each run would have another reference.

    Args:
        statistics: Of StatisticsGen.
        accepted: Gets the same, with the property `ACCEPTED`.
        code: Fingerprint of this step's code; only TFX's cache reads it.
    """
    io_utils.copy_dir(statistics.uri, accepted.uri)
    accepted.split_names = statistics.split_names
    accepted.span = statistics.span
    accepted.set_int_custom_property(ACCEPTED, 1)
