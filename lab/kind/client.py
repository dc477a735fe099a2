"""A client: a container on the nodes' wire that has nothing to do with the cluster."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import msgspec

from lab.docker import NETWORK, OwnDocker
from lab.errors import LabError
from lab.kernel import Finished
from lab.kind.netns import netns_of, run_in
from lab.processes import Held, Replies

__all__ = ["Client", "Hold", "Load", "Loaded"]

LAB = Path(__file__).parents[1]
NAME = "lab-client"
LONGEST_LOAD = 600  # seconds


class Loaded(msgspec.Struct, frozen=True):
    """What came of a load: requests sent, replies by server, failures by kind, and times in seconds."""

    sent: int
    servers: dict[str, int]
    failures: dict[str, int]
    seconds: float
    slowest: float


class Hold:
    """A connection that is held open and used until it is released."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def release(self) -> Held:
        """Close it and tell how it went."""
        said, _ = self._process.communicate("\n", timeout=60)
        return msgspec.json.decode(said.splitlines()[-1], type=Held)


class Load:
    """A load that goes on until it is released."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def release(self) -> Loaded:
        """End it and tell what came of it."""
        said, _ = self._process.communicate("\n", timeout=60)
        return msgspec.json.decode(said.splitlines()[-1], type=Loaded)


class Client:
    """The client.

    Parameters
    ----------
    image
        Any image with a program that waits: ``sleep``.
    addresses
        Its addresses with prefix length, besides the one on the nodes' network.
    """

    def __init__(self, docker: OwnDocker, image: str, addresses: tuple[str, ...]) -> None:
        self._docker = docker
        docker.run("run", "--detach", "--name", NAME, "--network", NETWORK, "--entrypoint", "sleep", image, "infinity")
        self._pid = docker.pid(NAME)
        for address in addresses:
            self.run("ip", "address", "add", address, "dev", "eth0")

    def run(self, *argv: str, check: bool = True, timeout: float = 120.0) -> Finished:
        """Run one of this machine's programs on the client's network.

        Raises
        ------
        CommandFailed
            If it ends with another code than 0 and ``check`` is set.
        """
        return run_in(self._pid, argv, check=check, timeout=timeout)

    def requests(self, vip: str, count: int, port: int) -> Replies:
        """Make HTTP requests one after the other, each on a connection of its own."""
        done = self.run(*_python("httpclient.py"), "many", vip, str(port), str(count), timeout=300)
        return msgspec.json.decode(done.stdout, type=Replies)

    def load(self, vip: str, port: int, rate: int) -> Load:
        """Start requests at a steady rate (a second); return once the first reply is there."""
        return Load(self._start("loading", "httpload.py", vip, str(port), str(rate), str(LONGEST_LOAD)))

    def hold(self, vip: str, port: int) -> Hold:
        """Open a connection, use it every 20 ms, and return once the first reply is there."""
        return Hold(self._start("holding", "httpclient.py", "hold", vip, str(port), str(LONGEST_LOAD)))

    def _start(self, word: str, program: str, *args: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            ["nsenter", f"--net={netns_of(self._pid)}", *_python(program), *args],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        first = process.stdout.readline() if process.stdout else ""
        if first != f"{word}\n":
            raise LabError(f"no reply to {program} {' '.join(args)}: {first}")
        return process

    def close(self) -> None:
        """End it."""
        self._docker.run("container", "rm", "--force", NAME)


def _python(program: str) -> tuple[str, ...]:
    return (sys.executable, "-S", "-E", str(LAB / program))
