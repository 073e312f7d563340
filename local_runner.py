"""Runs the pipeline on this machine: `python local_runner.py --help`."""

from pipeline.cli.entry import start

if __name__ == "__main__":
    start("pipeline.local.commands")
