"""The pipeline on Vertex AI, with Beam on Dataflow: settings, engines, and a module per command."""
