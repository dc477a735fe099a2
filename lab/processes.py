"""The real operator, agents, web servers and clients as processes, and waiting for what they bring about."""

from __future__ import annotations

import itertools
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import msgspec

from lab.errors import CommandFailed, LabError, Overdue
from lab.guestprocess import GuestProcess
from lab.topology import Host

__all__ = ["Agent", "Held", "Hold", "HttpServer", "Operator", "Replies", "hold", "requests", "wait_until"]

T = TypeVar("T")

HERE = Path(__file__).parent
BIN = Path(sys.prefix) / "bin"  # of the project's environment, which the kernel sees at the same place
POLL = 0.05  # seconds

_NUMBERS = itertools.count(1)


def wait_until(condition: Callable[[], T], what: str, seconds: float = 30.0) -> T:
    """Return what a condition returns once that is true.

    Parameters
    ----------
    condition
        Is called again and again; errors of the lab, of JSON and failed assertions mean "not yet".
    what
        What is waited for, for the error's text.

    Raises
    ------
    Overdue
        After ``seconds``, with what was last returned or raised.
    """
    deadline = time.monotonic() + seconds
    while True:
        last: object
        try:
            value = condition()
            if value:
                return value
            last = value
        except (LabError, AssertionError, ValueError, LookupError) as error:
            last = error
        if time.monotonic() > deadline:
            raise Overdue(what, seconds, last)
        time.sleep(POLL)


