"""Boots user-mode Linux on the machine's own root file system."""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from lab.cache import cache_dir
from lab.errors import KernelFailed

__all__ = ["UserModeLinux"]

MODULES = Path("/usr/lib/uml/modules")  # of Debian's package user-mode-linux
MEMORY = "1536M"
CHECKOUT = Path(__file__).parents[1]


class UserModeLinux:
    """A kernel as a process.

    Parameters
    ----------
    process
        The process.
    console_file
        What its console says.
    """

    def __init__(self, process: subprocess.Popen[bytes], console_file: Path) -> None:
        self._process = process
        self._console_file = console_file
        self._last_said = ""

    @classmethod
    def start(
        cls,
        scratch: Path,
        *,
        modules: Sequence[str],
        network: Sequence[str],
        command: Sequence[str],
        tap: str,
        netns: str = "/proc/self/ns/net",
        memory: str = MEMORY,
    ) -> UserModeLinux:
        """Start it; it is up once what ``command`` serves answers.

        Parameters
        ----------
        scratch
            Folder for its memory and other files; on a tmpfs, where memory costs no disk traffic.
        network
            Shell commands that set up its end of the tap device.
        netns
            File of the network namespace where that device is.
        memory
            How much it has at most.
        """
        init = scratch / "init"
        init.write_text(_init_script(modules, network, command))
        init.chmod(0o755)
        console_file = scratch / "console"
        with console_file.open("wb") as console:
            process = subprocess.Popen(
                [
                    "nsenter", f"--net={netns}",
                    "linux.uml", "root=/dev/root", "rootfstype=hostfs", "rootflags=/", "rw", f"mem={memory}", "quiet",
                    f"vec0:transport=tap,ifname={tap},depth=128,gro=1", f"init={init}", "con=null", "con0=fd:0,fd:1",
                ],
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=subprocess.STDOUT,
                env={**os.environ, "TMPDIR": str(scratch), "HOME": str(scratch)},
                start_new_session=True,
            )  # fmt: skip
        return cls(process, console_file)

    def wait(self) -> KernelFailed:
        """Wait for its end and return what it means to those who need it."""
        self._process.wait()
        return KernelFailed("the kernel has gone", self.console())

    def is_alive(self) -> bool:
        """Tell whether it runs."""
        return self._process.poll() is None

    def require_alive(self) -> None:
        """Make sure that it runs.

        Raises
        ------
        KernelFailed
            With what its console said last.
        """
        if not self.is_alive():
            raise KernelFailed("the kernel has gone", self.console())

    def console(self) -> str:
        """Return what its console has said."""
        with contextlib.suppress(FileNotFoundError):
            self._last_said = self._console_file.read_text(errors="replace")
        return self._last_said

    def kill(self) -> None:
        """End it; its helper processes follow."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, 9)
        self._process.wait()
        self.console()
        shutil.rmtree(self._console_file.parent, ignore_errors=True)


def _init_script(modules: Sequence[str], network: Sequence[str], command: Sequence[str]) -> str:
    folder = _indexed_modules()
    path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    modprobe = f"modprobe -d {folder}"
    return "\n".join(
        [
            "#!/bin/sh",
            f"export PATH={path} HOME=/tmp LVS_LAB_KERNEL=1",
            # mount is setuid to the machine's root, who is not root here where a user without rights has started it.
            "setpriv --no-new-privs mount -t proc proc /proc",
            "setpriv --no-new-privs mount -o remount,bind,nosuid /",
            "mount -t sysfs sys /sys",
            "mount -t cgroup2 cgroup /sys/fs/cgroup",
            # Its own /run and /tmp: the machine's know neither sockets nor who watches a file there.
            "mount -t tmpfs run /run",
            "mkdir -p /run/netns /run/lab /run/lock /run/machine",
            "mount --bind / /run/machine",
            "mount -t tmpfs tmp /tmp",
            *(f"mkdir -p {place} && mount --bind /run/machine{place} {place}" for place in _needed_below("/tmp")),  # noqa: S108
            "umount /run/machine",
            "mkdir -p /dev/shm && mount -t tmpfs shm /dev/shm",
            "ip link set lo up",
            f"{modprobe} -a {' '.join(modules)}",
            # Further modules come when the kernel, or somebody, asks for them.
            f"export MODPROBE_OPTIONS='-d {folder}'",
            f"printf '#!/bin/sh\\nexec /sbin/{modprobe} \"$@\"\\n' > /run/modprobe",
            "chmod +x /run/modprobe && echo /run/modprobe > /proc/sys/kernel/modprobe",
            *network,
            shlex.join(command),
            "halt -f",
            "",
        ]
    )


def _needed_below(place: str) -> list[str]:
    """Return the folders there that commands need: a checkout may well be below /tmp."""
    wanted = {str(CHECKOUT), sys.prefix, sys.base_prefix, str(cache_dir()), os.getcwd()}
    return [shlex.quote(folder) for folder in sorted(wanted) if folder.startswith(f"{place}/")]


def _indexed_modules() -> Path:
    """Return a folder with the kernel's modules as modprobe wants them, made once per version."""
    [version] = [entry.name for entry in MODULES.iterdir()]
    folder = cache_dir() / "uml" / version
    if not (folder / "ready").exists():
        target = folder / "lib" / "modules" / version
        shutil.copytree(MODULES / version, target, dirs_exist_ok=True)
        subprocess.run(["/sbin/depmod", "-b", str(folder), version], check=True)
        (folder / "ready").touch()
    return folder
