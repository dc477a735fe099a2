"""Networks of namespaces: hosts on segments, laid out in one go and gone without a trace."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from lab.guestprocess import GuestProcess
from lab.kernel import BRIDGE, MGMT_NETWORK, Finished, Kernel

__all__ = ["DUMP", "Host", "HostPlan", "Interface", "Network", "Plan"]

FIRST_MGMT_HOST = 11


class Interface(msgspec.Struct, frozen=True):
    """An interface of a host: its name, the segment it is on, and its addresses with prefix length."""

    name: str
    segment: str
    addresses: tuple[str, ...] = ()


class HostPlan(msgspec.Struct, frozen=True):
    """A host as it is set up before the product comes.

    Parameters
    ----------
    routes
        As ``ip route add`` takes them.
    sysctls
        By path below /proc/sys.
    mgmt
        Whether it gets ``mgmt0`` on the management network, where the API server is.
    """

    name: str
    interfaces: tuple[Interface, ...]
    routes: tuple[str, ...] = ()
    sysctls: Mapping[str, str] = {}
    mgmt: bool = True


class Plan(msgspec.Struct, frozen=True):
    """All hosts of a network."""

    hosts: tuple[HostPlan, ...]

    @property
    def segments(self) -> tuple[str, ...]:
        """The segments that hosts are on."""
        return tuple(sorted({interface.segment for host in self.hosts for interface in host.interfaces}))


class Host:
    """One host: a network namespace of the kernel."""

    def __init__(self, kernel: Kernel, plan: HostPlan) -> None:
        self.kernel = kernel
        self.name = plan.name
        self.plan = plan

    def address(self, interface: str = "eth0") -> str:
        """Return the first address of an interface."""
        [found] = [one for one in self.plan.interfaces if one.name == interface]
        return found.addresses[0].partition("/")[0]

    def run(
        self,
        *argv: str,
        input: str | None = None,
        check: bool = True,
        timeout: float = 120.0,
    ) -> Finished:
        """Run a command there to its end; see ``Kernel.run``."""
        return self.kernel.run(argv, netns=self.name, input=input, check=check, timeout=timeout)

    def popen(
        self, *argv: str, env: Mapping[str, str] | None = None, log: Path | None = None, stdin: bool = False
    ) -> GuestProcess:
        """Start a command there; see ``Kernel.popen``."""
        return self.kernel.popen(argv, netns=self.name, env=env, log=log, stdin=stdin)

    def dump(self) -> str:
        """Return, as text, everything that must be as before once the product has left again."""
        return self.run("sh", "-c", DUMP).stdout

    def table(self) -> str:
        """Return the IPVS table as rules, sorted."""
        return "".join(sorted(self.run("ipvsadm-save", "-n").stdout.splitlines(keepends=True)))


# Left out: neighbours, which come and go with traffic; a secret that the kernel draws when it first needs it, and a
# counter (Documentation/networking/ip-sysctl.rst, nf_conntrack-sysctl.rst); chains that are empty: their table may
# have come with a mere look at it.
_VOLATILE = "tcp_fastopen_key|nf_conntrack_count"
DUMP = rf"""
ip -d addr show | sed -E 's/(valid_lft|preferred_lft) [^ ]+ ?//g; s/ (numtxqueues|gso_|tso_|gro_)[^ ]* [0-9]+//g'
ip -4 route show table all; ip -6 route show table all | sed -E 's/ expires [^ ]+//'
ip -4 rule; ip -6 rule
find /proc/sys/net/ipv4 /proc/sys/net/ipv6 /proc/sys/net/netfilter -type f 2>/dev/null |
  grep -Ev '{_VOLATILE}' | sort | xargs grep -Hs ''
ipvsadm-save -n | sort
for table in $(sort /proc/net/ip_tables_names /proc/net/ip6_tables_names 2>/dev/null | uniq); do
  for save in iptables-legacy-save ip6tables-legacy-save; do
    $save -t $table 2>/dev/null | sed -n "s/^-/$save -t $table -/p"
  done
