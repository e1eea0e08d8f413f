# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every ``Links`` must do, on a host whose link ``up0`` is up and has 10.7.0.2/24 and fd07::2/64 with default routes.

The fake runs it in the unit tests, iproute2 in a network namespace in tests/integration/engines/test_bridge.py.
"""

from __future__ import annotations

from typing import Any

from ansible_collections.zonal.cloud.plugins.module_utils._domain.bridge import Address, BridgeConfig, Link, Route
from ansible_collections.zonal.cloud.plugins.module_utils._domain.bridge_commands import (
    absent_commands,
    address_words,
    present_commands,
    restore_commands,
    route_words,
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


def an_address_that_goes_takes_nothing_along(links: Links) -> None:
    """The first address of a network takes the others with it, unless the host has promote_secondaries; the last one takes routes."""
    rest = (Route("10.20.0.0/16", "10.8.0.1"), Route("10.21.0.0/16", scope=253, source="10.8.0.4"))
    former = _plain("10.8.0.2/24", "10.8.0.3/24", "10.8.0.4/24", "fd08::1/64", routes=rest)
    reach(links, former)
    links.change([address_words(Address("10.8.0.5/24"), BRIDGE)])
    config = _plain("10.8.0.4/24", "fd08::1/64", routes=rest)
    links.change(present_commands(links.snapshot(), config, former))
    assert in_order(find(links, BRIDGE)) == ["10.8.0.4/24", "10.8.0.5/24", "fd08::1/64"]
    assert routes(find(links, BRIDGE)) == ["10.20.0.0/16 via 10.8.0.1", "10.21.0.0/16"]
    assert present_commands(links.snapshot(), config, former) == []


def a_route_into_a_network_that_goes_stops_nothing(links: Links) -> None:
    former = _plain("10.8.0.2/24", "10.9.0.2/24")
    reach(links, former)
    links.change([route_words(Route(f"10.2{number}.0.0/16", f"10.{number}.0.1"), BRIDGE) for number in (8, 9)])
    links.change(present_commands(links.snapshot(), _plain("10.9.0.2/24"), former))
    assert in_order(find(links, BRIDGE)) == ["10.9.0.2/24"]
    assert "10.29.0.0/16 via 10.9.0.1" in routes(find(links, BRIDGE))


def _plain(*addresses: str, routes: tuple[Route, ...] = ()) -> BridgeConfig:
    """A bridge without uplink."""
    return BridgeConfig(BRIDGE, "networkd", addresses=tuple(map(Address, addresses)), routes=routes)


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
    an_address_that_goes_takes_nothing_along,
    a_route_into_a_network_that_goes_stops_nothing,
    removing_gives_everything_back,
    every_half_way_leads_back,
    every_half_way_of_a_change_leads_back,
    a_line_that_fails_is_an_error,
)
