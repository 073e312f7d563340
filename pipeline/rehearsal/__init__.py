"""Runs a compiled Vertex AI pipeline on this machine, task by task, as Vertex would."""
