"""How long the image that serves will be there, if Google serves it ready-made."""

from __future__ import annotations

import re
from datetime import date

from pipeline.vertex.check.check_result import CheckResult, failed, not_asked, passed, warning
from pipeline.vertex.vertex_settings import VertexSettings

LIST = "https://cloud.google.com/vertex-ai/docs/predictions/pre-built-containers"

ENDS = {
    "2-15": (date(2026, 7, 14), date(2027, 1, 14)),
    "2-14": (date(2026, 1, 14), date(2027, 1, 14)),
    "2-13": (date(2024, 11, 28), date(2025, 11, 28)),
}
"""By version of TensorFlow, until when it is patched and until when it can be deployed, as `LIST`
said in November 2026. There is none newer than 2.15."""

_READY_MADE = re.compile(r"\w+-docker\.pkg\.dev/vertex-ai/prediction/tf2-\w+\.(\d+-\d+):.*")


def serving_image(settings: VertexSettings, today: date | None = None) -> CheckResult:
    """The image that serves will be there for a while."""
    if settings.push_to != "endpoint":
        return passed(f"none is asked for; models go to {settings.push_to}")
    ready_made = _READY_MADE.fullmatch(settings.serving_image or "")
    if not ready_made:
        return passed("of your own making")
    version = ready_made[1]
    name = f"Google's image of TensorFlow {version.replace('-', '.')}"
    cure = "Set serving_image to one of your own making, such as that of serving/."
    if version not in ENDS:
        return not_asked(f"until when there is {name} is not known here", f"See {LIST}.")
    patched, there = ENDS[version]
    today = today or date.today()
    if today > there:
        return failed(f"{name} ended on {there}", cure)
    if today > patched:  # Half a year or more before the end.
        return warning(f"{name} has had no patches since {patched}, and ends on {there}", cure)
    return passed(f"{name}, until {there}")
