"""Before any test loads TensorFlow or starts a process."""

import signal

import pytest

from common.environment import set_environment

set_environment()
# A suite started in the background may inherit that Ctrl-C is ignored, and would hand it on.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.hookimpl(tryfirst=True)  # Before xdist reads the groups.
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Has tests that share fixtures run in one process: of a folder, or end to end of a file."""
    for item in items:
        by_file = item.path.parent.name == "end_to_end"
        group = item.path if by_file else item.path.parent
        item.add_marker(pytest.mark.xdist_group(str(group)))
