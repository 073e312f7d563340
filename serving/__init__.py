"""A pushed model at work: it answers requests, with nothing of the pipeline but TensorFlow."""
