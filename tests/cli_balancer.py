# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The part of tests/cli.py about --vip: what is refused, the maps, servers at run time.

Knows the layout of the maps' entries, on its own, and nothing of packets.
"""
import collections
import socket
import struct
import subprocess
import sys
import time

from cli_world import (FTPFIX, Skipped, World, contains, equal, mapped, test, tool_json,
                       wait_until)

SLOTS = 65537
PER_VIRTUAL = 256
VIP = ["--dev", "up0", "--server-dev", "sv0", "--vip"]
UNCHECKED = ["--health-interval", "0"]


def endpoint(text):
    address, port = text.rsplit(":", 1)
    return mapped(address.strip("[]")) + struct.pack(">HH", int(port), 0)


def written(value):
    """An address and port, read from the bytes of a map."""
    port, padding = struct.unpack(">HH", value[16:20])
    equal(padding, 0, "padding of an endpoint")
    if value.startswith(mapped("0.0.0.0")[:12]):
        return f"{socket.inet_ntoa(value[12:16])}:{port}"
    return f"[{socket.inet_ntop(socket.AF_INET6, value[:16])}]:{port}"


def virtuals(daemon):
    """{virtual address: (id, balance, forward)}"""
    return {written(key): struct.unpack("=3I", value) for key, value in daemon.maps("virtuals")}


def counts(daemon):
    """Of each virtual address, in the order of their ids, how many places are looked at."""
    return daemon.variables()["backend_count"]


def backends(daemon, number=0):
    """{place: (server, source, ifindex, weight, takes)} of the virtual address of this id."""
    found = {}
    for key, value in daemon.maps("backends"):
        place = struct.unpack("=I", key)[0] - number * PER_VIRTUAL
        if not 0 <= place < PER_VIRTUAL or value == bytes(48):
            continue
        source = written(value[20:36] + bytes(4)).removesuffix(":0")
        found[place] = (written(value[:20]), source, *struct.unpack("=3I", value[36:]))
    return found


def takers(daemon, number=0):
    return {server for server, *_, takes in backends(daemon, number).values() if takes}


def table(daemon, number=0):
    """Slot by slot, the server that it names."""
    inner, = [struct.unpack("=I", value)[0] for key, value in daemon.maps("maglev")
              if struct.unpack("=I", key)[0] == number]
    places = [int.from_bytes((int(byte, 16) for byte in entry["value"]), sys.byteorder)
              for entry in tool_json("map", "dump", "id", str(inner))]
    equal(len(places), SLOTS, "slots")
    servers = {place: server for place, (server, *_) in backends(daemon, number).items()}
    return [None if place == 0xffffffff else servers[place] for place in places]


def shares(daemon, number=0):
    return collections.Counter(table(daemon, number))


def known_servers(daemon):
    """The map of servers that may be announced: {(address, length): configured}"""
    return {(key[4:], struct.unpack("=I", key[:4])[0]): struct.unpack("=I", value)[0]
            for key, value in daemon.maps("servers")}


def control_ports(daemon):
    """Those of the map, which must be those of the bits."""
    bits = {64 * number + bit for number, word in enumerate(daemon.variables()["service_ports"])
            for bit in range(64) if word >> bit & 1}
    equal(sorted(struct.unpack("=I", key)[0] for key, _ in daemon.maps("services")), sorted(bits),
          "services and the bits of their ports")
    return bits


def shown(world):
    return {server["server"]: server for server in world.show("servers")["servers"]}


def change(world, *words):
    done = world.ftpfix("server", *words)
    equal((done.returncode, done.stdout, done.stderr), (0, "", ""), f"server {words}")


def not_changed(world, *words, text):
    world.refused("server", *words, text=text)


@test
def virtual_addresses_and_servers_at_fault_are_refused():
    vip = ["--vip", "203.0.113.5"]
    for args, problem in (
            ([*vip], "--vip: 203.0.113.5: no --server is an IPv4 address, and servers serve virtual "
                     "addresses of their own family only; name one"),
            ([*vip, "--server", "2001:db8::9"], "--vip: 203.0.113.5: no --server is an IPv4"),
            ([*vip, "2001:db8::5", "--server", "10.0.0.9"],
             "--vip: 2001:db8::5: no --server is an IPv6 address"),
            ([*vip, "--server", "10.0.0.9", "2001:db8::9"],
             "--server: 2001:db8::9: no --vip is an IPv6 address"),
            ([*vip, "203.0.113.5:21", "--server", "10.0.0.9"], "203.0.113.5:21 is named twice"),
            (["--vip", "2001:db8::5,[2001:db8::5]"], "[2001:db8::5] is named twice"),
            (["--vip", "127.0.0.1:21"], "loopback"),
            (["--vip", "203.0.113.5:0"], "'0' is no port"),
            (["--vip", "203.0.113.5:"], "'' is no port"),
            (["--vip", "203.0.113"], "is no IP address"),
            (["--vip", "[203.0.113.5"], "is no address and port"),
            (["--vip", "[]"], "'' is no IP address"),
            (["--vip", ""], "'' is no IP address"),
            (["--vip", *(f"10.1.0.{i}" for i in range(65))], "--vip: more than 64"),
            ([*vip, "--server", "10.0.0.0/24"], "with --vip a server is one host; name each"),
            ([*vip, "--server", "10.0.0.9", "10.0.0.9"], "10.0.0.9 is named twice"),
            ([*vip, "--server", "10.0.0.9,10.0.0.9:21"], "10.0.0.9 is named twice"),
            ([*vip, "--server", "10.0.0.9:2121,10.0.0.9:2121"], "10.0.0.9 is named twice"),
            ([*vip, "--server", "weight=2"], "'weight=2' has no server in front of it"),
            ([*vip, "--server", "10.0.0.9,weight=0"], "'0' is no number from 1 to 65535"),
            ([*vip, "--server", "10.0.0.9,weight=65536"], "is no number from 1 to 65535"),
            ([*vip, "--server", "10.0.0.9,weight="], "'' is no number"),
            ([*vip, "--server", "10.0.0.9,weight=1,weight=1"], "a second weight of one server"),
            ([*vip, "--server", "10.0.0.9,height=1"], "'height=1' is no IP address"),
            ([*vip, "--server", *(f"10.0.{i // 256}.{i % 256 or 1}:{21 + i}" for i in range(257))],
             "more than 256 servers"),
            ([*vip, "--server", "10.0.0.9", "--forward", "none"],
             "--vip: --forward none forwards nothing to the servers; say --forward nat"),
            ([*vip, "--server", "10.0.0.9", "--clients", "inside"], "--vip: with --clients inside"),
            ([*vip, "--server", "10.0.0.9", "--balance", "random"],
             "say maglev or least-connections"),
            ([*vip, "--tls-data-ports", "1023-2000"], "--tls-data-ports: "),
            ([*vip, "--server", "10.0.0.9", "--tls-data-ports", "30000-30009", "--balance",
              "least-connections"], "--tls-data-ports: with --balance least-connections the"),
            ([*vip, "--health-interval", "3601"], "no number of seconds from 0 to 3600"),
            ([*vip, "--health-timeout", "0"], "no number of seconds from 1 to 300"),
            ([*vip, "--health-rise", "0"], "no number from 1 to 100"),
            ([*vip, "--health-fall", "101"], "no number from 1 to 100"),
            (["--server", "10.0.0.9:2121"],
             "--server: 10.0.0.9/32 has a port, which counts only with --vip"),
            (["--server", "10.0.0.0/8,weight=2"], "--server: 10.0.0.0/8 has a weight"),
            *(([f"--{option}", value], f"--{option}: without --vip another program chooses")
              for option, value in (("balance", "maglev"), ("tls-data-ports", "30000-30009"),
                                    ("health-interval", "5"),
                                    ("health-timeout", "3"), ("health-rise", "2"),
                                    ("health-fall", "3")))):
        done = subprocess.run([FTPFIX, "run", "--dev", "up0", *args], capture_output=True, text=True)
        equal((done.returncode, done.stdout), (2, ""), str(args[:6]))
        contains(done.stderr, problem, str(args[:6]))


@test
def words_of_server_at_fault_are_refused():
    for args in [], ["add"], ["add", "10.0.0.9", "10.0.0.8"], ["undrain", "10.0.0.9"]:
        done = subprocess.run([FTPFIX, "server", *args], capture_output=True, text=True)
        equal((done.returncode, done.stdout), (2, ""), str(args))
        contains(done.stderr, "server: say server add ADDR[:PORT][,weight=N]", str(args))


@test
def virtual_addresses_are_written_into_the_maps():
    with World() as world:
        world.do("ip -6 addr add 2001:db8:0:1::1/64 dev sv0 nodad")
        daemon = world.run(
            *VIP, "203.0.113.5", "[2001:db8::5]:2100", "--vip", "203.0.113.6:2121,203.0.113.7",
            "--server", "10.0.0.175,weight=3,10.0.0.176:2122", "2001:db8:0:1::9",
            "[2001:db8:0:1::a]:2123,weight=65535", "--forward", "fullnat", *UNCHECKED)
        index = world.inside(lambda: socket.if_nametoindex("sv0"))
        equal(virtuals(daemon), {"203.0.113.5:21": (0, 0, 2), "[2001:db8::5]:2100": (1, 0, 2),
                                 "203.0.113.6:2121": (2, 0, 2), "203.0.113.7:21": (3, 0, 2)},
              "virtuals")
        equal(counts(daemon), [2] * 4 + [0] * 60, "places to look at")
        first = ("10.0.0.175:21", "10.0.0.1", index, 3, 1)
        second = ("10.0.0.176:2122", "10.0.0.1", index, 1, 1)
        for number in 0, 3:
            equal(sorted(backends(daemon, number).values()), [first, second], "backends, port 21")
        # A port that was left out is that of the virtual address.
        equal(sorted(backends(daemon, 2).values()), [("10.0.0.175:2121", *first[1:]), second],
              "backends, port 2121")
        equal(sorted(backends(daemon, 1).values()),
              [("[2001:db8:0:1::9]:2100", "[2001:db8:0:1::1]", index, 1, 1),
               ("[2001:db8:0:1::a]:2123", "[2001:db8:0:1::1]", index, 65535, 1)], "backends, IPv6")
        slots = shares(daemon)
        equal(sum(slots.values()), SLOTS, "slots that have a server")
        assert abs(slots["10.0.0.175:21"] - SLOTS * 3 / 4) < 3, f"shares by weight: {slots}"
        assert table(daemon, 0) == table(daemon, 3), "two addresses of one port differ"
        equal(control_ports(daemon), {21, 2100, 2121, 2122, 2123}, "control ports")
        equal(known_servers(daemon), {(mapped(address), 128): 1 for address in (
            "10.0.0.175", "10.0.0.176", "2001:db8:0:1::9", "2001:db8:0:1::a")}, "servers")
        equal(daemon.constants()["servers_configured"], 1, "servers are configured")
        servers = shown(world)
        equal(servers["10.0.0.175:21"],
              {"server": "10.0.0.175:21", "share": {"203.0.113.5:21": 75.0, "203.0.113.7:21": 75.0},
               "weight": 3, "state": "up", "reason": None, "sessions": 0}, "server shown")
        equal(servers["10.0.0.175:2121"]["share"], {"203.0.113.6:2121": 75.0}, "its other port")
        equal(len(servers), 5, "servers shown")
        service = world.service()
        equal((service["virtuals"], service["balance"], service["servers"][0]),
              (["203.0.113.5:21", "[2001:db8::5]:2100", "203.0.113.6:2121", "203.0.113.7:21"],
               "maglev", "10.0.0.175/32"), "service shown")
        contains(world.ftpfix("show", "servers").stdout, "203.0.113.5:21=75.0", "table")


@test
def the_uplink_is_that_of_the_default_route():
    run = ["--vip", "203.0.113.5", "--server", "10.0.0.175", *UNCHECKED]
    with World() as world:
        # No default route, and one of the other family, which no virtual address has.
        world.refused("run", *run, text="no --dev, and no default route tells")
        world.do("ip -6 route add default dev sv0")
        world.refused("run", *run, text="no --dev, and no default route tells")
        world.do("ip route add default via 203.0.113.1")
        world.run(*run)
        devices = {row["interface"]: row["sides"]
                   for row in world.show("interfaces")["interfaces"]}
        equal(devices, {"up0": ["uplink"], "sv0": ["inside"]}, "interfaces")


@test
def several_nodes_agree_whatever_order_the_servers_have():
    servers = ["10.0.0.175,weight=2", "10.0.0.176", "10.0.0.177:2121,weight=3"]
    tables = []
    for order in servers, servers[::-1]:
        with World() as world:
            tables.append(table(world.run(*VIP, "203.0.113.5", "--server", *order, *UNCHECKED)))
    assert tables[0] == tables[1], "the tables differ"


@test
def least_connections_needs_no_table():
    with World() as world:
        daemon = world.run(*VIP, "203.0.113.5", "--server", "10.0.0.175,10.0.0.176", "--balance",
                           "least-connections", *UNCHECKED)
        equal(virtuals(daemon), {"203.0.113.5:21": (0, 1, 1)}, "virtuals")
        equal(takers(daemon), {"10.0.0.175:21", "10.0.0.176:21"}, "who takes sessions")
        equal(shown(world)["10.0.0.175:21"]["share"], {"203.0.113.5:21": None}, "share")
        equal(world.service()["balance"], "least-connections", "what is shown")
        change(world, "drain", "10.0.0.175")
        equal(takers(daemon), {"10.0.0.176:21"}, "who takes sessions with one drained")


@test
def without_virtual_addresses_there_are_no_servers_to_change():
    with World() as world:
        daemon = world.run("--dev", "up0", "--server", "10.0.0.175")
        not_changed(world, "add", "10.0.0.176", text="server: this ftpfix has no virtual address; "
                                                     "start it with --vip")
        equal((virtuals(daemon), backends(daemon), shown(world)), ({}, {}, {}), "maps")
        assert "ftpfix_server_up" not in world.get("/metrics")[2], "metrics of servers"


@test
def servers_are_added_drained_and_removed():
    with World() as world:
        daemon = world.run(*VIP, "203.0.113.5,203.0.113.6:2121", "--server", "10.0.0.175:21",
                           "10.0.0.176:21", *UNCHECKED)
        before = table(daemon)
        change(world, "add", "10.0.0.177:2100,weight=2")
        equal(shares(daemon).keys(), {"10.0.0.175:21", "10.0.0.176:21", "10.0.0.177:2100"},
              "servers of the table")
        moved = sum(one != other != "10.0.0.177:2100" for one, other in zip(before, table(daemon)))
        assert moved < SLOTS / 100, f"{moved} slots changed hands without need"
        equal(counts(daemon)[:3], [3, 3, 0], "places to look at")
        equal(control_ports(daemon), {21, 2100, 2121}, "control ports with another server's")
        assert (mapped("10.0.0.177"), 128) in known_servers(daemon), "may be announced"

        change(world, "drain", "10.0.0.176")
        equal(takers(daemon), {"10.0.0.175:21", "10.0.0.177:2100"}, "who takes sessions")
        equal(shares(daemon).keys(), takers(daemon), "servers of the table, one drained")
        equal(shown(world)["10.0.0.176:21"]["state"], "drained", "state")
        change(world, "add", "10.0.0.176,weight=5")
        # Without a port it is one for each virtual port, of which 21 is there.
        equal(takers(daemon), {"10.0.0.175:21", "10.0.0.176:21", "10.0.0.177:2100"}, "all again")
        equal(takers(daemon, 1), takers(daemon) | {"10.0.0.176:2121"}, "of the other port")
        equal(shown(world)["10.0.0.176:21"]["weight"], 5, "another weight")
        change(world, "del", "10.0.0.176:2121")

        change(world, "del", "10.0.0.177")
        equal(takers(daemon), {"10.0.0.175:21", "10.0.0.176:21"}, "who is left")
        equal(len(backends(daemon)), 2, "entries of backends")
        for words, problem in (
                (["add", "2001:db8::9"], "no virtual address is an IPv6 address"),
                (["add", "10.0.0.0/24"], "is no host"),
                (["add", "10.0.0.9,10.0.0.8"], "'10.0.0.8' is not expected behind a server"),
                (["add", "10.0.0.9,weight=0"], "is no number from 1 to 65535"),
                (["drain", "10.0.0.9"], "10.0.0.9 is none of the servers; ftpfix show servers"),
                (["drain", "10.0.0.175,weight=2"], "a weight says nothing here"),
                (["del", "10.0.0.175:2121"], "10.0.0.175:2121 is none of the servers"),
                (["del", "10.0.0.177"], "10.0.0.177 is leaving already")):
            not_changed(world, *words, text=problem)
        equal(takers(daemon), {"10.0.0.175:21", "10.0.0.176:21"}, "after what was refused")

        change(world, "drain", "10.0.0.175")
        change(world, "del", "10.0.0.176")
        equal(set(shares(daemon)), {None}, "the table with no server")
        contains(daemon.log(), "203.0.113.5:21: no server takes new sessions: clients are refused",
                 "the log")
        change(world, "add", "10.0.0.175")
        equal(set(shares(daemon)), {"10.0.0.175:21"}, "the table with one again")


@test
def a_removed_server_is_known_until_its_sessions_have_ended():
    with World() as world:
        daemon = world.run(*VIP, "203.0.113.5", "--server", "10.0.0.175:2100", "10.0.0.176",
                           "--timeout", "opening=2", *UNCHECKED)
        daemon.insert("loads", [(endpoint("10.0.0.175:2100"), struct.pack("=q", 2))])
        equal(shown(world)["10.0.0.175:2100"]["sessions"], 2, "sessions shown")
        contains(world.get("/metrics")[2],
                 '\nftpfix_server_sessions{server="10.0.0.175:2100"} 2\n', "metrics")
        change(world, "del", "10.0.0.175")
        time.sleep(5)  # longer than it is kept without sessions
        server = shown(world)["10.0.0.175:2100"]
        equal((server["state"], server["share"], server["sessions"]), ("leaving", {}, 2), "shown")
        assert (mapped("10.0.0.175"), 128) in known_servers(daemon), "still may be announced"
        assert 2100 in control_ports(daemon), "its port is not followed any more"
        daemon.insert("loads", [(endpoint("10.0.0.175:2100"), struct.pack("=q", 0))])
        wait_until(lambda: "10.0.0.175:2100" not in shown(world), "forgotten")
        equal(known_servers(daemon), {(mapped("10.0.0.176"), 128): 1}, "servers")
        equal(control_ports(daemon), {21}, "control ports")
        equal(daemon.maps("loads"), [], "loads")
        contains(world.get("/metrics")[2], '\nftpfix_server_weight{server="10.0.0.176:21"} 1\n',
                 "metrics of the other")


@test
def a_removed_server_is_known_as_long_as_a_handshake_may_last():
    with World() as world:
        daemon = world.run(*VIP, "203.0.113.5", "--server", "10.0.0.175:2100", "10.0.0.176",
                           "--timeout", "opening=3", *UNCHECKED)
        removed = time.monotonic()
        change(world, "del", "10.0.0.175")
        equal(shown(world)["10.0.0.175:2100"]["state"], "leaving", "state")
        for action in "del", "drain":
            not_changed(world, action, "10.0.0.175", text="server: 10.0.0.175 is leaving already; "
                                                          "ftpfix server add takes it back")
        wait_until(lambda: "10.0.0.175:2100" not in shown(world), "forgotten", 8)
        assert time.monotonic() - removed > 3, "forgotten too early"
        equal(control_ports(daemon), {21}, "control ports")


@test
def virtual_addresses_are_written_once():
    with World() as world:
        daemon = world.run(*VIP, "203.0.113.5,203.0.113.6", "--server", "10.0.0.175",
                           *UNCHECKED)
        before = virtuals(daemon)
        daemon.freeze("virtuals")
        change(world, "add", "10.0.0.176")
        equal((takers(daemon), counts(daemon)[:3]),
              ({"10.0.0.175:21", "10.0.0.176:21"}, [2, 2, 0]), "with one more")
        change(world, "del", "10.0.0.176")
        equal((takers(daemon), counts(daemon)[:3]), ({"10.0.0.175:21"}, [1, 1, 0]), "without it")
        equal(virtuals(daemon), before, "virtuals")


@test
def services_that_stay_are_not_written_again():
    with World() as world:
        daemon = world.run(*VIP, "203.0.113.5", "--server", "10.0.0.175", *UNCHECKED)
        daemon.freeze("services")
        change(world, "add", "10.0.0.176")
        equal(takers(daemon), {"10.0.0.175:21", "10.0.0.176:21"}, "who takes sessions")


@test
def a_virtual_address_holds_no_more_servers_than_fit():
    with World() as world:
        servers = [f"10.0.0.9:{10000 + i}" for i in range(PER_VIRTUAL)]
        daemon = world.run(*VIP, "203.0.113.5", "--server", *servers, *UNCHECKED)
        equal(takers(daemon), set(servers), "who takes sessions")
        slots = shares(daemon)
        assert {slots[server] for server in servers} <= {256, 257}, "equal shares"
        not_changed(world, "add", "10.0.0.10", text="has 256 servers already; remove one")
        equal((len(known_servers(daemon)), len(control_ports(daemon))), (1, 257), "after that")
        change(world, "del", "10.0.0.9:10007")
        change(world, "add", "10.0.0.10")
        equal(takers(daemon), {*servers, "10.0.0.10:21"} - {"10.0.0.9:10007"}, "one exchanged")


@test
def routes_are_followed():
    with World() as world:
        world.do("ip addr add 192.0.2.1/24 dev up0")
        daemon = world.run(*VIP, "203.0.113.5", "--server", "10.0.0.175", "192.0.2.9", "10.0.0.1",
                           "198.51.100.9", *UNCHECKED)
        equal(takers(daemon), {"10.0.0.175:21"}, "who takes sessions")
        for server, reason in (
                ("192.0.2.9", "its route leaves over up0, which is no --server-dev"),
                ("10.0.0.1", "its address is this node's own"),
                ("198.51.100.9", "no route leads to it: Network is unreachable")):
            contains(daemon.log(), f"server {server}:21 down: {reason}\n", "the log")
            equal((shown(world)[f"{server}:21"]["state"], shown(world)[f"{server}:21"]["reason"]),
                  ("down", reason), server)
            contains(world.get("/metrics")[2], f'\nftpfix_server_up{{server="{server}:21"}} 0\n',
                     "metrics")
        world.do("ip route add 198.51.100.0/24 via 10.0.0.254 dev sv0 src 10.0.0.1")
        world.do("ip route add 192.0.2.9 dev sv0 src 192.0.2.1")
        wait_until(lambda: takers(daemon) == {"10.0.0.175:21", "192.0.2.9:21", "198.51.100.9:21"},
                   "three are reached")
        contains(daemon.log(), "server 192.0.2.9:21 up\n", "the log")
        sources = {server: source for server, source, *_ in backends(daemon).values()}
        equal((sources["192.0.2.9:21"], sources["198.51.100.9:21"]), ("192.0.2.1", "10.0.0.1"),
              "sources")
        world.do("ip route del 198.51.100.0/24")
        wait_until(lambda: "198.51.100.9:21" not in shares(daemon), "one is not reached any more")


@test
def a_vlan_device_counts_itself():
    with World() as world:
        try:
            world.do("ip link add link sv0 name sv0.7 type vlan id 7")
        except AssertionError as error:
            raise Skipped(f"this kernel has no VLAN devices: {error}") from error
        world.do("ip link set sv0.7 up")
        world.do("ip addr add 10.7.0.1/24 dev sv0.7")
        daemon = world.run("--dev", "up0", "--server-dev", "sv0.7", "sv0", "--vip", "203.0.113.5",
                           "--server", "10.7.0.9", *UNCHECKED)
        index = world.inside(lambda: socket.if_nametoindex("sv0.7"))
        equal(list(backends(daemon).values()), [("10.7.0.9:21", "10.7.0.1", index, 1, 1)],
              "backends")
