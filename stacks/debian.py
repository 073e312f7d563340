"""A Debian 13 root in a folder, for what this machine's own C library is too old for."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

RELEASE = "trixie"
PACKAGES = (
    *("ca-certificates", "python3", "python3-venv", "git", "make"),
    *("g++", "python3-dev"),  # Some dependencies come as sources.
)
BUNDLE = "etc/ssl/certs/ca-certificates.crt"


class RootError(Exception):
    """The root can't be made or used here; the message says why."""


class Root:
    """A root file system."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._note = folder / ".made"

    def make(self) -> None:
        """Makes it of Debian's packages, unless it is there.

        Raises:
            RootError: If this machine can't.
        """
        if os.geteuid() != 0:
            raise RootError("a root file system of Debian 13 can only be made and entered by root")
        made_of = " ".join((RELEASE, *PACKAGES))
        if not self._note.exists() or self._note.read_text(encoding="utf-8") != made_of:
            shutil.rmtree(self.folder, ignore_errors=True)
            self.folder.mkdir(parents=True)
            command = [_debootstrap(), "--variant=minbase", f"--include={','.join(PACKAGES)}"]
            log = self.folder.with_suffix(".log")
            with log.open("wb") as output:
                status = subprocess.run(
                    [*command, RELEASE, str(self.folder), *_mirror()],
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    check=False,
                ).returncode
            if status:
                raise RootError(f"debootstrap ended with status {status}; {log} says why")
            self._note.write_text(made_of, encoding="utf-8")
        for name in ("etc/resolv.conf", "etc/hosts", BUNDLE):
            if Path("/", name).exists():
                shutil.copyfile(Path("/", name), self.folder / name)

    def run(self, command: Sequence[str], variables: Mapping[str, str], cache: Path) -> int:
        """Runs a command in it, in the folder /project.

        Whatever it starts ends with it, and what is mounted for it is mounted for it alone.

        Args:
            command: What to run.
            variables: All its environment variables, but for those of the root itself.
            cache: A folder of this machine that is /cache there.

        Returns:
            Its exit status.
        """
        enter = (
            'mount --make-rprivate / && mount -t proc proc "$1/proc" && mount --rbind /dev "$1/dev"'
            ' && mkdir -p "$1/cache" && mount --bind "$2" "$1/cache" && root=$1 && shift 2'
            ' && exec chroot "$root" sh -c \'cd /project && exec "$@"\' sh "$@"'
        )
        its_own = {
            "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "HOME": "/root",
            "SSL_CERT_FILE": f"/{BUNDLE}",
            "UV_CACHE_DIR": "/cache",
            "UV_LINK_MODE": "copy",  # /cache is another file system.
        }
        return subprocess.run(
            [
                *("setpriv", "--pdeathsig", "KILL"),  # Also where we are killed.
                *("unshare", "--mount", "--pid", "--fork", "--kill-child"),
                *("sh", "-c", enter, "sh", str(self.folder), str(cache), *command),
            ],
            env={**variables, **its_own},
            check=False,
        ).returncode


def _debootstrap() -> str:
    """The program, which root on Debian or Ubuntu gets where it is missing."""
    if not shutil.which("debootstrap") and shutil.which("apt-get"):
        quiet = {"stdout": subprocess.DEVNULL, "check": False}
        wanted = ["--no-install-recommends", "debootstrap", "debian-archive-keyring"]
        subprocess.run(["apt-get", "update", "-qq"], **quiet)
        subprocess.run(["apt-get", "install", "-y", "-qq", *wanted], **quiet)
    found = shutil.which("debootstrap")
    if not found:
        raise RootError("debootstrap is missing, and could not be installed")
    return found


def _mirror() -> list[str]:
    """Where this machine has Debian's packages from; none where it is no Debian."""
    if not shutil.which("apt-get"):
        return []
    told = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(ORIGIN) $(LABEL) $(SITE)"],
        stdout=subprocess.PIPE,
        encoding="utf-8",
        check=False,
    )
    for line in told.stdout.splitlines():
        origin, label, site = [*line.split(" ", 2), "", ""][:3]
        if origin == label == "Debian":
            return [site]
    return []
