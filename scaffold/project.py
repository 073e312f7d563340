"""A copy of this project's code, as the beginning of another project; copier makes it.

`copier.yml` says what is left out: what is about this project's own table. Since that is copier's
to read, `copier update` later brings the other project what has changed in this one.
"""

from __future__ import annotations

import subprocess
import warnings
from pathlib import Path

from common.errors import UserError

ROOT = Path(__file__).resolve().parents[1]
_ANSWERS = ".copier-answers.yml.copied"


def copy(folder: Path) -> tuple[str, ...]:
    """Copies the code.

    Returns:
        What the user should know, one sentence each.

    Raises:
        UserError: If copier cannot.
    """
    # Takes half a second, and only `init` needs it.
    import copier
    from copier.errors import CopierError, DirtyLocalWarning
    from plumbum.commands.processes import ProcessExecutionError

    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always", DirtyLocalWarning)
        try:
            # HEAD: what is checked out, not the latest release.
            copier.run_copy(str(ROOT), folder, vcs_ref="HEAD", defaults=True, quiet=True)
        except (CopierError, ProcessExecutionError, OSError) as error:
            raise UserError(
                f"The project at {ROOT} could not be copied to {folder}: {error}",
                "Check that the disk has room, and that `git -C` that project `status` works.",
            ) from error
    # For projects that are made from the copy.
    answers = ROOT / _ANSWERS
    (folder / _ANSWERS).write_bytes(answers.read_bytes())
    if not (ROOT / ".git").exists():
        return ("The code was copied from no git repository, so `copier update` has no base.",)
    if any(issubclass(w.category, DirtyLocalWarning) for w in warned):
        return (
            "The code was copied with changes that are not committed; `copier update` will not"
            " know them.",
        )
    return ()


def begin_history(folder: Path) -> bool:
    """Makes the project a git repository, which `copier update` needs; nothing is committed.

    Returns:
        Whether it is one now.
    """
    try:
        done = subprocess.run(
            ["git", "init", "--quiet", str(folder)], capture_output=True, check=False
        )
    except OSError:  # There is no git.
        return False
    return done.returncode == 0