class Operator:
    """The operator, outside the kernel; starts at once.

    Parameters
    ----------
    log
        File that its output is added to.
    """

    def __init__(self, kubeconfig: Path, log: Path) -> None:
        self._command = [str(BIN / "lvs-operator"), "run", "--kubeconfig", str(kubeconfig)]
        self.log = log
        self._process = self._start()

    def _start(self) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as log:
            return subprocess.Popen(self._command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def poll(self) -> int | None:
        """Return the exit code; None while it runs."""
        return self._process.poll()

    def kill(self) -> None:
        """End it with SIGKILL."""
        self._process.kill()
        self._process.wait()

    def stop(self) -> int:
        """End it with SIGTERM and return the exit code; after 20 s, with SIGKILL."""
        self._process.terminate()
        try:
            return self._process.wait(20)
        except subprocess.TimeoutExpired:
            self.kill()
            raise Overdue("the operator's end after SIGTERM", 20, self.log.read_text(errors="replace")) from None

    def restart(self) -> None:
        """Start it again, after ending it if it still runs."""
        if self.poll() is None:
            self.stop()
        self._process = self._start()


class Agent:
    """The agent of one node, on its host; starts at once.

    Parameters
    ----------
    manifests
        Folder or file in the kernel, below /run/lab; written with ``Kernel.write_file``.
    kubeconfig
        Text of a kubeconfig; exactly one of this and ``manifests`` is given.
    log
        File, outside the kernel, that its output is added to.
    node
        Name of the node; the host's, if left out.
    state_dir
        Folder in the kernel for its ledger; one that no other agent has had, if left out.
    options
        More words for its command line.
    """

    def __init__(
        self,
        host: Host,
        log: Path,
        *,
        manifests: str | None = None,
        kubeconfig: str | None = None,
        node: str | None = None,
        state_dir: str | None = None,
        options: tuple[str, ...] = (),
    ) -> None:
        if (manifests is None) == (kubeconfig is None):
            raise LabError("an agent needs either manifests or a kubeconfig")
        self.host, self.log, self.options = host, log, options
        self.node = node or host.name
        self.state_dir = state_dir or f"/run/lab/state/{next(_NUMBERS)}-{self.node}"
        if kubeconfig is not None:
            path = f"/run/lab/kubeconfig/{self.node}"
            host.kernel.write_file(path, kubeconfig)
            self._source = ("--kubeconfig", path)
        else:
            self._source = ("--manifests", str(manifests))
        self._process = self._start()

    def command(self, verb: str, *options: str) -> tuple[str, ...]:
        """Return a command line of this agent's: ``run``, ``plan``, ``show`` or ``cleanup``."""
        source = self._source if verb in {"run", "plan"} else ()
        return (
            str(BIN / "lvs-agent"), verb, *source, "--node", self.node, "--state-dir", self.state_dir, *options,
        )  # fmt: skip

    def _start(self) -> GuestProcess:
        return self.host.popen(*self.command("run", *self.options), log=self.log)

    def poll(self) -> int | None:
        """Return the exit code, negative for a signal; None while it runs."""
        return self._process.poll()

    def kill(self) -> None:
        """End it with SIGKILL."""
        self._process.kill()

    def stop(self) -> int:
        """End it with SIGTERM and return the exit code."""
        return self._process.terminate()

    def send_signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self._process.send_signal(number)

    def restart(self) -> None:
        """Start it again with the same state directory, after ending it if it still runs."""
        if self.poll() is None:
            self.stop()
        self._process = self._start()

    def cleanup(self) -> str:
        """End it, run ``lvs-agent cleanup`` in its place and return what that says."""
        if self.poll() is None:
            self.stop()
        return self.host.run(*self.command("cleanup")).stdout


class HttpServer:
    """A web server on a host; ready when this returns.

    Parameters
    ----------
    name
        What it says it is; the host's name, if left out.
    """

    def __init__(self, host: Host, port: int = 80, name: str | None = None) -> None:
        self.host, self.port, self.name = host, port, name or host.name
        self._process = self._start()

    def behave(self, how: str) -> None:
        """Have it answer (``ok``), answer 500 (``error``) or accept and never answer (``silent``)."""
        count = self._process.stdout.count(f"now {how}\n")
        self._process.write(f"{how}\n".encode())
        wait_until(lambda: self._process.stdout.count(f"now {how}\n") > count, f"{self.name} behaving as {how}")

    def stop(self) -> None:
        """End it."""
        self._process.kill()

    def start(self) -> None:
        """Start it again, after ending it if it still runs."""
        self.stop()
        self._process = self._start()

    def _start(self) -> GuestProcess:
        process = self.host.popen(*_python("httpserver.py"), self.name, str(self.port), stdin=True)
        _await_word(process, self.host, "ready", f"the web server on {self.host.name}")
        return process


class Replies(msgspec.Struct, frozen=True):
    """What came of a number of requests.

    Parameters
    ----------
    servers
        Replies by name of the server.
    clients
        Replies by the client's address as the server saw it.
    failures
        Requests without a reply, by the kind of error; after 20, no more requests are made.
    """

    servers: dict[str, int]
    clients: dict[str, int]
    failures: dict[str, int]


class Held(msgspec.Struct, frozen=True):
    """What came of a connection: who answered, how often, the longest wait in seconds, the error if any."""

    server: str
    replies: int
    longest_gap: float
    error: str


class Hold:
    """A connection that is held open and used until it is released."""

    def __init__(self, process: GuestProcess) -> None:
        self._process = process

    def release(self) -> Held:
        """Close it and tell how it went."""
        if self._process.poll() is None:
            self._process.write(b"\n")
        self._process.wait(30)
        return msgspec.json.decode(self._process.stdout.splitlines()[-1], type=Held)


def requests(host: Host, vip: str, count: int, port: int = 80) -> Replies:
    """Make HTTP requests one after the other, each on a connection of its own."""
    done = host.run(*_python("httpclient.py"), "many", vip, str(port), str(count), timeout=300)
    return msgspec.json.decode(done.stdout, type=Replies)


def hold(host: Host, vip: str, port: int = 80, seconds: float = 300.0) -> Hold:
    """Open a connection, use it every 20 ms, and return once the first reply is there.

    Raises
    ------
    CommandFailed
        If it could not be opened.
    """
    process = host.popen(*_python("httpclient.py"), "hold", vip, str(port), str(seconds), stdin=True)
    _await_word(process, host, "holding", f"a connection from {host.name} to {vip}:{port}")
    return Hold(process)


def _python(program: str) -> tuple[str, ...]:
    return (sys.executable, "-S", "-E", str(HERE / program))


def _await_word(process: GuestProcess, host: Host, word: str, what: str) -> None:
    """Wait until a process has printed a word.

    Raises
    ------
    CommandFailed
        If it ends without.
    """
    wait_until(lambda: word in process.stdout or process.poll() is not None, what)
    if word not in process.stdout:
        code = process.poll() or 0
        raise CommandFailed(process.argv, host.name, code, process.stdout + process.stderr)
