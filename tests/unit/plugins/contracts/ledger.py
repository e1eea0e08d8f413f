# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a ledger must do on every database: SQLite runs it as a unit test, PostgreSQL in tests/integration/engines."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from ansible_collections.zonal.cloud.plugins.module_utils._domain.claims import QUARANTINED, RELEASED, SETTLED, Claim, KnownHost, Snapshot
from ansible_collections.zonal.cloud.plugins.module_utils._domain.errors import RefusedError, ZonalError
from ansible_collections.zonal.cloud.plugins.module_utils._domain.placement_types import Rule
from ansible_collections.zonal.cloud.plugins.module_utils._domain.pools import Ranges, parse_ranges
from ansible_collections.zonal.cloud.plugins.plugin_utils.ledger.book import ZonePages
from ansible_collections.zonal.cloud.plugins.plugin_utils.ledger.store import Ledger, LedgerBusy, LedgerError
from ansible_collections.zonal.cloud.plugins.plugin_utils.ledger.transfer import export_zone, import_zone, read_export

Make = Callable[..., Ledger]
ZONE, OTHER_ZONE = "idc01-dev", "idc02"
G = 1024**3
WEB = Claim(
    "idc01-dev-web-000001",
    "10.20.0.1",
    "kvm01",
    "acme",
    "web",
    "vm",
    1,
    2,
    4 * G,
    20 * G,
    rules=(Rule(("acme", "db"), together=False, required=True),),
    devices=(("gpu", 1),),
)
SECOND = replace(WEB, name="idc01-dev-web-000002", address="10.20.0.2", index=2)
KVM01 = KnownHost("kvm01", 32, 64 * G, 2**42, devices={"gpu": 2})
MORNING = datetime(2026, 11, 22, 8, 0, 0, tzinfo=UTC)
POOLS = parse_ranges("pools", ["10.20.0.0/16", "10.21.0.1"])
TAKEN = {
    "address": replace(SECOND, address=WEB.address),
    "name": replace(SECOND, name=WEB.name),
    "index": replace(SECOND, index=WEB.index),
}


def opened(make: Make, **options: object) -> Ledger:
    """Return a ledger with a declared zone and one claim."""
    ledger = make(**options)
    for zone in (ZONE, OTHER_ZONE):
        with ledger.write(zone) as book:
            book.declare({"cidr": "10.20.0.0/16"}, 600, POOLS, Ranges())
    with ledger.write(ZONE) as book:
        book.claim([WEB], "planned")
    return ledger


def an_empty_ledger_has_nothing(make: Make) -> None:
    ledger = make()
    assert (ledger.read(ZONE), ledger.zones()) == (Snapshot(), None)


def the_zones_are_listed(make: Make) -> None:
    assert opened(make).zones() == (ZONE, OTHER_ZONE)


def what_is_written_is_read(make: Make) -> None:
    ledger = opened(make)
    with ledger.write(ZONE) as book:
        book.know([KVM01], ["kvm01"])
        assert book.zone() == ZonePages({"cidr": "10.20.0.0/16"}, 600, POOLS, Ranges())
    assert ledger.read(ZONE) == Snapshot((WEB,), (), (KVM01,))


def zones_do_not_see_each_other(make: Make) -> None:
    ledger = opened(make)
    assert ledger.read(OTHER_ZONE).claims == ()
    with ledger.write(OTHER_ZONE) as book:
        book.claim([WEB], "the same address in another network")
        book.erase()
    assert ledger.read(ZONE).claims == (WEB,)


def what_other_zones_have_on_a_host_is_read_on_request(make: Make) -> None:
    ledger = opened(make)
    more = replace(WEB, extra_addresses=("10.20.0.30",))
    with ledger.write(ZONE) as book:
        book.change([more], "planned")
    many = [f"kvm{number:05d}" for number in range(6000)]
    assert ledger.read(OTHER_ZONE, ["kvm01", *many]).elsewhere == (more,)
    assert ledger.read(OTHER_ZONE, ["kvm02"]).elsewhere == ledger.read(OTHER_ZONE).elsewhere == ()
    with ledger.write(ZONE) as book:
        book.hold(["10.20.0.7"], "quarantined", "test")
        assert book.snapshot(["kvm01"]).elsewhere == ()


