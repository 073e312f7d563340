"""Cloud Storage buckets as folders.

TensorFlow's own gs:// file system cannot be led elsewhere, so names change as they enter a
container, and back as they leave it. All that is kept and compared has the gs:// names.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from common.errors import UserError

_BUCKET = re.compile(r"gs://(?=[a-z0-9][a-z0-9._-]+)")


class Buckets:
    """Folders that stand in for buckets.

    Args:
        folder: Holds a folder per bucket.

    Raises:
        UserError: If the folder's name could not be written into JSON as it is.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = str(folder.resolve())
        if re.search(r"[\"'\\\x00-\x1f]", self.folder):
            raise UserError(
                f"The folder {self.folder} has a quote or backslash in its name.",
                "Choose another one for the rehearsal.",
            )

    def local(self, text: str) -> str:
        """A text with each gs:// name in it made that of a file or folder here."""
        # A function, for backslashes in a replacement would mean something.
        return _BUCKET.sub(lambda _: f"{self.folder}/", text)

    def path(self, uri: str) -> Path:
        """Where an object or folder is here."""
        return Path(self.local(uri))

    def remote(self, text: str) -> str:
        """The reverse of `local`."""
        return text.replace(f"{self.folder}/", "gs://")

    def remote_json(self, values: Any) -> Any:
        """The same for JSON values."""
        return json.loads(self.remote(json.dumps(values, ensure_ascii=False)))

    def upload(self, files: Mapping[str, Path]) -> None:
        """Copies files of this machine to gs:// names, as is done before a run is submitted."""
        for uri, file in files.items():
            target = self.path(uri)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, target)
