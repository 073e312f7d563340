"""Names that a pushed model and its callers share; known without loading TensorFlow."""

from models.features import LABEL

SERVING = "serving_default"
"""Signature on raw named values."""

EXAMPLES = "serving_examples"
"""Signature on serialized `tf.train.Example`s."""

TRANSFORM = "transform"
"""Signature from raw named values to what the network reads."""

PREDICTION = LABEL.name
"""Key of the answer: the predicted label, in its unit."""

PREDICTED = f"predicted_{PREDICTION}"
"""What the prediction is called beside the columns of its row."""
