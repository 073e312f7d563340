"""The variables that libraries read as they load: the one place that sets them for a process."""

from __future__ import annotations

import os
from collections.abc import Mapping
from types import MappingProxyType

PROCESS = MappingProxyType(
    {"TF_USE_LEGACY_KERAS": "1", "TF_CPP_MIN_LOG_LEVEL": "2", "LANGUAGE": "C"}
)
"""For commands, benchmarks and tests: Keras 2, which TFX needs, a calm TensorFlow, and no search
for translations of argparse's words: Python has none, and Beam makes hundreds of parsers a run."""

SERVER = MappingProxyType({"TF_CPP_MIN_LOG_LEVEL": "2"})
"""For the server of a pushed model, which needs no Keras."""

IMAGE = MappingProxyType({"TF_USE_LEGACY_KERAS": "1", "PYTHONUNBUFFERED": "1"})
"""For containers, where all that is said goes to Cloud Logging, at once."""


def set_environment(variables: Mapping[str, str] = PROCESS) -> None:
    """Sets variables, before TensorFlow loads; what a user has set stands."""
    for name, value in variables.items():
        os.environ.setdefault(name, value)