def what_is_taken_is_refused_by_the_database(make: Make) -> None:
    ledger = opened(make)
    for claim in TAKEN.values():
        with pytest.raises(LedgerError, match="already taken"), ledger.write(ZONE) as book:
            book.claim([replace(SECOND, name="x", address="10.20.0.9", index=9), claim], "clash")
    assert ledger.read(ZONE).claims == (WEB,)


def an_event_of_long_names_is_kept(make: Make) -> None:
    ledger = opened(make)
    long = replace(SECOND, name="n" * 63, host="h" * 253)
    with ledger.write(ZONE) as book:
        book.claim([long], "planned")
    assert long in ledger.read(ZONE).claims


def a_block_that_fails_leaves_nothing(make: Make) -> None:
    ledger = opened(make)

    def die_half_way() -> None:
        with ledger.write(ZONE) as book:
            book.claim([SECOND], "half")
            book.release([WEB], "half")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        die_half_way()
    assert ledger.read(ZONE).claims == (WEB,)
    with ledger.write(ZONE) as book:
        book.claim([SECOND], "whole")


def a_claim_changes_under_its_name(make: Make) -> None:
    ledger = opened(make)
    changed = replace(WEB, vcpus=8, state=SETTLED, protected=True, rules=(), devices=())
    with ledger.write(ZONE) as book:
        book.change([changed], "grown")
    assert ledger.read(ZONE).claims == (changed,)
    with pytest.raises(RefusedError, match="no claim of idc01-dev-web-000002"), ledger.write(ZONE) as book:
        book.change([SECOND], "unknown")


def a_released_address_rests_and_then_is_free(make: Make) -> None:
    moments = [MORNING]
    ledger = opened(make, clock=lambda: moments[-1])
    with ledger.write(ZONE) as book:
        book.release([WEB], "retired")
    (held,) = ledger.read(ZONE).held
    assert (held.address, held.state, held.why, held.since) == ("10.20.0.1", RELEASED, "retired", "2026-11-22T08:00:00Z")
    for moment, resting in ((MORNING + timedelta(seconds=599), 1), (MORNING + timedelta(seconds=600), 0)):
        moments.append(moment)
        with ledger.write(ZONE) as book:
            book.rest(600)
            assert len(book.snapshot().held) == resting


def an_address_released_while_the_clock_was_ahead_rests_no_longer_than_others(make: Make) -> None:
    moments = [MORNING + timedelta(days=3650)]
    ledger = opened(make, clock=lambda: moments[-1])
    with ledger.write(ZONE) as book:
        book.release([WEB], "retired")
    for moment, resting in ((MORNING, 1), (MORNING + timedelta(seconds=599), 1), (MORNING + timedelta(seconds=600), 0)):
        moments.append(moment)
        with ledger.write(ZONE) as book:
            book.rest(600)
            assert len(book.snapshot().held) == resting


def a_resting_address_can_be_claimed_by_name_of_address(make: Make) -> None:
    ledger = opened(make)
    with ledger.write(ZONE) as book:
        book.release([WEB], "retired")
        book.claim([WEB], "asked for")
    assert ledger.read(ZONE) == Snapshot((WEB,))


def further_addresses_are_those_of_their_instance(make: Make) -> None:
    ledger = opened(make, clock=lambda: MORNING)
    more = replace(WEB, extra_addresses=("10.20.0.7", "10.20.0.30"))
    with ledger.write(ZONE) as book:
        book.change([more], "more")
        book.claim([replace(SECOND, extra_addresses=("10.20.0.8",))], "planned")
    for taken in ("10.20.0.7", "10.20.0.8"):
        with pytest.raises(LedgerError, match="already taken"), ledger.write(ZONE) as book:
            book.claim([replace(SECOND, name="x", address=taken, index=9)], "clash")
        with pytest.raises(LedgerError, match="already taken"), ledger.write(ZONE) as book:
            book.hold([taken], QUARANTINED, "an instance has it")
        with ledger.write(ZONE) as book:
            book.restore([taken], "no address that is held")
    fewer = replace(more, extra_addresses=("10.20.0.30",), leaving=("10.20.0.7",))
    with ledger.write(ZONE) as book:
        book.change([fewer], "fewer")
    assert ledger.read(ZONE) == Snapshot((fewer, replace(SECOND, extra_addresses=("10.20.0.8",))))
    with ledger.write(ZONE) as book:
        book.change([replace(fewer, leaving=())], "it is gone")
        book.release([replace(SECOND, extra_addresses=("10.20.0.8",))], "retired")
    held = [(item.address, item.state, item.why) for item in ledger.read(ZONE).held]
    assert held == [("10.20.0.2", RELEASED, "retired"), ("10.20.0.7", RELEASED, "it is gone"), ("10.20.0.8", RELEASED, "retired")]
    with ledger.write(ZONE) as book:
        book.change([more], "asked for again")
    assert ledger.read(ZONE).claims == (more,)


