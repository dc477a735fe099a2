"""What the agent writes into a real IPVS table, read back by ourselves and by ipvsadm."""

from __future__ import annotations

import socket
import socketserver
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from lvs_agent.ipvs import (
    Destination,
    DestinationKey,
    Family,
    ForwardingMethod,
    Protocol,
    Service,
    ServiceFlags,
    ServiceKey,
    TunnelFlags,
    TunnelType,
)
from lvs_agent.kernel import codec, settings
from lvs_agent.kernel.errors import (
    EngineUnavailable,
    ItemExists,
    ItemGone,
    KernelError,
    OutcomeUnknown,
    Refused,
    SchedulerUnavailable,
)
from lvs_agent.kernel.ipvs_table import IPVSTable
from lvs_agent.kernel.netlink import FamilyAbsent, GenericNetlink
from lvs_agent.kernel.settings import Daemon, DaemonState, Timeouts
from lvs_agent.state import Action, ItemKey, ItemValue, Operation
from tests.kernel.namespaces import new_namespace, run

NAT, DR, TUN = ForwardingMethod.NAT, ForwardingMethod.DR, ForwardingMethod.TUN
WEB = ServiceKey(Family.IPV4, Protocol.TCP, "198.51.100.200", 80)
WEB6 = ServiceKey(Family.IPV6, Protocol.TCP, "2001:db8::200", 443)
MARK = ServiceKey(Family.IPV4, Protocol.NONE, "", 0, 7)
PERSISTENT = ServiceFlags.PERSISTENT


@pytest.fixture(autouse=True)
def _namespace() -> Iterator[None]:
    with new_namespace() as namespace, namespace.entered():
        yield


@pytest.fixture
def table() -> Iterator[IPVSTable]:
    table = IPVSTable()
    yield table
    table.close()


def create(key: ItemKey, value: ItemValue) -> Operation:
    return Operation(Action.CREATE, key, None, value)


def update(key: ItemKey, before: ItemValue, after: ItemValue) -> Operation:
    return Operation(Action.UPDATE, key, before, after)


def delete(key: ItemKey, value: ItemValue) -> Operation:
    return Operation(Action.DELETE, key, value, None)


def failed(errors: list[KernelError | None]) -> list[tuple[int, type[KernelError]]]:
    return [(position, type(error)) for position, error in enumerate(errors) if error is not None]


def ipvsadm_lines() -> list[str]:
    return [line.rstrip() for line in run("ipvsadm-save -n").splitlines()]


def service(address: str, port: int, protocol: Protocol = Protocol.TCP) -> ServiceKey:
    return ServiceKey(Family.IPV6 if ":" in address else Family.IPV4, protocol, address, port)


SERVICES = [
    (service("198.51.100.200", 80), Service("wrr"), "-A -t 198.51.100.200:80 -s wrr"),
    (service("198.51.100.200", 53, Protocol.UDP), Service("rr"), "-A -u 198.51.100.200:53 -s rr"),
    (service("198.51.100.200", 99, Protocol.SCTP), Service("lc"), "-A --sctp-service 198.51.100.200:99 -s lc"),
    (service("2001:db8::200", 80), Service("rr", prefix_length=128), "-A -t [2001:db8::200]:80 -s rr"),
    (service("2001:db8::200", 53, Protocol.UDP), Service("rr", prefix_length=128), "-A -u [2001:db8::200]:53 -s rr"),
    (
        service("2001:db8::200", 99, Protocol.SCTP),
        Service("rr", prefix_length=128),
        "-A --sctp-service [2001:db8::200]:99 -s rr",
    ),
    (MARK, Service("wlc"), "-A -f 7 -s wlc"),
    (
        ServiceKey(Family.IPV6, Protocol.NONE, "", 0, 4294967295),
        Service("wlc", prefix_length=128),
        "-A -f -1 -6 -s wlc",  # ipvsadm prints a mark with a sign
    ),
    (service("198.51.100.200", 0), Service("rr", PERSISTENT, 360), "-A -t 198.51.100.200:0 -s rr -p 360"),
    (
        WEB,
        Service("rr", PERSISTENT, 300, prefix_length=24),
        "-A -t 198.51.100.200:80 -s rr -p 300 -M 255.255.255.0",
    ),
    (WEB6, Service("rr", PERSISTENT, 300, prefix_length=64), "-A -t [2001:db8::200]:443 -s rr -p 300 -M 64"),
    (
        service("198.51.100.200", 53, Protocol.UDP),
        Service("rr", ServiceFlags.ONE_PACKET),
        "-A -u 198.51.100.200:53 -s rr -o",
    ),
    (
        WEB,
        Service("sh", ServiceFlags.SCHEDULER_1 | ServiceFlags.SCHEDULER_2),
        "-A -t 198.51.100.200:80 -s sh -b sh-fallback,sh-port",
    ),
    (WEB, Service("mh", ServiceFlags.SCHEDULER_2), "-A -t 198.51.100.200:80 -s mh -b mh-port"),
    (
        service("198.51.100.200", 5060, Protocol.UDP),
        Service("rr", PERSISTENT, 300, engine="sip"),
        "-A -u 198.51.100.200:5060 -s rr -p 300 --pe sip",
    ),
]


