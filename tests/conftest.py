"""Before any test loads TensorFlow."""

from common.environment import set_environment

set_environment()
