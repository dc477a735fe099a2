"""What others made is theirs: it survives everything, and only what the ledger owns is ever cleaned up."""

from __future__ import annotations

import json

from lab.processes import hold, requests
from lab.topologies import one_subnet
from tests.integration.manifests import director_pool, real_server, several, virtual_service

VIP = "198.51.100.200"
ONE, TWO = "198.51.100.21", "198.51.100.22"
FOREIGN_SERVICE = "-A -t 198.51.100.11:8080 -s rr\n-a -t 198.51.100.11:8080 -r 198.51.100.22:8080 -m -w 7\n"
OURS = several(
    director_pool(["198.51.100.192/27"]),
    virtual_service(VIP, method="NAT"),
    real_server("one", ONE),
    real_server("two", TWO),
)


def test_foreign_services_addresses_and_settings_survive_running_changes_removal_and_cleanup(files_lab):
    lab = files_lab(one_subnet())
    director, carrier = lab.director, lab.network["rs-1"]
    director.run("ipvsadm", "-R", input=FOREIGN_SERVICE)
    director.run("ip", "addr", "add", "203.0.113.7/32", "dev", "eth0")
    director.run("sysctl", "-qw", "net.ipv4.vs.expire_nodest_conn=1")
    carrier.run("sysctl", "-qw", "net.ipv4.conf.all.arp_ignore=2", "net.ipv4.conf.lo.arp_announce=1")
    before = {host.name: host.dump() for host in (director, carrier)}

    lab.write(OURS)
    lab.ready(3)
    during = director.table()
    lab.write(OURS.replace('"NAT"', '"DR"'))
    lab.ready(3, VIP)
    for name in ("director-1", "rs-1"):
        lab.agents[name].cleanup()
    after = {host.name: host.dump() for host in (director, carrier)}

    assert "-a -t 198.51.100.11:8080 -r 198.51.100.22:8080 -m -w 7" in during
    assert after == before
    assert "cleanup" not in director.run(*lab.agents["director-1"].command("cleanup")).stderr


def test_a_setting_that_somebody_else_set_after_us_is_not_put_back(files_lab):
    lab = files_lab(one_subnet(real_servers=0))
    lab.write(OURS)
    lab.ready(2)

    lab.director.run("sysctl", "-qw", "net.ipv4.vs.expire_nodest_conn=0")
    lab.agents["director-1"].cleanup()

    assert lab.director.run("cat", "/proc/sys/net/ipv4/vs/expire_nodest_conn").stdout.strip() == "0"
    assert lab.director.run("cat", "/proc/sys/net/ipv4/ip_forward").stdout.strip() == "0"


def test_a_foreign_service_in_our_place_is_reported_left_alone_and_taken_over_on_request_without_a_dropped_packet(
    files_lab, processes
):
    lab = files_lab(one_subnet())
    director = lab.director
    lab.write(several(director_pool(["198.51.100.192/27"]), virtual_service(VIP), real_server("one", ONE)))
    lab.ready(1)
    lab.wait_for_vip("rs-1", VIP)
    lab.agents["director-1"].cleanup()
    director.run("ip", "addr", "add", f"{VIP}/32", "dev", "eth0")
    director.run("ipvsadm", "-R", input=f"-A -t {VIP}:80 -s rr\n-a -t {VIP}:80 -r {ONE}:80 -g -w 1\n")
    foreign = director.table()
    connection = hold(lab.network["client"], VIP)

    said = lab.log_position()
    lab.agents["director-1"].restart()
    line = lab.wait_for_log("--adopt", since=said)
    assert VIP in line
    assert director.table() == foreign
    lab.agents["director-1"].stop()

    adopting = processes.agent(director, manifests=lab.folder, options=("--adopt",))
    lab.write(
        several(
            director_pool(["198.51.100.192/27"]),
            virtual_service(VIP),
            real_server("one", ONE, weight=5),
            real_server("two", TWO),
        )
    )
    lab.wait_for_table(f"{ONE} 5", f"{TWO} 1")
    assert connection.release().error == ""
    assert f"delete TCP {VIP}:80" in adopting.cleanup()


def test_plan_prints_the_operations_in_order_and_touches_nothing(files_lab):
    lab = files_lab(one_subnet(real_servers=0))
    lab.agents["director-1"].stop()
    before = lab.director.dump()
    lab.write(OURS)

    planned = lab.director.run(*lab.agents["director-1"].command("plan")).stdout.splitlines()
    as_json = json.loads(lab.director.run(*lab.agents["director-1"].command("plan", "-o", "json")).stdout)

    assert [line.split()[1] for line in planned if line.startswith("create")] == [
        *["sysctl"] * planned_sysctls(planned),
        "address",
        *["TCP"] * 3,
    ]
    assert len(as_json["operations"]) == len(planned)
    assert lab.director.dump() == before


def planned_sysctls(lines: list[str]) -> int:
    return sum("sysctl" in line for line in lines)


def test_show_names_the_owner_of_each_service_and_gives_json_on_request(files_lab):
    lab = files_lab(one_subnet(real_servers=0))
    lab.director.run("ipvsadm", "-R", input=FOREIGN_SERVICE)
    lab.write(OURS)
    lab.ready(3)

    shown = lab.director.run(*lab.agents["director-1"].command("show")).stdout
    as_json = json.loads(lab.director.run(*lab.agents["director-1"].command("show", "-o", "json")).stdout)

    assert f"TCP {VIP}:80 rr  (default/web)" in shown
    assert "TCP 198.51.100.11:8080 rr  (foreign, not touched)" in shown
    assert {one["owner"] for one in as_json["services"]} == {"default/web", ""}


def test_a_second_agent_on_one_state_directory_is_refused_with_what_to_do(files_lab):
    lab = files_lab(one_subnet(real_servers=0))
    lab.wait_for_log("all objects are known")

    second = lab.director.run(*lab.agents["director-1"].command("run"), check=False, timeout=30)
    cleanup = lab.director.run(*lab.agents["director-1"].command("cleanup"), check=False)

    assert (second.code, cleanup.code) == (1, 1)
    assert "in use by process" in second.stderr
    assert "in use by process" in cleanup.stderr


def test_cleanup_twice_is_harmless(files_lab):
    lab = files_lab(one_subnet(real_servers=0))
    lab.write(OURS)
    lab.ready(2)

    first = lab.agents["director-1"].cleanup()
    second = lab.director.run(*lab.agents["director-1"].command("cleanup")).stdout

    assert f"delete TCP {VIP}:80" in first
    assert second.strip() == "nothing to do"
    assert requests(lab.network["client"], VIP, 1).servers == {}