@pytest.mark.parametrize(("key", "value", "line"), SERVICES, ids=[line for _key, _value, line in SERVICES])
def test_a_service_is_what_ipvsadm_would_have_made(
    table: IPVSTable, key: ServiceKey, value: Service, line: str
) -> None:
    assert failed(table.apply([create(key, value)])) == []

    assert ipvsadm_lines() == [line]
    assert table.read().services == {key: value}
    assert failed(table.apply([delete(key, value)])) == []
    assert ipvsadm_lines() == []


@pytest.mark.parametrize(
    "scheduler", ["rr", "wrr", "lc", "wlc", "fo", "ovf", "lblc", "lblcr", "dh", "sh", "mh", "sed", "nq"]
)
def test_every_scheduler_can_be_chosen_and_changed_to(table: IPVSTable, scheduler: str) -> None:
    other = "rr" if scheduler != "rr" else "wrr"

    first = table.apply([create(WEB, Service(scheduler)), create(WEB6, Service(other, prefix_length=128))])
    then = table.apply([update(WEB6, Service(other, prefix_length=128), Service(scheduler, prefix_length=128))])

    assert failed(first) == failed(then) == []
    assert table.read().services == {WEB: Service(scheduler), WEB6: Service(scheduler, prefix_length=128)}


DESTINATIONS = [
    (WEB, "198.51.100.21", 8080, Destination(NAT), "-r 198.51.100.21:8080 -m -w 1"),
    (WEB, "198.51.100.21", 80, Destination(DR, 65535), "-r 198.51.100.21:80 -g -w 65535"),
    (WEB, "198.51.100.21", 80, Destination(TUN, 0), "-r 198.51.100.21:80 -i -w 0 --tun-type ipip"),
    (WEB, "198.51.100.21", 80, Destination(DR, 1, 100, 80), "-r 198.51.100.21:80 -g -w 1"),
    (
        *(WEB, "198.51.100.21", 80),
        Destination(TUN, 1, 0, 0, TunnelType.GUE, 6080, TunnelFlags.CHECKSUM),
        "-r 198.51.100.21:80 -i -w 1 --tun-type gue --tun-port 6080 --tun-csum",
    ),
    (
        *(WEB, "198.51.100.21", 80),
        Destination(TUN, 1, 0, 0, TunnelType.GUE, 6080, TunnelFlags.REMOTE_CHECKSUM),
        "-r 198.51.100.21:80 -i -w 1 --tun-type gue --tun-port 6080 --tun-remcsum",
    ),
    (
        *(WEB, "198.51.100.21", 80),
        Destination(TUN, 1, 0, 0, TunnelType.GRE, 0, TunnelFlags.CHECKSUM),
        "-r 198.51.100.21:80 -i -w 1 --tun-type gre --tun-csum",
    ),
    (WEB, "2001:db8::21", 80, Destination(TUN), "-r [2001:db8::21]:80 -i -w 1 --tun-type ipip"),
    (WEB6, "2001:db8::21", 443, Destination(DR, 3), "-r [2001:db8::21]:443 -g -w 3"),
    (MARK, "198.51.100.21", 0, Destination(DR), "-r 198.51.100.21:0 -g -w 1"),
]