def a_ledger_of_the_first_version_is_brought_up_to_date(make: Make) -> None:
    with opened(make).write(ZONE) as book:
        changes = "ALTER TABLE claims DROP COLUMN owner", "ALTER TABLE claims DROP COLUMN explicit", "UPDATE ledger_version SET version = 1"
        for change in changes:
            book.connection.execute(text(change))
    with pytest.raises(RefusedError, match="has version 1, needed is 3; a run without check mode updates it"):
        make().read(ZONE)
    more = replace(WEB, extra_addresses=("10.20.0.7",), explicit=True)
    with make().write(ZONE) as book:
        assert book.snapshot().claims == (WEB,)
        book.change([more], "more")
    assert make().read(ZONE).claims == (more,)


def a_quarantined_address_cannot_be_claimed(make: Make) -> None:
    ledger = opened(make)
    with ledger.write(ZONE) as book:
        book.hold([SECOND.address], QUARANTINED, "02:00:00:00:00:07 answers")
        book.hold([SECOND.address], QUARANTINED, "02:00:00:00:00:08 answers")
    with pytest.raises(LedgerError), ledger.write(ZONE) as book:
        book.claim([SECOND], "squatted")
    with pytest.raises(LedgerError), ledger.write(ZONE) as book:
        book.hold([WEB.address], QUARANTINED, "an instance has it")
    with ledger.write(ZONE) as book:
        book.restore([SECOND.address], "squatter gone")
        book.claim([SECOND], "free again")
    assert ledger.read(ZONE).claims == (WEB, SECOND)


def one_writer_at_a_time_and_the_other_is_told_who(make: Make) -> None:
    first, second = opened(make, who="alice@ctl1 (process 7)"), make(timeout=0.3)
    second.read(ZONE)
    with first.write(ZONE) as book:
        book.claim([SECOND], "long plan")
        with pytest.raises(LedgerBusy, match=r"zone idc01-dev in .* for more than 0\.3 s by alice@ctl1 \(process 7\)"), second.write(ZONE):
            pass
        assert second.read(ZONE).claims == (WEB,)
    with second.write(ZONE) as book:
        assert book.snapshot().claims == (WEB, SECOND)


def zones_with_a_host_in_common_wait_for_each_other(make: Make) -> None:
    first, second = opened(make, who="alice@ctl1 (process 7)"), make(timeout=0.3)
    second.read(ZONE)
    told = r"zone idc02 in .*, or a host of it, has been locked for more than 0\.3 s by alice@ctl1 \(process 7\)"
    with first.write(ZONE, ["kvm01", "kvm02"]), pytest.raises(LedgerBusy, match=told), second.write(OTHER_ZONE, ["kvm02", "kvm03"]):
        pass
    with second.write(OTHER_ZONE, ["kvm02", "kvm03"]):
        pass


def without_patience_nobody_waits(make: Make) -> None:
    first, second = opened(make, who="alice@ctl1 (process 7)"), make(timeout=0)
    second.read(ZONE)
    begin = time.monotonic()
    with first.write(ZONE), pytest.raises(LedgerBusy, match=r"for more than 0 s by alice@ctl1"), second.write(ZONE):
        pass
    assert time.monotonic() - begin < 5


def who_waits_long_sees_what_was_written_meanwhile(make: Make) -> None:
    # More milliseconds than 31 bits.
    first, second = opened(make), make(timeout=10**10)

    def claims() -> tuple[Claim, ...]:
        with second.write(ZONE) as book:
            return book.snapshot().claims

    with ThreadPoolExecutor(1) as other:
        with first.write(ZONE) as book:
            waiting = other.submit(claims)
            time.sleep(0.5)
            book.claim([SECOND], "long plan")
        assert waiting.result(60) == (WEB, SECOND)


