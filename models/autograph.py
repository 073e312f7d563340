"""Keeps AutoGraph away from code that needs no conversion; import it before anything is traced.

AutoGraph rewrites the Python that it traces, except in packages it knows. It knows `keras`, but not
`tf_keras`, which is the same code, nor `tensorflow_transform`; rewriting them costs tens of seconds
a run and changes nothing. The same goes for what of ours has no `if` or `for` that depends on a
tensor; `models/transform.py` is not among it, so that a `preprocessing_fn` may have one.
"""

from tensorflow.python.autograph.core import config

AS_THEY_STAND = (
    "tf_keras",
    "tensorflow_transform",
    "models.dataset",
    "models.signatures",
    "report.collect",
)
"""Modules and packages that are traced without being rewritten."""

config.CONVERSION_RULES = (
    *(config.DoNotConvert(name) for name in AS_THEY_STAND),
    *config.CONVERSION_RULES,
)
