"""The lab for tests: one kernel and one API server for all of them, a network and clean objects for each."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from lab import tools
from lab.apiserver import CRDS, ApiServer
from lab.kernel import Kernel, boot
from lab.processes import Agent, Operator
from lab.session import MARK
from lab.topology import Network, Plan
from tests.integration.fileslab import FilesLab
from tests.integration.helmlab import Helm
from tests.integration.leftovers import remove_objects


def pytest_sessionstart() -> None:
    if os.environ.get(MARK) != "1":
        pytest.exit("these tests need the lab around them: start them with `make test-integration`", returncode=1)


@pytest.fixture(scope="session")
def kernel() -> Iterator[Kernel]:
    """A kernel with IPVS."""
    booted = boot()
    yield booted
    booted.close()


@pytest.fixture
def network(kernel: Kernel) -> Iterator[Callable[[Plan], Network]]:
    """Bring up a network from its plan; it goes with the test."""
    with ExitStack() as stack:
        yield lambda plan: stack.enter_context(Network(kernel, plan))


@pytest.fixture(scope="session")
def running_api_server(kernel: Kernel) -> Iterator[ApiServer]:
    """An API server with our CRDs, whatever tests have left in it."""
    server = ApiServer(tools.find(), Path(tempfile.mkdtemp(prefix="lvs-api-", dir="/run")))
    try:
        server.start()
        if any(CRDS.glob("*.yaml")):
            server.install_crds()
        yield server
    finally:
        server.close()


@pytest.fixture
def api_server(running_api_server: ApiServer) -> Iterator[ApiServer]:
    """An API server that runs and has our CRDs, and no object of any test before."""
    yield running_api_server
    running_api_server.start_if_stopped()
    remove_objects(running_api_server)


@pytest.fixture
def api(api_server: ApiServer) -> ApiServer:
    """The same, by its short name."""
    return api_server


@pytest.fixture
def helm(api_server: ApiServer, tmp_path: Path) -> Helm:
    """Helm, for the API server."""
    return Helm(api_server, tmp_path)


class Processes:
    """Starts agents and the operator for one test; ends them with it and keeps their logs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._running: list[Agent | Operator] = []

    def agent(self, *args: Any, **kwargs: Any) -> Agent:
        """Start an agent; takes what ``lab.processes.Agent`` takes, without the log."""
        host = args[0]
        agent = Agent(host, self.folder / f"agent-{host.name}.log", *args[1:], **kwargs)
        self._running.append(agent)
        return agent

    def operator(self, kubeconfig: Path) -> Operator:
        """Start the operator."""
        operator = Operator(kubeconfig, self.folder / "operator.log")
        self._running.append(operator)
        return operator

    def close(self) -> None:
        """End what still runs."""
        for process in self._running:
            if process.poll() is None:
                process.kill()


LOGS = pytest.StashKey[list[Path]]()


@pytest.fixture
def processes(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Processes]:
    """Start agents and the operator; their logs are shown if the test fails."""
    request.node.stash.setdefault(LOGS, []).append(tmp_path)
    started = Processes(tmp_path)
    yield started
    started.close()


@pytest.fixture
def files_lab(kernel: Kernel, network: Callable[[Plan], Network], processes: Processes) -> Callable[[Plan], FilesLab]:
    """Bring up a network whose hosts run agents from one folder of manifests."""
    return lambda plan: FilesLab(kernel, network(plan), processes)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.failed:
        for folder in item.stash.get(LOGS, []):
            for log in sorted(folder.glob("*.log")):
                report.sections.append((log.name, log.read_text(errors="replace")[-8000:]))
    return report
