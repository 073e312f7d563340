"""A Pusher to a folder of this machine, where a version appears whole or not at all.

TFX's own copies into the version's folder: a kill or a full disk leaves half a model there for
ever. On a bucket that does no harm, as an object appears whole and saved_model.pb comes last.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

from tfx.components.pusher import executor
from tfx.proto import pusher_pb2
from tfx.types import artifact_utils, standard_component_specs
from tfx.utils import proto_utils

from serving.versions.push_folder import newest_number

ASIDE = ".pushing"
"""Folder in which a version is made; what a kill leaves there, the next push clears."""


class Executor(executor.Executor):
    """Pushes into a folder aside, then renames."""

    def Do(  # noqa: N802, TFX's name
        self,
        input_dict: dict[str, list[Any]],
        output_dict: dict[str, list[Any]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Pushes the model if it is blessed; called by TFX."""
        key = standard_component_specs.PUSH_DESTINATION_KEY
        destination = pusher_pb2.PushDestination()
        proto_utils.json_to_proto(exec_properties[key], destination)
        folder = Path(destination.filesystem.base_directory)
        aside = folder / ASIDE
        shutil.rmtree(aside, ignore_errors=True)
        destination.filesystem.base_directory = str(aside)
        there = {key: proto_utils.proto_to_json(destination)}
        super().Do(input_dict, output_dict, exec_properties | there)

        pushed = artifact_utils.get_single_instance(
            output_dict[standard_component_specs.PUSHED_MODEL_KEY]
        )
        if not pushed.get_int_custom_property("pushed"):
            return
        (made,) = aside.iterdir()
        # Versions are seconds, and two pushes may fall into the same one.
        version = folder / str(max(int(made.name), newest_number(folder) + 1))
        os.rename(made, version)
        aside.rmdir()
        self._MarkPushed(pushed, pushed_destination=str(version), pushed_version=version.name)
