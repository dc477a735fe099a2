"""A kernel with IPVS: this machine's own where it has one, user-mode Linux otherwise."""

from __future__ import annotations

import os
import shlex
import socket
import subprocess
import sys
import tempfile
import threading
import time
import weakref
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from lab import session
from lab.errors import CommandFailed, KernelFailed
from lab.guestprocess import GuestProcess, call
from lab.uml import UserModeLinux

__all__ = [
    "BRIDGE",
    "MGMT_NETWORK",
    "MODULES",
    "OUTSIDE",
    "PORT",
    "Finished",
    "Kernel",
    "boot",
    "guest_program",
    "has_ipvs",
    "wait_for",
]

# The management network: the lab outside the kernel, the kernel's own end, and each host's mgmt0.
MGMT_NETWORK = "10.123.0.0/24"
OUTSIDE = "10.123.0.1"
INSIDE = "10.123.0.2"
BRIDGE, TAP = "mgmt", "tap0"
PORT = 7
# Set, since a bridge would otherwise take the lowest of its ports', and be lost to its peers each time that changes.
BRIDGE_MAC = "02:00:00:00:00:02"  # locally administered

# Of net/netfilter/ipvs/Kconfig; twos came with Linux 6.1 and is not in every build.
MODULES = (
    "ipv6", "ip_vs", "ip_vs_rr", "ip_vs_wrr", "ip_vs_lc", "ip_vs_wlc", "ip_vs_fo", "ip_vs_ovf", "ip_vs_lblc",
    "ip_vs_lblcr", "ip_vs_dh", "ip_vs_sh", "ip_vs_mh", "ip_vs_sed", "ip_vs_nq", "ip_vs_pe_sip",
    "veth", "bridge", "dummy", "nlmon",
)  # fmt: skip


class Finished:
    """A command that has ended with exit code 0, or any if that was allowed."""

    def __init__(self, code: int, stdout: str, stderr: str) -> None:
        self.code, self.stdout, self.stderr = code, stdout, stderr


class Kernel:
    """Runs commands in the kernel, and keeps files there.

    Files that processes in it watch must be written with ``write_file``, below /run/lab: a user-mode kernel
    has the machine's files as well, but does not notice when they change.
    """

    def __init__(
        self, server: tuple[str, int], vm: UserModeLinux | None, local: subprocess.Popen[bytes] | None
    ) -> None:
        self._server = server
        self._vm = vm
        self._local = local
        self._processes: weakref.WeakSet[GuestProcess] = weakref.WeakSet()
        if vm is not None:
            threading.Thread(target=self._watch, args=(vm,), daemon=True).start()

    def popen(
        self,
        argv: Sequence[str],
        *,
        netns: str | None = None,
        env: Mapping[str, str] | None = None,
        cwd: str | None = None,
        stdin: bool = False,
        log: Path | None = None,
        live: bool = False,
    ) -> GuestProcess:
        """Start a command.

        Parameters
        ----------
        netns
            Name of the network namespace; None for the kernel's first.
        log
            File that gets its output as it comes.
        live
            Whether its output goes to this process's own as well.
        """
        request = {
            "op": "run",
            "argv": list(argv),
            "netns": netns,
            "env": dict(env or {}),
            "cwd": cwd,
            "stdin": stdin,
        }
        process = GuestProcess(self._connect(), request, log, live)
        self._processes.add(process)
        if self._vm is not None:
            self._vm.require_alive()  # else nobody would tell this process
        return process

    def run(
        self,
        argv: Sequence[str],
        *,
        netns: str | None = None,
        env: Mapping[str, str] | None = None,
        cwd: str | None = None,
        input: str | None = None,
        check: bool = True,
        timeout: float = 120.0,
    ) -> Finished:
        """Run a command to its end.

        Raises
        ------
        CommandFailed
            If it ends with another code than 0 and ``check`` is set, or not within ``timeout`` seconds.
        """
        process = self.popen(argv, netns=netns, env=env, cwd=cwd, stdin=input is not None)
        if input is not None:
            process.write(input.encode())
            process.close_stdin()
        code = process.wait(timeout)
        if check and code != 0:
            raise CommandFailed(argv, netns, code, process.stdout + process.stderr)
        return Finished(code, process.stdout, process.stderr)

    def write_file(self, path: str, text: str) -> None:
        """Write a file there as a whole, making its folder."""
        call(self._connect(), {"op": "write", "path": path, "text": text})

    def read_file(self, path: str) -> str:
        """Read a file there."""
        return call(self._connect(), {"op": "read", "path": path}).decode()

    def close(self) -> None:
        """End the kernel, and all that runs in it."""
        if self._vm is not None:
            self._vm.kill()
        if self._local is not None:
            self._local.kill()
            self._local.wait()
        subprocess.run(["ip", "link", "del", TAP if self._vm is not None else BRIDGE], check=True)

    def _watch(self, vm: UserModeLinux) -> None:
        """Tell those who wait for commands if it goes away: their connections would stay silent for ever."""
        failure = vm.wait()
        for process in tuple(self._processes):
            process.abandon(failure)

    def _connect(self) -> socket.socket:
        if self._vm is not None:
            self._vm.require_alive()
        try:
            connection = socket.create_connection(self._server, timeout=30)
        except OSError as error:
            console = self._vm.console() if self._vm is not None else ""
            raise KernelFailed(f"the kernel does not answer ({error})", console) from error
        connection.settimeout(None)
        return connection


