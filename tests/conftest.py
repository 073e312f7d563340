"""Before any test loads TensorFlow or starts a process."""

import signal
from collections.abc import Generator
from pathlib import PurePosixPath

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from common.environment import set_environment
from common.imports import without_garbage_collection

set_environment()
# A suite started in the background may inherit that Ctrl-C is ignored, and would hand it on.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)


class ByRoom(LoadScopeScheduling):
    """Has tests that share fixtures run in one process: of a room, or end to end of a file.

    Groups of xdist would say the same, but since pytest 9 its scheduler does not see them.
    """

    def _split_scope(self, nodeid: str) -> str:
        path = PurePosixPath(nodeid.partition("::")[0])
        by_file = path.parent.name == "end_to_end"
        return str(path) if by_file else "/".join(path.parts[:2])


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> ByRoom:
    return ByRoom(config, log)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Test modules load all of TFX."""
    with without_garbage_collection():
        return (yield)
