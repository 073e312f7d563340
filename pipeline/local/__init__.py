"""The pipeline on this machine: engines, runner and commands."""
