"""Bad input in files is refused by file, document and field, and the last good state stays in place."""

from __future__ import annotations

import pytest

from lab.topologies import one_subnet
from tests.integration.manifests import director_pool, real_server, several, virtual_service

VIP = "198.51.100.200"
ONE, TWO = "198.51.100.21", "198.51.100.22"
POOL = director_pool(["198.51.100.192/27", "2001:db8::/64"])
WEB = virtual_service(VIP)
SERVERS = [real_server("one", ONE), real_server("two", TWO)]
GOOD = several(POOL, WEB, *SERVERS)

BAD = [
    pytest.param(
        several(POOL, virtual_service(VIP, ports=[{"port": 70000}]), *SERVERS),
        ("all.yaml", "document 2", "spec.ports[0].port", "70000"),
        id="port 70000",
    ),
    pytest.param(
        several(POOL, WEB, real_server("one", ONE, weight=-1), SERVERS[1]),
        ("all.yaml", "document 3", "spec.weight", "-1"),
        id="weight -1",
    ),
    pytest.param(
        several(POOL, WEB, real_server("one", ONE, weight=65536), SERVERS[1]),
        ("all.yaml", "document 3", "spec.weight", "65535"),
        id="weight 65536",
    ),
    pytest.param(
        several(POOL, virtual_service(VIP, scheduler={"name": "fastest"}), *SERVERS),
        ("all.yaml", "document 2", "spec.scheduler.name", "fastest"),
        id="unknown scheduler",
    ),
    pytest.param(
        several(POOL, WEB, *SERVERS, virtual_service(VIP, "zebra")),
        ("default/zebra", "spec.ports[0]", "default/web"),
        id="two services on one VIP, port and protocol",
    ),
    pytest.param(
        several(POOL, virtual_service("203.0.113.9"), *SERVERS),
        ("default/web", "spec.addresses[0]", "198.51.100.192/27"),
        id="an address outside the pool's ranges",
    ),
    pytest.param(
        several(POOL, WEB, *SERVERS, virtual_service("2001:db8::200", "six", realServers=WEB["spec"]["realServers"])),
        ("default/one", "spec.address", "same family"),
        id="an IPv6 VIP with IPv4 real servers under DR",
    ),
    pytest.param(
        several(POOL, WEB) + "---\nkind: [broken\n" + several(*SERVERS),
        ("all.yaml", "document 3", "can't be read"),
        id="a broken document among good ones",
    ),
    pytest.param(GOOD[: len(GOOD) * 2 // 3], ("all.yaml", "document"), id="a file half written"),
]


@pytest.mark.parametrize(("content", "words"), BAD)
def test_it_is_named_and_the_table_stays_even_over_a_restart_until_the_file_is_mended(files_lab, content, words):
    lab = files_lab(one_subnet(real_servers=0))
    lab.write(GOOD)
    lab.wait_for_table(f"{ONE} 1", f"{TWO} 1")
    before = lab.director.dump()

    lab.write(content)
    lab.wait_for_log(*words)
    refused = lab.director.dump()
    said = lab.log_position()
    lab.agents["director-1"].restart()
    lab.wait_for_log("all objects are known", since=said)
    lab.wait_for_log(*words, since=said)
    restarted = lab.director.dump()
    lab.write(GOOD.replace('"weight": 1', '"weight": 1') + several(real_server("three", "198.51.100.23")))
    lab.wait_for_table(f"{ONE} 1", f"{TWO} 1", "198.51.100.23 1")

    six = "an IPv6 service of its own, without real servers"
    assert refused == before or "2001:db8::200" in content, six
    assert restarted == refused