done
"""


class Network:
    """Hosts that are up; a context manager that takes them down again, with all that runs on them."""

    def __init__(self, kernel: Kernel, plan: Plan) -> None:
        self._kernel = kernel
        self._plan = plan
        self.hosts = {host.name: Host(kernel, host) for host in plan.hosts}

    def __getitem__(self, name: str) -> Host:
        return self.hosts[name]

    def __enter__(self) -> Network:
        try:
            self._bring_up()
        except BaseException:
            self.__exit__()
            raise
        return self

    def _bring_up(self) -> None:
        self._kernel.run(["ip", "-batch", "-"], input="\n".join(_outer_commands(self._plan)) + "\n")
        script = "\n".join(
            f"ip -n {host.name} -batch - <<'END'\n" + "\n".join(_inner_commands(host, number)) + "\nEND"
            for number, host in enumerate(self._plan.hosts)
        )
        self._kernel.run(["sh", "-e", "-c", script])
        for host in self._plan.hosts:
            if host.sysctls:
                lines = "\n".join(f"echo {value} > /proc/sys/{path}" for path, value in host.sysctls.items())
                self.hosts[host.name].run("sh", "-e", "-c", lines)

    def __exit__(self, *_: object) -> None:
        # A namespace goes some time after its last process: what a next network needs the names of goes at once.
        commands = [f"link del {outer}" for outer in _outer_names(self._plan)]
        commands += [f"netns del {host.name}" for host in self._plan.hosts]
        commands += [f"link del br-{segment}" for segment in self._plan.segments]
        names = " ".join(host.name for host in self._plan.hosts)
        script = f"for host in {names}; do ip netns pids $host; done | xargs -r kill -9; ip -force -batch -"
        self._kernel.run(["sh", "-c", script], input="\n".join(commands) + "\n", check=False)


def _outer_names(plan: Plan) -> list[str]:
    names = []
    for number, host in enumerate(plan.hosts):
        names += [f"v{number}-{index}" for index, _ in enumerate(host.interfaces)]
        names += [f"v{number}-m"] if host.mgmt else []
    return names


def _outer_commands(plan: Plan) -> list[str]:
    commands = [f"netns add {host.name}" for host in plan.hosts]
    for segment in plan.segments:
        commands += [f"link add br-{segment} type bridge", f"link set br-{segment} up"]
    for number, host in enumerate(plan.hosts):
        for index, interface in enumerate(host.interfaces):
            commands += _pair(f"v{number}-{index}", interface.name, host.name, f"br-{interface.segment}")
        if host.mgmt:
            commands += _pair(f"v{number}-m", "mgmt0", host.name, BRIDGE)
    return commands


def _pair(outer: str, inner: str, netns: str, bridge: str) -> Sequence[str]:
    return (
        f"link add {outer} type veth peer name {inner} netns {netns}",
        f"link set {outer} master {bridge} up",
    )


def _inner_commands(host: HostPlan, number: int) -> list[str]:
    commands = ["link set lo up"]
    for interface in host.interfaces:
        commands += _up(interface.name)
        commands += [f"addr add {address} dev {interface.name}{_no_dad(address)}" for address in interface.addresses]
    if host.mgmt:
        network = ipaddress.ip_network(MGMT_NETWORK)
        address = network[FIRST_MGMT_HOST + number]
        commands += [*_up("mgmt0"), f"addr add {address}/{network.prefixlen} dev mgmt0"]
    return commands + [f"route add {route}" for route in host.routes]


def _up(interface: str) -> tuple[str, str]:
    # No link-local addresses: they appear some time after the link is up, in the middle of a test. As one command
    # the link would be up first.
    return f"link set {interface} addrgenmode none", f"link set {interface} up"


def _no_dad(address: str) -> str:
    return " nodad" if ":" in address else ""
