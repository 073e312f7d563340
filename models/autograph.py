"""Keeps AutoGraph away from code that needs no conversion; import it before anything is traced.

AutoGraph rewrites the Python that it traces, except in packages it knows. It knows `keras`, but not
`tf_keras`, which is the same code, nor `tensorflow_transform`; rewriting them costs tens of seconds
a run and changes nothing.
"""

from tensorflow.python.autograph.core import config

config.CONVERSION_RULES = (
    config.DoNotConvert("tf_keras"),
    config.DoNotConvert("tensorflow_transform"),
    *config.CONVERSION_RULES,
)