@pytest.mark.parametrize(
    ("of", "address", "port", "value", "line"), DESTINATIONS, ids=[f"{row[0]} {row[3]}" for row in DESTINATIONS]
)
def test_a_real_server_is_what_ipvsadm_would_have_made(
    table: IPVSTable, of: ServiceKey, address: str, port: int, value: Destination, line: str
) -> None:
    key = DestinationKey(of, address, port)
    prefix_length = 128 if of.family is Family.IPV6 else 32

    errors = table.apply([create(of, Service("wrr", prefix_length=prefix_length)), create(key, value)])

    assert failed(errors) == []
    assert table.read().destinations == {key: value}
    assert [one.split(" ", 3)[3] for one in ipvsadm_lines()[1:]] == [line]
    assert failed(table.apply([delete(key, value)])) == []
    assert table.read().destinations == {}


@pytest.mark.parametrize(
    ("of", "address", "port", "value", "_line"), DESTINATIONS, ids=[f"{row[0]} {row[3]}" for row in DESTINATIONS]
)
def test_every_setting_of_a_real_server_can_be_changed_in_place(
    table: IPVSTable, of: ServiceKey, address: str, port: int, value: Destination, _line: str
) -> None:
    key = DestinationKey(of, address, port)
    first = Destination(TUN, 7, 9, 8)
    prefix_length = 128 if of.family is Family.IPV6 else 32
    table.apply([create(of, Service("wrr", prefix_length=prefix_length)), create(key, first)])

    errors = table.apply([update(key, first, value)])

    assert failed(errors) == []
    assert table.read().destinations == {key: value}


def test_thresholds_are_what_ipvsadm_shows(table: IPVSTable) -> None:
    key = DestinationKey(WEB, "198.51.100.21", 80)

    table.apply([create(WEB, Service("wrr")), create(key, Destination(DR, 1, upper_threshold=100, lower_threshold=80))])

    assert run("ipvsadm -Ln --thresholds").splitlines()[-1].split()[:3] == ["->", "198.51.100.21:80", "100"]
    assert run("ipvsadm -Ln --thresholds").splitlines()[-1].split()[3] == "80"


def test_a_weight_change_leaves_other_real_servers_and_all_connections_as_they_are(table: IPVSTable) -> None:
    for address in ("198.51.100.200", "198.51.100.21", "198.51.100.22"):
        run(f"ip addr add {address}/32 dev lo")
    first, second = DestinationKey(WEB, "198.51.100.21", 80), DestinationKey(WEB, "198.51.100.22", 80)
    table.apply([create(WEB, Service("rr")), create(first, Destination(NAT)), create(second, Destination(NAT))])
    with (
        answering("198.51.100.21"),
        answering("198.51.100.22"),
        socket.create_connection(("198.51.100.200", 80), timeout=5) as one,
        socket.create_connection(("198.51.100.200", 80), timeout=5) as two,
    ):
        before = table.read()
        errors = table.apply([update(first, Destination(NAT), Destination(NAT, 0))])
        after = table.read()
        answers = [exchange(one), exchange(two)]
        # The kernel adds up totals every two seconds (ip_vs_est.c).
        until(lambda: table.read().service_counters[WEB].connections == 2)

    assert failed(errors) == []
    assert answers == [b"ping", b"ping"]
    assert after.destinations == {first: Destination(NAT, 0), second: Destination(NAT)}
    assert after.services == before.services
    assert {key: one.active for key, one in after.destination_counters.items()} == {first: 1, second: 1}


