# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The part of tests/cli.py about how flows are carried: sources, path, times, sizes.

Knows the maps' and constants' names and layout, on its own, and nothing of packets.
"""
import platform
import re
import struct
import subprocess

from cli_world import FTPFIX, Skipped, World, contains, equal, mapped, test, tool_json

SECOND = 10**9


@test
def flow_settings_at_fault_are_refused():
    run = ["run", "--dev", "up0"]
    fullnat = [*run, "--forward", "fullnat"]
    source = [*fullnat, "--source"]
    times = [*run, "--timeout"]
    for args, text in (
            ([*source, "10.0.0.1,10.0.0.2", "10.0.0.1"], "10.0.0.1 is named twice; name it once"),
            ([*source, "fd00::1", "[FD00:0::1]"], "is named twice"),
            ([*source, "224.0.0.1"], "multicast"),
            ([*source, "::"], "names no host"),
            ([*source, "10.0.0.1:"], "'' is no range of ports"),
            ([*source, "10.0.0.1:2000"], "'2000' is no range of ports"),
            ([*source, "10.0.0.1:1023-2000"], "starts below 1024"),
            ([*source, "10.0.0.1:3000-2000"], "write 2000-3000"),
            ([*source, "10.0.0.1:2000-65536"], "ends above 65535"),
            ([*source, "10.0.0.1:2000-3000,10.0.0.2:4000-5000"],
             "'4000-5000' is a second range of ports; give one, after the last address"),
            ([*source, "fd00::1:2000-3000"], "has no brackets; write [fd00::1]:2000-3000"),
            ([*source, "[fd00::1"], "has no address in its brackets"),
            ([*source, "[fd00::1]2000-3000"], "has no address in its brackets"),
            ([*source, "[]:2000-3000"], "is no IP address"),
            ([*source, "[" + "f" * 80 + "]:2000-3000"], "is no IP address"),
            ([*source, *(f"10.0.{i >> 8}.{i & 255}" for i in range(1, 258))],
             "more than 256 IPv4 addresses"),
            ([*run, "--source", "10.0.0.1:2000-3000"],
             "--source: --forward nat keeps the client's address; leave --source out, or say "
             "--forward fullnat"),
            ([*run, "--path", "long"], "--path: 'long' is not among its words; say direct or stack"),
            ([*run, "--path", "stack", "--path", "stack"], "--path: given twice"),
            ([*run, "--path", "direct", "--forward", "none"],
             "--path: --forward none carries no connections; leave one of the two out"),
            ([*run, "--xdp", "fast"], "say auto, native, generic or off"),
            ([*run, "--xdp", "native", "--path", "stack"],
             "--xdp native: --path stack leads every packet through the node's stack"),
            ([*run, "--xdp", "generic", "--path", "stack"], "--xdp generic: --path stack"),
            ([*run, "--xdp", "native", "--forward", "none"],
             "--xdp native: --forward none carries no connections"),
            ([*run, "--max-sessions", "1023"], "'1023' is no number from 1024 to 4000000"),
            ([*run, "--max-sessions", "4000001"], "is no number from 1024 to 4000000"),
            ([*run, "--max-sessions", "1e6"], "is no number from 1024 to 4000000"),
            ([*times, "60"], "--timeout: '60' names no time; write it like established=7200"),
            ([*times, "idle=60"], "say opening, established, closing or control"),
            ([*times, "x" * 40 + "=1"], "names no time"),
            ([*times, "opening=0"], "--timeout opening: '0' is no number of seconds from 1 to 3600"),
            ([*times, "closing=3601"], "from 1 to 3600"),
            ([*times, "established=604801"], "from 1 to 604800"),
            ([*times, "control="], "--timeout control: '' is no number of seconds"),
            ([*times, "opening=5,opening=6"], "--timeout: opening is given twice; give it once"),
            ([*fullnat, "--client-address", "xff"], "say none, toa, proxy-v1 or proxy-v2"),
            ([*run, "--client-address", "toa"],
             "--client-address toa: --forward nat keeps the client's address"),
            ([*fullnat, "--client-address", "proxy-v1"], "name the virtual address with --vip"),
            ([*fullnat, "--client-address", "proxy-v2"], "name the virtual address with --vip"),
            ([*fullnat, "--toa-kind", "254"], "--toa-kind: --client-address none sends no TOA"),
            ([*fullnat, "--client-address", "toa", "--toa-kind", "34"],
             "'34' is no number from 35 to 254"),
            ([*fullnat, "--client-address", "toa", "--toa-kind", "254,255"],
             "'255' is no number from 35 to 254"),
            ([*fullnat, "--client-address", "toa", "--toa-kind", "254,"], "'' is no number")):
        done = subprocess.run([FTPFIX, *args], capture_output=True, text=True)
        equal((done.returncode, done.stdout), (2, ""), " ".join(args))
        contains(done.stderr, text, " ".join(args))


def variables(daemon):
    """What the programs and the loader share and both may write, by name."""
    dump, = tool_json("map", "dump", "id", daemon.map_id("ftpfix.bss"))
    section, = dump["formatted"]["value"].values()
    return {name: value for variable in section for name, value in variable.items()}


def flow_constants(daemon):
    constants = daemon.constants()
    return [constants[name] for name in (
        "source_port_low", "source_port_high", "path_stack", "client_address", "toa_kind",
        "flow_half_open_ns", "flow_idle_ns", "flow_closing_ns", "session_idle_ns")]


def sources(daemon):
    """{place: address} of those that are not empty."""
    return {struct.unpack("=I", key)[0]: value for key, value in daemon.maps("sources")
            if value != bytes(16)}


@test
def flow_defaults_are_written_into_the_maps():
    with World() as world:
        daemon = world.run("--dev", "up0")
        equal(flow_constants(daemon),
              [1024, 65535, 0, 0, [254, 254], 60 * SECOND, 7500 * SECOND, 60 * SECOND,
               86400 * SECOND], "constants")
        equal((sources(daemon), variables(daemon)["source_count"]), ({}, [0, 0]), "sources")
        service = world.service()
        equal([service[key] for key in ("source", "source_port_low", "source_port_high", "path",
                                        "client_address", "max_sessions", "timeouts")],
              [[], 1024, 65535, "direct", "none", 32768,
               {"opening": 60, "established": 7500, "closing": 60, "control": 86400}], "shown")


@test
def flow_options_are_written_into_the_maps():
    with World() as world:
        daemon = world.run(
            "--dev", "up0", "--forward", "fullnat", "--source", "10.0.0.1,10.0.0.2", "fd00::1",
            "[fd00::2]", "10.0.0.3:20000-29999", "--timeout", "opening=7,established=3600",
            "control=604800", "--timeout", "closing=9", "--client-address", "toa", "--toa-kind",
            "200,253")
        equal(flow_constants(daemon),
              [20000, 29999, 0, 1, [200, 253], 7 * SECOND, 3600 * SECOND, 9 * SECOND,
               604800 * SECOND], "constants")
        # The families of 256 places each, one behind the other.
        equal(sources(daemon),
              {0: mapped("10.0.0.1"), 1: mapped("10.0.0.2"), 2: mapped("10.0.0.3"),
               256: mapped("fd00::1"), 257: mapped("fd00::2")}, "sources")
        equal(variables(daemon)["source_count"], [3, 2], "how many")
        service = world.service()
        equal([service[key] for key in ("source", "source_port_low", "source_port_high",
                                        "client_address", "timeouts")],
              [["10.0.0.1", "10.0.0.2", "10.0.0.3", "fd00::1", "fd00::2"], 20000, 29999, "toa",
               {"opening": 7, "established": 3600, "closing": 9, "control": 604800}], "shown")
        daemon.end()
        daemon = world.run("--dev", "up0", "--forward", "fullnat", "--client-address", "toa",
                           "--toa-kind", "253", "--source", "[fd00::1]:2000-2001")
        equal(flow_constants(daemon)[:5], [2000, 2001, 0, 1, [253, 253]], "one kind for both")


def sizes(daemon):
    return [tool_json("map", "show", "id", daemon.map_id(name))["max_entries"]
            for name in ("sessions", "expectations", "flows", "flow_groups", "turns", "seen",
                         "expected_groups")]


@test
def the_number_of_sessions_sizes_the_maps():
    fullnat = ["--forward", "fullnat"]
    stack = ["--path", "stack"]
    with World() as world:
        world.do("sysctl -qw net.ipv4.ip_forward=1")
        for args, most, connections, expected in (
                ([], 32768, 98304, [65536, 40960, 245760, 15360, 65536, 16384, 2560]),
                (["--max-sessions", "1024"], 1024, 9216,
                 [16384, 1280, 23040, 1440, 8192, 16384, 80]),
                (["--max-sessions", "20000"], 20000, 52768,
                 [40000, 25008, 131920, 8245, 32768, 16384, 1563]),
                (["--max-sessions", "300000"], 300000, 365536,
                 [600000, 375008, 913840, 57115, 65536, 16384, 23438]),
                # Each direction is translated at two hooks.
                (["--max-sessions", "1024", *fullnat, *stack], 1024, 9216,
                 [16384, 1280, 46080, 2880, 8192, 16384, 80]),
                (["--max-sessions", "1024", *fullnat], 1024, 9216,
                 [16384, 1280, 23040, 1440, 8192, 16384, 80]),
                (["--max-sessions", "1024", *stack], 1024, 9216,
                 [16384, 1280, 23040, 1440, 8192, 16384, 80])):
            daemon = world.run("--dev", "up0", *args)
            equal(sizes(daemon), expected, f"entries with {args}")
            constants = daemon.constants()
            equal([constants["flow_group_count"], 2 * constants["turn_places"],
                   constants["expectation_group_count"]], [*expected[3:5], expected[6]],
                  f"what the programs know of it with {args}")
            gauges = dict(re.findall(r"^ftpfix_(\w+)_max (\d+)$", world.get("/metrics")[2], re.M))
            equal([int(gauges[name]) for name in ("sessions", "expectations", "flows")],
                  [expected[0], most, connections], f"gauges with {args}")
            daemon.end()


@test
def a_table_takes_memory_as_it_fills():
    if tuple(int(part) for part in platform.release().split(".")[:2]) < (6, 4):
        raise Skipped("before Linux 6.4 a map does not tell how much memory it takes")
    with World() as world:
        daemon = world.run("--dev", "up0", "--max-sessions", 1000000)
        for name, places in ("sessions", 2000000), ("drafts", 1000000):
            shown = tool_json("map", "show", "id", daemon.map_id(name))
            equal(shown["max_entries"], places, f"places of {name}")
            # Without its entries it has a bucket for each, rounded up to a power of two.
            assert 16 <= shown["bytes_memlock"] / places <= 17, f"{name}: {shown}"


@test
def where_flows_stand_cannot_be_foreseen():
    with World() as world:
        seeds = set()
        for _ in range(2):
            daemon = world.run("--dev", "up0")
            seeds.add(daemon.constants()["flow_seed"])
            daemon.end()
        equal((len(seeds), seeds & {0}), (2, set()), "seeds of two runs")


@test
def the_path_through_the_stack_needs_forwarding():
    args = ["--dev", "up0", "--path", "stack"]
    with World() as world:
        before = world.attached()
        world.do("sysctl -qw net.ipv4.ip_forward=0")
        world.refused("run", *args,
                      text="--path stack: the node's stack forwards no IPv4 that comes in on up0; "
                           "sysctl -w net.ipv4.ip_forward=1, or say --path direct")
        world.do("ip link property add dev up0 altname uplink")
        world.do("ip link property add dev sv0 altname inside")
        world.refused("run", "--dev", "uplink", "--server-dev", "inside", *args[2:],
                      text="forwards no IPv4 that comes in on up0")
        world.do("sysctl -qw net.ipv4.conf.up0.forwarding=1")
        world.refused("run", *args, text="forwards no IPv4 that comes in on sv0")
        equal(world.attached(), before, "attached")
        world.do("sysctl -qw net.ipv4.ip_forward=1")
        daemon = world.run(*args)
        equal((flow_constants(daemon)[2], world.service()["path"]), (1, "stack"), "the path")
        assert "--path stack" not in daemon.log(), "a hint without need"
        daemon.end()
        # IPv4 may be all that is needed.
        world.do("ip addr add 2001:db8::5/64 dev up0 nodad")
        daemon = world.run(*args)
        contains(daemon.log(), "forwards no IPv6 that comes in on up0; sysctl -w "
                               "net.ipv6.conf.all.forwarding=1", "the hint")
        equal(world.do("sysctl -n net.ipv6.conf.all.forwarding"), "0\n", "the sysctl")


def local_ports(world, text):
    subprocess.run(world.enter("sysctl", "-qw", f"net.ipv4.ip_local_port_range={text}"),
                   check=True)


@test
def beside_a_virtual_address_the_nodes_own_ports_are_left_to_it():
    vip = ["--dev", "up0", "--forward", "fullnat", "--vip", "203.0.113.5", "--server", "10.0.0.9"]
    with World() as world:
        world.do("sysctl -qw net.ipv4.ip_forward=1")
        local_ports(world, "40000 50000")
        for args, low, high in (([], 1024, 39999),
                                (["--source", "10.0.0.1"], 1024, 39999),
                                (["--source", "10.0.0.1:2000-45000"], 2000, 45000)):
            daemon = world.run(*vip, *args, "--max-sessions", "1024", "--client-address",
                               "proxy-v2")
            equal(flow_constants(daemon)[:4], [low, high, 0, 3], f"constants with {args}")
            # The control connections are carried, too.
            equal(sizes(daemon)[2], 25600, "flows")
            daemon.end()
        daemon = world.run(*vip, "--max-sessions", "1024", "--path", "stack")
        equal(sizes(daemon)[2], 51200, "flows through the stack")
        daemon.end()
        local_ports(world, "1024 50000")
        world.refused("run", *vip, text="take ports from 1024 on (net.ipv4.ip_local_port_range)")
        world.run(*vip, "--source", "10.0.0.1:2000-45000")
