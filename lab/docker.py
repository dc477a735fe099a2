"""Container engines: the machine's, where it has one, and one of the lab's own that has no way out of the machine."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import time
from pathlib import Path

from lab import session
from lab.cache import cache_dir
from lab.errors import LabError

__all__ = ["BRIDGE", "GATEWAY", "NETWORK", "Docker", "OwnDocker"]

SOCKET = "unix:///run/lab/docker/socket"
# The network that kind puts its nodes on; it uses one of this name that is there already.
NETWORK = "kind"
BRIDGE = "kind0"
SUBNET = "10.124.0.0/24"
GATEWAY = "10.124.0.1"
SECONDS_TO_START = 60


class Docker:
    """The engine that the environment, or the default, names."""

    def __init__(self, **environment: str) -> None:
        self.environment = {**os.environ, **environment}

    def run(self, *args: str, input: str | bytes | None = None, check: bool = True, timeout: float = 300.0) -> str:
        """Run ``docker`` and return what it prints.

        Raises
        ------
        LabError
            If it ends with an error and ``check`` is set.
        """
        data = input.encode() if isinstance(input, str) else input
        done = subprocess.run(
            ["docker", *args],
            input=data,
            stdin=subprocess.DEVNULL if data is None else None,
            capture_output=True,
            env=self.environment,
            timeout=timeout,
            check=False,
        )
        if check and done.returncode != 0:
            said = done.stderr.decode() + done.stdout.decode()
            raise LabError(f"docker {' '.join(args)} ended with {done.returncode}:\n{said[-3000:]}")
        return done.stdout.decode()

    def works(self) -> bool:
        """Tell whether there is such an engine."""
        if not shutil.which("docker"):
            return False
        return not subprocess.run(
            ["docker", "version"], capture_output=True, env=self.environment, check=False
        ).returncode

    def has_image(self, image: str) -> bool:
        """Tell whether an image is there."""
        return bool(self.run("image", "ls", "--quiet", image).strip())

    def pulls(self, image: str) -> bool:
        """Tell whether an image is there, or can be brought here."""
        try:
            self.run("image", "pull", "--quiet", image, timeout=600)
        except (LabError, subprocess.TimeoutExpired):
            return False
        return True


class OwnDocker(Docker):
    """An engine inside the lab's namespaces; starts at once, with no containers, and ends with them.

    Images stay from one start to the next, in the cache.

    Parameters
    ----------
    log
        File for what it says.

    Raises
    ------
    NotEntered
        Outside the lab's namespaces.
    LabError
        If it does not start.
    """

    def __init__(self, log: Path) -> None:
        session.require(also={BRIDGE})
        super().__init__(DOCKER_HOST=SOCKET, DOCKER_BUILDKIT="0")
        self._log = log
        kept = cache_dir() / "docker"
        kept.mkdir(exist_ok=True)
        self._lock = _lock(kept)
        folder = Path("/run/lab/docker")
        folder.mkdir(parents=True, exist_ok=True)
        runtime = Path(__file__).with_name("runc.py")
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                [
                    "dockerd", f"--host={SOCKET}", f"--data-root={kept}", f"--exec-root={folder / 'exec'}",
                    f"--pidfile={folder / 'pid'}", "--bridge=none", f"--add-runtime=lab={runtime}",
                    "--default-runtime=lab",
                ],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )  # fmt: skip
        self._wait()
        self._forget_last_time()

    def pid(self, container: str) -> int:
        """Return the process id of a container's first process, in the lab's numbering; 0 if it does not run."""
        return int(self.run("container", "inspect", "--format", "{{.State.Pid}}", container))

    def address(self, container: str) -> str:
        """Return a container's address on the nodes' network."""
        form = f'{{{{(index .NetworkSettings.Networks "{NETWORK}").IPAddress}}}}'
        return self.run("container", "inspect", "--format", form, container).strip()

    def make_network(self) -> None:
        """Make the network of the nodes."""
        options = ("--subnet", SUBNET, "--gateway", GATEWAY, "-o", f"com.docker.network.bridge.name={BRIDGE}")
        self.run("network", "create", "--driver", "bridge", *options, NETWORK)

    def close(self) -> None:
        """End it."""
        self._process.terminate()
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        os.close(self._lock)

    def _wait(self) -> None:
        deadline = time.monotonic() + SECONDS_TO_START
        while not self.works():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise LabError(f"dockerd did not start; its log ends:\n{self._log.read_text()[-3000:]}")
            time.sleep(0.1)

    def _forget_last_time(self) -> None:
        """Remove what was left when the namespaces of an earlier start ended."""
        containers = self.run("container", "ls", "--all", "--quiet").split()
        if containers:
            self.run("container", "rm", "--force", "--volumes", *containers)
        self.run("volume", "prune", "--force")
        self.run("network", "rm", NETWORK, check=False)


def _lock(folder: Path) -> int:
    """Make sure that no other engine keeps its images there."""
    descriptor = os.open(folder / "lab.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise LabError(f"another run of the lab uses {folder}: wait for its end") from None
    return descriptor
