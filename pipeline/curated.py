"""The curated schema as a file that components import: checked, and named by its content."""

from __future__ import annotations

import hashlib
from pathlib import Path

import tensorflow_data_validation as tfdv
from google.protobuf import text_format

from common.errors import UserError


def name_by_content(schema_file: Path) -> str:
    """A name that tells the file's content: TFX's cache sees the name of a file only.

    Args:
        schema_file: The curated schema.

    Returns:
        `DIGEST/NAME`, below whatever folder.

    Raises:
        UserError: If the file is no schema.
    """
    try:
        tfdv.load_schema_text(str(schema_file))
    except text_format.ParseError as error:
        raise UserError(
            f"The schema file {schema_file} can't be read: line {error}.",
            "Mend it, or take schema/schema.pbtxt.",
        ) from error
    digest = hashlib.sha256(schema_file.read_bytes()).hexdigest()[:16]
    return f"{digest}/{schema_file.name}"
