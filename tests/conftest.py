"""Before any test loads TensorFlow or starts a process."""

import signal

from common.environment import set_environment

set_environment()
# A suite started in the background may inherit that Ctrl-C is ignored, and would hand it on.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)