def test_an_error_in_the_middle_of_a_batch_is_given_to_its_own_operation(table: IPVSTable) -> None:
    there = service("198.51.100.200", 81)
    absent = DestinationKey(service("198.51.100.200", 99), "198.51.100.21", 80)
    operations = [
        create(there, Service("rr")),
        create(there, Service("rr")),
        create(WEB, Service("nowhere")),
        create(absent, Destination(DR)),
        update(DestinationKey(there, "198.51.100.21", 80), Destination(DR), Destination(DR, 2)),
        create(WEB6, Service("rr", prefix_length=129)),
        create(WEB, Service("rr", PERSISTENT, 300, engine="nowhere")),
        delete(absent, Destination(DR)),
        delete(MARK, Service("rr")),
        create(WEB, Service("rr")),
    ]

    errors = table.apply(operations)

    assert failed(errors) == [
        (1, ItemExists),
        (2, SchedulerUnavailable),
        (3, ItemGone),
        (4, ItemGone),
        (5, Refused),
        (6, EngineUnavailable),
    ]
    assert set(table.read().services) == {there, WEB}


def test_a_missing_scheduler_is_named_with_its_module(table: IPVSTable) -> None:
    (error,) = table.apply([create(WEB, Service("nowhere"))])

    assert isinstance(error, SchedulerUnavailable)
    assert (error.scheduler, error.module) == ("nowhere", "ip_vs_nowhere")
    assert "modprobe ip_vs_nowhere" in str(error)


def test_a_missing_engine_is_named_with_its_module(table: IPVSTable) -> None:
    table.apply([create(WEB6, Service("rr", prefix_length=128))])  # so that the scheduler is there

    (error,) = table.apply([create(WEB, Service("rr", PERSISTENT, 300, engine="nowhere"))])

    assert isinstance(error, EngineUnavailable)
    assert "modprobe ip_vs_pe_nowhere" in str(error)


def test_an_error_in_the_last_of_a_batch_ends_it_too(table: IPVSTable) -> None:
    errors = table.apply([create(WEB, Service("rr")), create(WEB, Service("rr"))])

    assert failed(errors) == [(1, ItemExists)]


def test_errors_of_many_batches_are_each_given_to_their_own_operation(table: IPVSTable) -> None:
    keys = [service("198.51.100.200", port) for port in range(1, 701)]
    table.apply([create(key, Service("rr")) for key in keys[::3]])

    errors = table.apply([create(key, Service("rr")) for key in keys])

    assert [position for position, _error in failed(errors)] == list(range(0, 700, 3))
    assert set(table.read().services) == set(keys)


def test_a_table_larger_than_a_datagram_is_read_whole(table: IPVSTable) -> None:
    keys = [service("198.51.100.200", port) for port in range(1, 301)]
    many = [DestinationKey(keys[0], f"10.9.{number // 250}.{number % 250 + 1}", 80) for number in range(300)]
    table.apply([create(key, Service("rr")) for key in keys])
    table.apply([create(key, Destination(DR)) for key in many])

    read = table.read()

    assert set(read.services) == set(keys)
    assert set(read.destinations) == set(many)


def test_lost_replies_are_said_to_be_unknown_and_the_next_batch_works() -> None:
    table = IPVSTable(receive_buffer=1)  # the kernel makes it its smallest, about 2 KiB
    keys = [service("198.51.100.200", port) for port in range(1, 101)]
    table.apply([create(key, Service("rr")) for key in keys])

    errors = table.apply([create(key, Service("rr")) for key in keys])

    kinds = {type(error) for error in errors}
    assert OutcomeUnknown in kinds
    assert kinds <= {OutcomeUnknown, ItemExists}
    assert failed(table.apply([delete(keys[0], Service("rr"))])) == []
    assert set(table.read().services) == set(keys[1:])
    table.close()


def test_what_ipvsadm_made_is_read_as_if_we_had(table: IPVSTable) -> None:
    run("ipvsadm -A -t 198.51.100.200:80 -s sh -b sh-port -p 77 -M 255.255.0.0")
    run("ipvsadm -a -t 198.51.100.200:80 -r 198.51.100.21:80 -i --tun-type gue --tun-port 6080 -w 9")

    read = table.read()

    flags = PERSISTENT | ServiceFlags.SCHEDULER_2
    assert read.services == {WEB: Service("sh", flags, timeout=77, prefix_length=16)}
    assert read.destinations == {
        DestinationKey(WEB, "198.51.100.21", 80): Destination(TUN, 9, 0, 0, TunnelType.GUE, 6080)
    }


