"""The type of artifact that the console of Vertex AI shows as a page."""

from __future__ import annotations

from tfx import v1 as tfx


class HTML(tfx.dsl.Artifact):
    """A self-contained page of HTML; the artifact's URI is the file itself."""

    TYPE_NAME = "system.HTML"
