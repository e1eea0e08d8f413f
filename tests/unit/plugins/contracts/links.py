# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every ``Links`` must do, on a host whose link ``up0`` is up and has 10.7.0.2/24 and fd07::2/64 with default routes.

The fake runs it in the unit tests, iproute2 in a network namespace in tests/integration/engines/test_bridge.py.
"""

from __future__ import annotations

from typing import Any

from ansible_collections.zonal.cloud.plugins.module_utils._domain.bridge import Address, BridgeConfig, Link
from ansible_collections.zonal.cloud.plugins.module_utils._domain.bridge_commands import (
    absent_commands,
    address_words,
    present_commands,
    restore_commands,
)
from ansible_collections.zonal.cloud.plugins.module_utils._ports import EngineError
from ansible_collections.zonal.cloud.plugins.module_utils._ports_network import Links

UPLINK, BRIDGE = "up0", "brtest"
MAC = "02:00:00:00:07:02"
CIDRS = ["10.7.0.2/24", "fd07::2/64"]
ROUTES = ["default via 10.7.0.1 metric 50", "default via fd07::1 metric 60"]


def find(links: Links, name: str) -> Link:
    link = links.snapshot().find(name)
    assert link, name
    return link


def cidrs(link: Link) -> list[str]:
    return sorted(address.cidr for address in link.addresses)


def in_order(link: Link) -> list[str]:
    return [address.cidr for address in link.addresses]


def routes(link: Link) -> list[str]:
    return sorted(str(route) for route in link.routes)


def goal(links: Links, **changes: Any) -> BridgeConfig:
    uplink = find(links, UPLINK)
    kept: dict[str, Any] = {"mac": uplink.mac, "mtu": uplink.mtu, "addresses": uplink.addresses, "routes": uplink.routes}
    return BridgeConfig(**{"name": BRIDGE, "backend": "networkd", "uplink": UPLINK, **kept, **changes})


def reach(links: Links, config: BridgeConfig) -> None:
    links.change(present_commands(links.snapshot(), config, None))
    assert present_commands(links.snapshot(), config, None) == [], "a goal that was reached is still seen as missing"


def the_uplink_is_seen_with_all_it_has(links: Links) -> None:
    uplink = find(links, UPLINK)
    assert (cidrs(uplink), routes(uplink), uplink.mac, uplink.up, uplink.master, uplink.ethernet) == (CIDRS, ROUTES, MAC, True, "", True)
    assert all(address.static for address in uplink.addresses)
    assert all(route.static for route in uplink.routes)


def a_link_that_is_not_there_is_none(links: Links) -> None:
    assert links.snapshot().find(BRIDGE) is None


def everything_moves_to_the_bridge(links: Links) -> None:
    reach(links, goal(links))
    bridge, uplink = find(links, BRIDGE), find(links, UPLINK)
    assert (cidrs(bridge), routes(bridge), bridge.mac, bridge.kind, bridge.forward_delay, bridge.stp) == (
        CIDRS,
        ROUTES,
        MAC,
        "bridge",
        0,
        False,
    )
    assert (cidrs(uplink), routes(uplink), uplink.master) == ([], [], BRIDGE)
    assert links.snapshot().ports(BRIDGE) == (UPLINK,)


def the_order_of_addresses_stays(links: Links) -> None:
    """The first address of a network is what the host speaks as, so a text order would change that: 10.7.0.10 is before 10.7.0.2."""
    more = ("10.7.0.11/24", "10.7.0.10/24", "10.6.0.1/24", "fd07::9/64", "fd07::10/64")
    links.change([address_words(Address(cidr), UPLINK) for cidr in more])
    before = in_order(find(links, UPLINK))
    assert before == ["10.7.0.2/24", "10.6.0.1/24", "10.7.0.11/24", "10.7.0.10/24", "fd07::10/64", "fd07::9/64", "fd07::2/64"]
    reach(links, goal(links))
    assert in_order(find(links, BRIDGE)) == before
    links.change(absent_commands(links.snapshot(), BRIDGE, UPLINK))
    assert in_order(find(links, UPLINK)) == before
    unchanged, config = links.snapshot(), goal(links)
    links.change(present_commands(unchanged, config, None))
    force(links, restore_commands(unchanged, BRIDGE, [UPLINK], config))
    assert in_order(find(links, UPLINK)) == before


def a_bridge_whose_uplink_is_gone_can_be_removed(links: Links) -> None:
    links.change(present_commands(links.snapshot(), BridgeConfig(BRIDGE, "networkd", addresses=(Address("10.8.0.1/24"),)), None))
    links.change(absent_commands(links.snapshot(), BRIDGE, "gone0"))
    a_link_that_is_not_there_is_none(links)


def stp_goes_on_and_off_again(links: Links) -> None:
    plain = goal(links)
    stp = goal(links, stp=True, forward_delay=4)
    reach(links, stp)
    assert (find(links, BRIDGE).stp, find(links, BRIDGE).forward_delay) == (True, 400)
    reach(links, plain)
    assert (find(links, BRIDGE).stp, find(links, BRIDGE).forward_delay) == (False, 0)
    assert cidrs(find(links, BRIDGE)) == CIDRS


def mac_and_mtu_change_in_place(links: Links) -> None:
    reach(links, goal(links))
    addresses, ways = find(links, BRIDGE).addresses, find(links, BRIDGE).routes
    reach(links, goal(links, mac="02:00:00:00:07:99", mtu=1400, addresses=addresses, routes=ways))
    bridge = find(links, BRIDGE)
    assert (bridge.mac, bridge.mtu, find(links, UPLINK).mtu, cidrs(bridge), routes(bridge)) == (
        "02:00:00:00:07:99",
        1400,
        1400,
        CIDRS,
        ROUTES,
    )


def removing_gives_everything_back(links: Links) -> None:
    reach(links, goal(links))
    links.change(absent_commands(links.snapshot(), BRIDGE, UPLINK))
    a_link_that_is_not_there_is_none(links)
    the_uplink_is_seen_with_all_it_has(links)


def every_half_way_leads_back(links: Links) -> None:
    before, config = links.snapshot(), goal(links)
    lines = present_commands(before, config, None)
    for done in range(len(lines) + 1):
        links.change(lines[:done])
        force(links, restore_commands(before, BRIDGE, [UPLINK], config))
        a_link_that_is_not_there_is_none(links)
        the_uplink_is_seen_with_all_it_has(links)


def every_half_way_of_a_change_leads_back(links: Links) -> None:
    reach(links, goal(links))
    before = links.snapshot()
    bridge = find(links, BRIDGE)
    more = (*bridge.addresses, Address("10.7.0.77/24"))
    config = goal(links, mac="02:00:00:00:07:99", stp=True, forward_delay=15, addresses=more, routes=bridge.routes)
    for lines in (present_commands(before, config, None), absent_commands(before, BRIDGE, UPLINK)):
        for done in range(len(lines) + 1):
            links.change(lines[:done])
            force(links, restore_commands(before, BRIDGE, [UPLINK], config))
            now = find(links, BRIDGE)
            assert (cidrs(now), routes(now), now.mac, now.stp, now.forward_delay) == (CIDRS, ROUTES, MAC, False, 0), lines[:done]
            assert links.snapshot().ports(BRIDGE) == (UPLINK,)


def a_line_that_fails_is_an_error(links: Links) -> None:
    failed = ""
    try:
        links.change([("link", "set", "dev", "nothere", "up")])
    except EngineError as error:
        failed = str(error)
    assert "nothere" in failed


def force(links: Links, lines: list[tuple[str, ...]]) -> None:
    for line in lines:
        try:
            links.change([line])
        except EngineError:
            continue


CONTRACT = (
    the_uplink_is_seen_with_all_it_has,
    a_link_that_is_not_there_is_none,
    everything_moves_to_the_bridge,
    the_order_of_addresses_stays,
    a_bridge_whose_uplink_is_gone_can_be_removed,
    stp_goes_on_and_off_again,
    mac_and_mtu_change_in_place,
    removing_gives_everything_back,
    every_half_way_leads_back,
    every_half_way_of_a_change_leads_back,
    a_line_that_fails_is_an_error,
)
