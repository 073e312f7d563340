"""Starts the emulator without a download; run by the Python of its environment."""

# pyright: reportMissingImports=false

import sys

from bqemulator.__main__ import main
from duckdb_extensions import import_extension

if __name__ == "__main__":
    # The emulator asks DuckDB to install these; once they are there, from their wheels, it does not
    # fetch them.
    for name in ("spatial", "avro"):
        import_extension(name)
    sys.argv[1:1] = ["start"]
    main()