def boot() -> Kernel:
    """Bring up a kernel with IPVS.

    Raises
    ------
    NotEntered
        Outside the lab's namespaces.
    KernelFailed
        If it does not come up; with what its console said.
    """
    session.require()
    return _plain() if has_ipvs() else _user_mode()


def has_ipvs() -> bool:
    """Tell whether this machine's own kernel has IPVS, and lets us use it."""
    # Its netlink family asks for rights over the machine, not only over a user namespace (GENL_ADMIN_PERM).
    if Path("/proc/self/uid_map").read_text().split() != ["0", "0", str(2**32 - 1)]:
        return False
    subprocess.run(["modprobe", "-qa", *MODULES], check=False, stderr=subprocess.DEVNULL)
    return os.path.exists("/proc/net/ip_vs")


def _plain() -> Kernel:
    """Use this machine's kernel: the lab's own namespace is both its first and the outside."""
    subprocess.run(
        ["ip", "-batch", "-"],
        input=f"link add {BRIDGE} address {BRIDGE_MAC} type bridge\n"
        f"addr add {OUTSIDE}/24 dev {BRIDGE}\nlink set {BRIDGE} up\n",
        text=True,
        check=True,
    )
    server = ("127.0.0.1", PORT)
    # With processes and mounts of its own, so that all it has started and mounted ends with it. Not as the first
    # process there: that has to take care of orphans, as a shell does.
    command = shlex.join([sys.executable, "-S", "-E", guest_program(), server[0], str(server[1])])
    local = subprocess.Popen(
        ["unshare", "--mount", "--pid", "--fork", "--mount-proc", "--kill-child", "sh", "-c", f"{command}; exit $?"]
    )
    wait_for(server, lambda: local.poll() is None, lambda: "")
    return Kernel(server, None, local)


def _user_mode() -> Kernel:
    subprocess.run(
        ["ip", "-batch", "-"],
        input=f"tuntap add dev {TAP} mode tap\naddr add {OUTSIDE}/24 dev {TAP}\nlink set {TAP} up\n",
        text=True,
        check=True,
    )
    scratch = Path(tempfile.mkdtemp(prefix="kernel-", dir="/run"))  # the session's own: in memory, and gone with it
    server = (INSIDE, PORT)
    vm = UserModeLinux.start(
        scratch,
        modules=MODULES,
        network=[
            f"ip link add {BRIDGE} address {BRIDGE_MAC} type bridge",
            f"ip link set vec0 master {BRIDGE} up",
            f"ip addr add {INSIDE}/24 dev {BRIDGE}",
            f"ip link set {BRIDGE} up",
        ],
        command=[sys.executable, "-S", "-E", guest_program(), server[0], str(server[1])],
        tap=TAP,
    )
    wait_for(server, vm.is_alive, vm.console)
    return Kernel(server, vm, None)


def guest_program() -> str:
    """Return the program that serves commands in a kernel."""
    return str(Path(__file__).with_name("guest.py"))


def wait_for(
    server: tuple[str, int], alive: Callable[[], bool], console: Callable[[], str], seconds: float = 60.0
) -> None:
    """Wait until a kernel answers.

    Raises
    ------
    KernelFailed
        If it does not within ``seconds``, or ends.
    """
    deadline = time.monotonic() + seconds
    while alive():
        try:
            socket.create_connection(server, timeout=1).close()
        except OSError:
            if time.monotonic() > deadline:
                raise KernelFailed(f"the kernel did not answer within {seconds:g} s", console()) from None
            time.sleep(0.05)
        else:
            return
    raise KernelFailed("the kernel ended before it was up", console())
