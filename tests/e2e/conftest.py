"""A kind cluster with one director and two real-server nodes, a client beside it, and the release under test.

Tests don't know where the nodes' kernels come from: they use ``kernels``, and images that ``in_kernel`` has made.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lab.docker import OwnDocker
from lab.kernel import has_ipvs
from lab.kind import nodekernel, parts
from lab.kind.client import Client, Loaded
from lab.kind.cluster import NODES, Cluster
from lab.kind.nodekernel import NodeKernel
from lab.kind.overlay import in_node_kernel
from tests.e2e import objects
from tests.e2e.leaks import changes, dumps
from tests.e2e.release import Release
from tests.e2e.topology import CLIENT_DR, CLIENT_NAT, DIRECTOR, REAL_SERVERS

WEB_SERVER = Path(__file__).parents[2] / "lab" / "httpserver.py"

# For one test: the first one waits for the cluster as well.
SECONDS = 900
PHASES = pytest.StashKey[list[tuple[str, float]]]()
FIGURES = pytest.StashKey[list[str]]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[PHASES] = []
    config.stash[FIGURES] = []


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        item.add_marker(pytest.mark.timeout(SECONDS))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    terminalreporter.section("phases")
    for name, seconds in config.stash[PHASES]:
        terminalreporter.write_line(f"{seconds:7.1f} s  {name}")
    terminalreporter.section("figures")
    for line in config.stash[FIGURES]:
        terminalreporter.write_line(line)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    report = yield
    if report.when in {"setup", "call"} and report.failed and "cluster" in getattr(item, "fixturenames", ()):
        found = getattr(item, "funcargs", {}).get("cluster")
        if found is not None:
            report.sections.append(("the cluster", _state(found)))
    return report


def _state(cluster: Cluster) -> str:
    """Return what one wants to see when a test has failed."""
    questions = [
        ("get", "nodes,pods", "--all-namespaces", "--output", "wide"),
        ("get", "lvs,lrs,directorpools,lvsnodes", "--all-namespaces", "--output", "yaml"),
        ("logs", "--namespace", "lvs-system", "--selector", "app.kubernetes.io/name=lvs-operator", "--prefix",
         "--all-containers", "--tail", "60"),
        ("get", "events", "--all-namespaces", "--sort-by", ".lastTimestamp"),
    ]  # fmt: skip
    answers = (cluster.kubectl(*words, check=False) for words in questions)
    return "\n".join(answer.stdout[-12000:] + answer.stderr for answer in answers)


Phase = Callable[[str], contextlib.AbstractContextManager[None]]


@pytest.fixture(scope="session")
def phase(pytestconfig: pytest.Config) -> Phase:
    """Times a part of the run, for the table at its end."""

    @contextlib.contextmanager
    def timed(name: str) -> Iterator[None]:
        began = time.monotonic()
        yield
        pytestconfig.stash[PHASES].append((name, time.monotonic() - began))

    return timed


@pytest.fixture
def figure(pytestconfig: pytest.Config, request: pytest.FixtureRequest) -> Callable[[Loaded], None]:
    """Keeps what came of a load, for the table at the run's end."""

    def kept(loaded: Loaded) -> None:
        rate, failed = loaded.sent / loaded.seconds, sum(loaded.failures.values())
        told = f"{loaded.sent} requests at {rate:.0f}/s, {failed} failed, slowest {loaded.slowest * 1000:.0f} ms"
        pytestconfig.stash[FIGURES].append(f"{told}: {request.node.name}")

    return kept


@pytest.fixture(scope="session")
def docker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnDocker]:
    engine = OwnDocker(tmp_path_factory.mktemp("docker") / "log")
    yield engine
    engine.close()


@pytest.fixture(scope="session")
def images(docker: OwnDocker, phase: Phase) -> dict[str, str]:
    """The product's images by part."""
    with phase("images of operator and agent"):
        return parts.product_images(docker, parts.load())