def an_export_is_imported_again(make: Make) -> None:
    ledger = opened(make, clock=lambda: MORNING)
    with ledger.write(ZONE) as book:
        book.claim([replace(SECOND, extra_addresses=("10.20.0.3",), leaving=("10.20.0.4", "10.20.0.5"))], "planned")
        book.release([WEB], "retired")
        book.hold(["10.20.0.7"], QUARANTINED, "broken")
        book.know([KVM01], ["kvm01"])
    before, pages = ledger.read(ZONE), ledger.read_zone(ZONE)
    assert pages is not None
    saved = read_export(json.loads(json.dumps(export_zone(ZONE, pages, before))), "10.20.0.0/16")
    assert saved == before
    with pytest.raises(ZonalError, match="has 1 claims and 2 resting or quarantined addresses"), ledger.write(ZONE) as book:
        import_zone(book, saved)
    later = make()
    with later.write(ZONE) as book:
        book.erase()
        import_zone(book, saved)
    assert later.read(ZONE) == before


def what_is_done_can_be_read(make: Make) -> None:
    ledger = opened(make, clock=lambda: MORNING, who="alice@ctl1")
    with ledger.write(ZONE) as book:
        book.know([KVM01, replace(KVM01, name="kvm02")], [])
        book.know([replace(KVM01, state="cordoned")], [])
        book.know([replace(KVM01, state="cordoned", vcpus=1)], [])
        book.declare({"cidr": "10.20.0.0/16"}, 60, Ranges(), Ranges(), "by hand")
        book.release([WEB], "retired")
    told = [(event["action"], event["target"], event["why"]) for event in ledger.events(ZONE, 9)]
    assert told == [
        ("release", "idc01-dev-web-000001 10.20.0.1", "retired"),
        ("declare", "hold: 60", "by hand"),
        ("declare", "pools: the whole network", "by hand"),
        ("host", "kvm02 left", "it is not in the zone any more"),
        ("host", "kvm01 cordoned", "the state that is declared for it"),
        ("host", "kvm02 active", "the state that is declared for it"),
        ("host", "kvm01 active", "the state that is declared for it"),
        ("claim", "idc01-dev-web-000001 10.20.0.1 kvm01", "planned"),
        ("declare", "hold: 600", "declared"),
    ]
    (last,) = ledger.events(ZONE, 1)
    assert (last["who"], last["moment"]) == ("alice@ctl1", "2026-11-22T08:00:00Z")
    assert make().events("idc09", 9) == []


def a_thousand_claims_are_one_transaction(make: Make) -> None:
    ledger = opened(make)
    many = [replace(WEB, name=f"n{number}", address=f"10.20.{number // 250 + 1}.{number % 250}", index=number) for number in range(2, 6002)]
    with ledger.write(ZONE) as book:
        book.claim(many, "planned")
    assert len(ledger.read(ZONE).claims) == 6001


CONTRACT = (
    an_empty_ledger_has_nothing,
    the_zones_are_listed,
    what_is_written_is_read,
    zones_do_not_see_each_other,
    what_other_zones_have_on_a_host_is_read_on_request,
    an_event_of_long_names_is_kept,
    what_is_taken_is_refused_by_the_database,
    a_block_that_fails_leaves_nothing,
    a_claim_changes_under_its_name,
    a_released_address_rests_and_then_is_free,
    an_address_released_while_the_clock_was_ahead_rests_no_longer_than_others,
    a_resting_address_can_be_claimed_by_name_of_address,
    further_addresses_are_those_of_their_instance,
    a_ledger_of_the_first_version_is_brought_up_to_date,
    a_quarantined_address_cannot_be_claimed,
    one_writer_at_a_time_and_the_other_is_told_who,
    zones_with_a_host_in_common_wait_for_each_other,
    without_patience_nobody_waits,
    who_waits_long_sees_what_was_written_meanwhile,
    an_export_is_imported_again,
    what_is_done_can_be_read,
    a_thousand_claims_are_one_transaction,
)
