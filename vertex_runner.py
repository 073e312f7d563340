"""Takes the pipeline to Vertex AI: `python vertex_runner.py --help`."""

from pipeline.cli.entry import start

if __name__ == "__main__":
    start("pipeline.vertex.commands")
