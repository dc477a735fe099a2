"""What the ledger promises: it knows what is ours across restarts, and never forgets how a setting was before."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from lvs_agent.ipvs import DestinationKey, Family, Protocol, ServiceKey
from lvs_agent.journal import JournalCorrupt
from lvs_agent.kernel.sysctls import SysctlRecord
from lvs_agent.ledger import Ledger
from lvs_agent.state import AddressKey, ItemKey, SysctlKey
from lvs_agent.statedir import StateDirLock, StateDirLocked, StateDirUnusable

WEB = ServiceKey(Family.IPV4, Protocol.TCP, "198.51.100.200", 80)
MARK = ServiceKey(Family.IPV6, Protocol.NONE, "", 0, 7)
VIP = AddressKey("eth0", "198.51.100.200", 32)
FORWARD = SysctlKey("net/ipv4/ip_forward")
RECORD = SysctlRecord("0", ("1",), {"net/ipv4/conf/all/accept_redirects": "1"})


@pytest.mark.parametrize("key", [WEB, MARK, VIP], ids=str)
def test_an_item_is_ours_from_its_entry_on_across_a_restart(tmp_path: Path, key: ServiceKey | AddressKey) -> None:
    ledger = Ledger(tmp_path)
    assert not ledger.owns(key)

    ledger.enter([key], {})
    ledger.close()

    assert Ledger(tmp_path).owns(key)
    assert Ledger(tmp_path).owned() == (key,)


def test_items_that_differ_in_any_field_have_entries_of_their_own(tmp_path: Path) -> None:
    keys: list[ServiceKey | AddressKey] = [
        WEB,
        ServiceKey(Family.IPV4, Protocol.UDP, "198.51.100.200", 80),
        ServiceKey(Family.IPV4, Protocol.TCP, "198.51.100.201", 80),
        ServiceKey(Family.IPV4, Protocol.TCP, "198.51.100.200", 81),
        MARK,
        ServiceKey(Family.IPV4, Protocol.NONE, "", 0, 7),
        ServiceKey(Family.IPV6, Protocol.NONE, "", 0, 8),
        VIP,
        AddressKey("lo", "198.51.100.200", 32),
        AddressKey("eth0", "198.51.100.200", 24),
    ]
    ledger = Ledger(tmp_path)

    ledger.enter(keys, {})
    ledger.close()

    assert set(Ledger(tmp_path).owned()) == set(keys)


def test_a_real_server_belongs_to_who_owns_its_service(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    real_server = DestinationKey(WEB, "198.51.100.21", 80)

    before = ledger.owns(real_server)
    ledger.enter([WEB], {})

    assert not before
    assert ledger.owns(real_server)


def test_a_settings_original_is_kept_however_often_it_is_written(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    ledger.enter([], {FORWARD: RECORD})

    ledger.enter([], {FORWARD: SysctlRecord("1", ("2",), {"net/ipv4/conf/all/accept_redirects": "0"})})
    ledger.close()

    assert Ledger(tmp_path).original(FORWARD) == "0"
    assert Ledger(tmp_path).record(FORWARD) == SysctlRecord("0", ("1", "2"), RECORD.companions)


def test_a_forgotten_setting_has_its_original_recorded_afresh(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    ledger.enter([], {FORWARD: RECORD})

    ledger.forget([FORWARD])
    ledger.enter([], {FORWARD: SysctlRecord("1", ("0",))})

    assert ledger.original(FORWARD) == "1"


@pytest.mark.parametrize("key", [WEB, VIP, FORWARD], ids=str)
def test_what_is_forgotten_stays_forgotten_across_a_restart(tmp_path: Path, key: ItemKey) -> None:
    ledger = Ledger(tmp_path)
    ledger.enter([WEB, VIP], {FORWARD: RECORD})

    ledger.forget([key, MARK])
    ledger.close()

    assert not ledger.owns(key)
    assert set(Ledger(tmp_path).owned()) == {WEB, VIP, FORWARD} - {key}


def test_entering_the_same_again_writes_nothing(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    ledger.enter([WEB], {FORWARD: RECORD})
    size = (tmp_path / "ledger.jsonl").stat().st_size

    ledger.enter([WEB], {FORWARD: RECORD})

    assert (tmp_path / "ledger.jsonl").stat().st_size == size


def test_looking_at_a_ledger_makes_no_files(tmp_path: Path) -> None:
    Ledger(tmp_path / "state").owned()

    assert not (tmp_path / "state").exists()


def test_an_entry_that_names_nothing_is_damage(tmp_path: Path) -> None:
    (tmp_path / "ledger.jsonl").write_text('["service",{}]\n')

    with pytest.raises(JournalCorrupt, match=r"ledger\.jsonl, line 1"):
        Ledger(tmp_path)


def test_a_second_process_is_told_who_holds_the_state_directory(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from lvs_agent.statedir import StateDirLock\n"
        "with StateDirLock(Path(sys.argv[1])): print('held', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"

        with pytest.raises(StateDirLocked, match=f"in use by process {holder.pid};"), StateDirLock(tmp_path):
            pass

        os.kill(holder.pid, signal.SIGKILL)

    with StateDirLock(tmp_path):
        assert stat.S_IMODE(tmp_path.stat().st_mode) & 0o077 == 0


def test_a_state_directory_that_cannot_be_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(StateDirUnusable, match="cannot be used"), StateDirLock(tmp_path / "file" / "state"):
        pass
