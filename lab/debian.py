"""Root file systems made of Debian packages, for images where no registry of images is within reach."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from lab.cache import cache_dir
from lab.errors import LabError

__all__ = ["SUITE", "root_file_system"]

# Its systemd 252 is the last one that runs where the machine has cgroup version 1 only.
SUITE = "bookworm"
LEFT_OUT = Path(__file__).parents[1] / "deploy" / "images" / "left-out"
# usrmerge, which is chosen otherwise, brings all of Perl.
OPTIONS = (
    "--variant=essential",
    "--hook-dir=/usr/share/mmdebstrap/hooks/maybe-merged-usr",
    '--aptopt=Apt::Install-Recommends "false"',
    f"--dpkgopt={LEFT_OUT}",
)


def root_file_system(name: str, packages: Sequence[str]) -> Path:
    """Return a tar file with what is essential and these packages; made once per list of packages.

    They come from where the machine's own apt-get has its packages. Needs root.

    Parameters
    ----------
    name
        What it is for, in words for the person who waits.
    """
    wanted = ",".join(sorted({"usr-is-merged", *packages}))
    version = hashlib.sha256("\0".join([SUITE, wanted, *OPTIONS, LEFT_OUT.read_text()]).encode()).hexdigest()[:16]
    target = cache_dir() / "roots" / f"{version}.tar"
    if target.exists():
        return target
    target.parent.mkdir(exist_ok=True)
    began = time.monotonic()
    print(f"making the root file system of {name} from Debian packages: half a minute ...", file=sys.stderr, flush=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
        made = Path(scratch) / "root.tar"
        command = ["mmdebstrap", *OPTIONS, f"--include={wanted}", SUITE, str(made)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, "LC_ALL": "C"})
        if done.returncode != 0:
            raise LabError(f"mmdebstrap for {name} ended with {done.returncode}:\n{done.stderr[-3000:]}")
        made.rename(target)
    print(f"made it in {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
    return target
