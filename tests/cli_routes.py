# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The part of tests/cli.py about changes of routes, of which the daemon tells the dataplane.

Knows the two variables by which it does, and nothing of what the dataplane makes of them.
"""
import os
import struct
import time

from cli_world import LIBC, SYS_BPF, World, equal, test, wait_until

ARMS = ["--dev", "up0", "--server-dev", "sv0", "--server", "10.9.9.9"]
BPF_MAP_GET_FD_BY_ID = 14
# Of the dataplane's clock: 2^20 ns.
SECOND_TICKS = 1_000_000_000 >> 20
NEIGHBOUR = "10.0.0.9 lladdr 02:00:00:00:00:0{} dev sv0"


def ticks_since(daemon, name):
    """How long ago what this variable says was; negative: it is still to come."""
    value = daemon.variables()[name]
    return (time.clock_gettime_ns(time.CLOCK_MONOTONIC) >> 20) - value


def change(daemon):
    return daemon.variables()["routes_changed_ticks"]


def quiet(daemon):
    """Waits until no change is to be expected any more: each is noted once more."""
    wait_until(lambda: ticks_since(daemon, "routes_changed_ticks") > 2 * SECOND_TICKS,
               "nothing changes")


def is_told(world, daemon, words):
    quiet(daemon)
    world.do(words)
    wait_until(lambda: ticks_since(daemon, "routes_changed_ticks") < SECOND_TICKS,
               f"{words} is a change", 5)
    assert ticks_since(daemon, "routes_changed_ticks") >= 0, "a change is not in the future"


def is_not_told(world, daemon, words):
    quiet(daemon)
    before = change(daemon)
    world.do(words)
    time.sleep(1.5)
    equal(change(daemon), before, f"the last change, after {words}")


@test
def changes_of_routes_are_told_to_the_dataplane():
    with World() as world:
        daemon = world.run(*ARMS)
        for words in ("ip neigh add " + NEIGHBOUR.format(1) + " nud reachable",
                      "ip route add 10.9.0.0/16 via 10.0.0.9",
                      "ip -6 route add 2001:db8::/64 dev sv0",
                      "ip rule add from 192.0.2.1 lookup 7",
                      "ip -6 rule add from 2001:db8::1 lookup 7",
                      "ip nexthop add id 5 via 10.0.0.9 dev sv0",
                      "ip neigh change " + NEIGHBOUR.format(2) + " nud reachable",
                      "ip neigh del " + NEIGHBOUR.format(2),
                      "ip link set sv0 mtu 1400",
                      "sysctl -qw net.ipv4.ip_forward=1",
                      "sysctl -qw net.ipv6.conf.all.forwarding=1",
                      "ip link set sv1 down"):
            is_told(world, daemon, words)


@test
def what_no_route_depends_on_is_no_change():
    with World() as world:
        daemon = world.run(*ARMS)
        # What was never told of is a change.
        world.do("ip link set sv0 mtu 1400")
        world.do("ip neigh add " + NEIGHBOUR.format(1) + " nud reachable")
        for words in ("ip neigh change " + NEIGHBOUR.format(1) + " nud stale",
                      "ip neigh change " + NEIGHBOUR.format(1) + " nud reachable",
                      "ip link set sv0 promisc on"):
            is_not_told(world, daemon, words)


@test
def the_dataplane_knows_how_long_changes_are_told():
    with World() as world:
        daemon = world.run(*ARMS)
        identity = int(daemon.map_id("ftpfix.bss"))
        attr = struct.pack("=III", identity, 0, 0)
        held = LIBC.syscall(SYS_BPF, BPF_MAP_GET_FD_BY_ID, attr, len(attr))
        assert held >= 0, "its variables cannot be held"
        try:
            end = time.monotonic() + 5
            while time.monotonic() < end:
                left = -ticks_since(daemon, "routes_watched_ticks")
                assert 0 < left <= 3 * SECOND_TICKS, f"watched for {left} ticks"
                time.sleep(0.1)
            daemon.end()
            assert ticks_since(daemon, "routes_watched_ticks") >= 0, "watched by nobody"
        finally:
            os.close(held)
