"""Runs this machine's programs in a container's network namespace: its image need not have them."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence

from lab.errors import CommandFailed
from lab.kernel import Finished

__all__ = ["netns_of", "run_in"]


def netns_of(pid: int) -> str:
    """Return the file of a process's network namespace."""
    return f"/proc/{pid}/ns/net"


def run_in(
    pid: int, argv: Sequence[str], *, input: str | None = None, check: bool = True, timeout: float = 120.0
) -> Finished:
    """Run a program in the network namespace of a process.

    Raises
    ------
    CommandFailed
        If it ends with another code than 0 and ``check`` is set.
    """
    done = subprocess.run(
        ["nsenter", f"--net={netns_of(pid)}", *argv],
        input=input,
        stdin=subprocess.DEVNULL if input is None else None,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    if check and done.returncode != 0:
        raise CommandFailed(argv, f"the network of process {pid}", done.returncode, done.stdout + done.stderr)
    return Finished(done.returncode, done.stdout, done.stderr)
