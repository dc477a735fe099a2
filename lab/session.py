"""Namespaces of the lab's own: no way out of the machine, and everything started in them ends with them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence

from lab.errors import NotEntered

__all__ = ["enter", "inside", "require"]

MARK = "LVS_LAB"
OUR_INTERFACES = frozenset({"lo", "tap0", "mgmt"})


def enter(command: Sequence[str]) -> int:
    """Run a command in namespaces of its own; return its exit code."""
    as_root = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    return subprocess.call(
        [
            "unshare", *as_root, "--net", "--mount", "--pid", "--fork", "--mount-proc", "--kill-child",
            sys.executable, "-m", "lab", "inside", "--", *command,
        ]
    )  # fmt: skip


def inside(command: Sequence[str]) -> int:
    """Prepare the namespaces just entered, run the command, and take care of orphans until it ends."""
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    os.makedirs("/run/netns", exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "lab", "/run/netns"], check=True)
    subprocess.run(["mount", "-t", "sysfs", "lab", "/sys"], check=True)  # shows this namespace's interfaces
    child = subprocess.Popen(command, env={**os.environ, MARK: "1"})
    while True:
        pid, status = os.wait()
        if pid == child.pid:
            return os.waitstatus_to_exitcode(status)


def require() -> None:
    """Make sure that nothing done from here on can leave the machine.

    Raises
    ------
    NotEntered
        Outside the lab's namespaces.
    """
    if os.environ.get(MARK) != "1" or not OUR_INTERFACES.issuperset(os.listdir("/sys/class/net")):
        raise NotEntered
