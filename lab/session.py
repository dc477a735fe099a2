"""Namespaces of the lab's own: no way out of the machine, and everything started in them ends with them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Collection, Mapping, Sequence

from lab.errors import NotEntered

__all__ = ["enter", "inside", "require"]

MARK = "LVS_LAB"
OUR_INTERFACES = frozenset({"lo", "tap0", "mgmt"})


def enter(command: Sequence[str]) -> int:
    """Run a command in namespaces of its own; return its exit code. SIGTERM ends all that is in them."""
    # Debian leaves the places of ip, modprobe and ipvsadm out of the PATH of those who are not root.
    path = f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin"
    environment = {**os.environ, "PATH": path}
    words = [
        *_unshare(environment), "--net", "--mount", "--pid", "--fork", "--mount-proc", "--kill-child",
        sys.executable, "-m", "lab", "inside", "--", *command,
    ]  # fmt: skip
    child = subprocess.Popen(words, env=environment)
    signal.signal(signal.SIGTERM, lambda *_: child.kill())  # unshare itself holds SIGTERM back
    return child.wait()


def _unshare(environment: Mapping[str, str]) -> list[str]:
    """Return how to make namespaces: as root, as root of a user namespace, or through sudo where that is forbidden."""
    if os.geteuid() == 0:
        return ["unshare"]
    as_root_of_its_own = ["unshare", "--user", "--map-root-user"]
    probe = [*as_root_of_its_own, "--net", "ip", "link", "set", "lo", "up"]
    if subprocess.run(probe, env=environment, capture_output=True, check=False).returncode == 0:
        return as_root_of_its_own
    print("lab: user namespaces are restricted here, going on with sudo", file=sys.stderr)
    return ["sudo", "--preserve-env", "env", f"PATH={environment['PATH']}", "unshare"]


def inside(command: Sequence[str]) -> int:
    """Prepare the namespaces just entered, run the command, and take care of orphans until it ends."""
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    subprocess.run(["mount", "-t", "tmpfs", "lab", "/run"], check=True)
    os.makedirs("/run/netns")
    os.makedirs("/run/lab")
    # A sysfs that shows this namespace's interfaces, with what container engines look for in the machine's.
    os.makedirs("/run/lab/cgroup")
    subprocess.run(["mount", "--rbind", "/sys/fs/cgroup", "/run/lab/cgroup"], check=True)
    subprocess.run(["mount", "-t", "sysfs", "lab", "/sys"], check=True)
    subprocess.run(["mount", "--move", "/run/lab/cgroup", "/sys/fs/cgroup"], check=True)
    child = subprocess.Popen(command, env={**os.environ, MARK: "1"})
    while True:
        pid, status = os.wait()
        if pid == child.pid:
            return os.waitstatus_to_exitcode(status)


def require(also: Collection[str] = ()) -> None:
    """Make sure that nothing done from here on can leave the machine.

    Parameters
    ----------
    also
        Names of further interfaces that the caller has made.

    Raises
    ------
    NotEntered
        Outside the lab's namespaces.
    """
    if os.environ.get(MARK) != "1" or not OUR_INTERFACES.union(also).issuperset(os.listdir("/sys/class/net")):
        raise NotEntered