@pytest.fixture(scope="session")
def in_kernel(docker: OwnDocker) -> Callable[[str, str], str]:
    """Gives an image, under a name of its own, whose command runs in the kernel of its node."""

    def made(image: str, name: str) -> str:
        if has_ipvs():
            docker.run("tag", image, name)
            return name
        return in_node_kernel(docker, image, name)

    return made


@pytest.fixture(scope="session")
def bare_network(docker: OwnDocker) -> list[str]:
    """The network that the nodes will be on, as it is before the first one starts: its interfaces' names."""
    docker.make_network()
    return sorted(path.name for path in Path("/sys/class/net").iterdir())


@pytest.fixture(scope="session")
def cluster(
    docker: OwnDocker,
    images: dict[str, str],
    in_kernel: Callable[[str, str], str],
    bare_network: list[str],
    tmp_path_factory: pytest.TempPathFactory,
    phase: Phase,
) -> Cluster:
    made = Cluster(docker, parts.load(), tmp_path_factory.mktemp("cluster"))
    with phase("node image"):
        made.make_node_image()
    with phase("cluster of four nodes"):
        made.create()
    with phase("images to the nodes"):
        web = in_kernel(objects.web_image(docker, images["operator"], WEB_SERVER), objects.WEB_IMAGE)
        made.put_image(images["operator"], web)
    made.kubectl("label", "node", DIRECTOR, "lvs-operator.io/director=true")
    made.kubectl("label", "node", *REAL_SERVERS, "lab/real-server=true")
    return made


@pytest.fixture(scope="session")
def kernels(
    cluster: Cluster, tmp_path_factory: pytest.TempPathFactory, phase: Phase
) -> Iterator[dict[str, NodeKernel]]:
    """Each node's kernel; a test that stops a node puts the new one in."""
    folder = tmp_path_factory.mktemp("kernels")
    with phase("kernels of the nodes"):
        started = {node: nodekernel.start(cluster.docker, node, folder / node) for node in NODES}
        cluster.connect()
    for node in REAL_SERVERS:  # with NAT, real servers answer through the director
        nodekernel.route_through(started[node], CLIENT_NAT, started[DIRECTOR])
    for kernel in started.values():
        kernel.admit_pods()
    yield started
    for kernel in started.values():
        kernel.stop()


@pytest.fixture(scope="session")
def client(docker: OwnDocker, images: dict[str, str], kernels: dict[str, NodeKernel]) -> Iterator[Client]:
    made = Client(docker, images["operator"], (CLIENT_DR, CLIENT_NAT))
    yield made
    made.close()


@pytest.fixture(scope="session")
def agent_image(cluster: Cluster, images: dict[str, str], in_kernel: Callable[[str, str], str], phase: Phase) -> str:
    """The tag of the agent's image under test."""
    with phase("the agent's image to the nodes"):
        name = in_kernel(images["agent"], f"{images['agent']}-e2e")
        cluster.put_image(name)
    return name.rpartition(":")[2]


@pytest.fixture(scope="module")
def untouched(kernels: dict[str, NodeKernel]) -> dict[str, str]:
    """What nodes' kernels have without the product; a test that stops a node puts in what the new kernel has."""
    return dumps(kernels)


@pytest.fixture(scope="module")
def release(
    cluster: Cluster,
    kernels: dict[str, NodeKernel],
    untouched: dict[str, str],
    agent_image: str,
    phase: Phase,
    request: pytest.FixtureRequest,
) -> Iterator[Release]:
    """The chart, installed for one module and uninstalled after it: nothing of it may be left."""
    made = Release(cluster, agent_image)
    module = Path(str(request.fspath)).stem
    with phase(f"install for {module}"):
        made.install()
    yield made
    with phase(f"uninstall after {module}"):
        made.delete_objects()
        made.uninstall()
    assert changes(kernels, untouched) == {}
