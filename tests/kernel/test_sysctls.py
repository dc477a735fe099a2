"""Kernel settings: written, and put back together with all that the kernel changed along with them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lvs_agent.kernel import sysctls
from lvs_agent.kernel.errors import NoSuchSysctl
from lvs_agent.kernel.sysctls import SysctlRecord, SysctlRefused
from lvs_agent.state import SysctlKey
from tests.kernel.namespaces import new_namespace, run

FORWARD = SysctlKey("net/ipv4/ip_forward")
FORWARD_ALL = SysctlKey("net/ipv4/conf/all/forwarding")
FORWARD6 = SysctlKey("net/ipv6/conf/all/forwarding")
ARP_IGNORE = SysctlKey("net/ipv4/conf/all/arp_ignore")
FORWARDINGS = [FORWARD, FORWARD_ALL, FORWARD6]


@pytest.fixture(autouse=True)
def _namespace() -> Iterator[None]:
    with new_namespace() as namespace, namespace.entered():
        run("ip link add eth0 type veth peer name eth1")
        yield


def everything() -> dict[str, str]:
    """Return all settings of the network namespace."""
    found = {}
    for folder in ("net/ipv4", "net/ipv6"):
        for path in Path("/proc/sys", folder).rglob("*"):
            # These two count by themselves, or may only be written.
            if path.is_file() and path.name not in {"flush", "stable_secret", "fib_multipath_hash_seed"}:
                found[str(path)] = path.read_text()
    return found


def set_by_hand(path: str, value: str) -> None:
    Path("/proc/sys", path).write_text(value)


@pytest.mark.parametrize("key", FORWARDINGS, ids=str)
def test_forwarding_is_put_back_with_every_setting_byte_for_byte(key: SysctlKey) -> None:
    set_by_hand("net/ipv4/conf/eth0/forwarding", "1")
    set_by_hand("net/ipv6/conf/eth0/forwarding", "1")
    set_by_hand("net/ipv4/conf/all/accept_redirects", "0")
    before = everything()

    record = sysctls.record(key, "1")
    sysctls.write(key, "1")
    changed = everything() != before
    sysctls.restore(key, record)

    assert changed
    assert everything() == before


@pytest.mark.parametrize("key", FORWARDINGS, ids=str)
def test_putting_back_can_stop_after_the_setting_itself_and_be_taken_up_again(key: SysctlKey) -> None:
    set_by_hand("net/ipv4/conf/eth0/forwarding", "1")
    set_by_hand("net/ipv6/conf/eth0/forwarding", "1")
    set_by_hand("net/ipv4/conf/all/accept_redirects", "0")
    before = everything()
    record = sysctls.record(key, "1")
    sysctls.write(key, "1")
    set_by_hand(key.path, "0")

    sysctls.restore(key, record)

    assert everything() == before


def test_putting_back_what_was_never_written_changes_nothing() -> None:
    set_by_hand("net/ipv4/conf/eth0/forwarding", "1")
    before = everything()

    sysctls.restore(FORWARD, sysctls.record(FORWARD, "1"))

    assert everything() == before


def test_what_somebody_else_set_since_on_one_interface_stays() -> None:
    set_by_hand("net/ipv4/conf/eth0/forwarding", "1")
    record = sysctls.record(FORWARD, "1")
    sysctls.write(FORWARD, "1")
    set_by_hand("net/ipv4/conf/eth0/forwarding", "0")

    sysctls.restore(FORWARD, record)

    assert sysctls.read(SysctlKey("net/ipv4/conf/eth0/forwarding")) == "0"


def test_a_setting_that_somebody_else_has_set_since_stays() -> None:
    record = sysctls.record(ARP_IGNORE, "1")
    sysctls.write(ARP_IGNORE, "1")
    set_by_hand(ARP_IGNORE.path, "2")

    sysctls.restore(ARP_IGNORE, record)

    assert sysctls.read(ARP_IGNORE) == "2"


def test_a_setting_written_more_than_once_is_put_back_from_any_of_its_values() -> None:
    record = sysctls.record(ARP_IGNORE, "1").then("2")
    sysctls.write(ARP_IGNORE, "1")

    sysctls.restore(ARP_IGNORE, record)

    assert sysctls.read(ARP_IGNORE) == "0"


def test_a_setting_that_went_with_its_interface_is_put_back_already() -> None:
    key = SysctlKey("net/ipv4/conf/eth0/arp_ignore")
    record = sysctls.record(key, "1")
    sysctls.write(key, "1")
    run("ip link del eth0")

    sysctls.restore(key, record)


def test_a_companion_that_went_with_its_interface_does_not_keep_the_others_from_being_put_back() -> None:
    set_by_hand("net/ipv4/conf/eth1/forwarding", "1")
    run("ip link add eth2 type veth peer name eth3")
    record = sysctls.record(FORWARD, "1")
    sysctls.write(FORWARD, "1")
    run("ip link del eth2")

    sysctls.restore(FORWARD, record)

    assert sysctls.read(SysctlKey("net/ipv4/conf/eth1/forwarding")) == "1"


def test_fields_are_parted_by_one_space() -> None:
    key = SysctlKey("net/ipv4/vs/sync_threshold")

    sysctls.write(key, "1 5")

    assert sysctls.read(key) == "1 5"


def test_a_setting_that_is_not_there_is_named() -> None:
    absent = SysctlKey("net/ipv4/conf/eth9/arp_ignore")

    with pytest.raises(NoSuchSysctl, match="eth9/arp_ignore"):
        sysctls.read(absent)
    with pytest.raises(NoSuchSysctl, match="eth9/arp_ignore"):
        sysctls.write(absent, "1")
    assert sysctls.read_present([absent, ARP_IGNORE]) == {ARP_IGNORE: "0"}


def test_a_refused_value_is_named_with_its_setting() -> None:
    with pytest.raises(SysctlRefused, match="arp_ignore cannot be set to 'many': Invalid argument"):
        sysctls.write(ARP_IGNORE, "many")


def test_a_setting_without_company_has_only_itself_recorded() -> None:
    assert sysctls.record(ARP_IGNORE, "1") == SysctlRecord("0", ("1",))