def test_what_somebody_else_wrote_without_a_name_does_not_hide_the_rest(table: IPVSTable) -> None:
    odd = service("198.51.100.201", 80, Protocol(50))
    odd_destination = DestinationKey(WEB, "198.51.100.21", 80)

    errors = table.apply(
        [
            create(odd, Service("rr")),
            create(WEB, Service("rr")),
            create(odd_destination, Destination(ForwardingMethod(6))),
        ]
    )

    assert failed(errors) == []
    assert table.read().services == {odd: Service("rr"), WEB: Service("rr")}
    assert table.read().destinations == {odd_destination: Destination(ForwardingMethod(6))}
    assert str(odd) == "Protocol(50) 198.51.100.201:80"


def test_a_kernel_without_the_family_says_which() -> None:
    with pytest.raises(FamilyAbsent, match="NOT_THERE"):
        GenericNetlink("NOT_THERE", 1)


def test_sync_daemons_are_started_read_and_stopped(table: IPVSTable) -> None:
    run("ip link add link0 type veth peer name link1")
    run("ip link set link0 up")
    run("ip addr add 203.0.113.1/24 dev link0")
    master = Daemon(DaemonState.MASTER, "link0", 5, 1400, "239.1.2.3", 8849, 2)

    table.execute(settings.new_daemon(master))
    running = table.daemons()
    until(sync_daemon_runs)
    table.execute(settings.del_daemon(DaemonState.MASTER))

    assert running == [master]
    assert table.daemons() == []


def test_time_outs_are_set_and_read(table: IPVSTable) -> None:
    wanted = Timeouts(tcp=901, tcp_fin=121, udp=301)

    table.execute(settings.set_timeouts(wanted))

    assert table.timeouts() == wanted
    assert run("ipvsadm -L --timeout") == "Timeout (tcp tcpfin udp): 901 121 301\n"


def test_counters_are_set_to_zero(table: IPVSTable) -> None:
    for address in ("198.51.100.200", "198.51.100.21"):
        run(f"ip addr add {address}/32 dev lo")
    table.apply([create(WEB, Service("rr")), create(DestinationKey(WEB, "198.51.100.21", 80), Destination(NAT))])
    with answering("198.51.100.21"), socket.create_connection(("198.51.100.200", 80), timeout=5):
        until(lambda: table.read().service_counters[WEB].connections == 1)
        table.execute(codec.zero(WEB))

        assert table.read().service_counters[WEB].connections == 0


def test_a_request_the_kernel_refuses_is_an_error(table: IPVSTable) -> None:
    with pytest.raises(Refused, match="DEL_DAEMON"):
        table.execute(settings.del_daemon(DaemonState.BACKUP))


def test_the_version_is_that_of_the_kernel(table: IPVSTable) -> None:
    assert table.info().version in Path("/proc/net/ip_vs").read_text().splitlines()[0]


class Echo(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        while data := self.request.recv(100):
            self.request.sendall(data)


@contextmanager
def answering(address: str) -> Iterator[None]:
    """A real server that sends back what it receives, on port 80."""
    with socketserver.ThreadingTCPServer((address, 80), Echo) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()


def until(condition: Callable[[], bool]) -> None:
    """Wait for a condition."""
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, "the condition was not met within 20 s"
        time.sleep(0.05)


def sync_daemon_runs() -> bool:
    """Tell whether the sending daemon sleeps between its rounds, rather than waits to be started."""
    states = [stat.read_text().rpartition(")") for stat in Path("/proc").glob("[0-9]*/stat")]
    return any("(ipvs-m:" in name and state.split()[0] == "S" for name, _, state in states)


def exchange(connection: socket.socket) -> bytes:
    connection.sendall(b"ping")
    return connection.recv(100)
