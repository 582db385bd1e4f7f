#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Tests the command line and the daemon, in network namespaces of its own.

Knows nothing of FTP: what the programs do to packets is tested elsewhere.
Usage: tests/cli.py [PROGRAM [WORD...]]; speaks TAP. With words, only the tests that have one
of them in their name.
"""
import json
import re
import signal
import socket
import struct
import subprocess
import sys
import time
from pathlib import Path

import cli_advertise  # noqa: F401 (its tests)
import cli_attach  # noqa: F401 (its tests)
import cli_balancer  # noqa: F401 (its tests)
import cli_health  # noqa: F401 (its tests)
import cli_flows  # noqa: F401 (its tests)
import cli_routes  # noqa: F401 (its tests)
import cli_show  # noqa: F401 (its tests)
import cli_xdp  # noqa: F401 (its tests)
from cli_world import (CAPABLE, FTPFIX, NOBODY, PATIENCE, TOP, WORK, World, as_nobody, contains,
                       equal, main, mapped, test, wait_until)


# What needs no daemon ------------------------------------------------------


@test
def help_and_version_need_no_root():
    version = re.search(r"^VERSION := (\S+)", (TOP / "Makefile").read_text(), re.M)[1]
    done = as_nobody("--version")
    equal((done.returncode, done.stdout, done.stderr), (0, f"ftpfix {version}\n", ""), "--version")
    for args in ["--help"], ["run", "--help"], ["set", "--help"], ["show", "--help"], [
            "server", "--help"]:
        done = as_nobody(*args)
        equal((done.returncode, done.stderr), (0, ""), " ".join(args))
        contains(done.stdout, "Usage:", " ".join(args))


@test
def help_and_manual_page_name_every_option():
    text = as_nobody("--help").stdout
    manual = (TOP / "man/ftpfix.8").read_text().replace("\\-", "-")
    for option in ("dev server-dev clients port advertise dns-interval data-ports rewrite server "
                   "forward source client-address toa-kind path xdp max-sessions timeout "
                   "expect-timeout allow fxp listen attach json version "
                   "help vip balance health-interval health-timeout health-rise "
                   "health-fall").split():
        contains(text, f"--{option}", "--help")
        contains(manual, f"Fl -{option}", "the manual page")
    for verb in ("run", "set", "show", "metrics", "server add", "server drain", "server del"):
        contains(text, f"ftpfix {verb}", "--help")
        contains(manual, f"Cm {verb}", "the manual page")
    for word in ("outside inside auto equal-length adjust unasked multiline address low-port "
                 "after-epsv-all foreign dialled toa proxy-v1 proxy-v2 direct stack native "
                 "generic opening established closing control maglev least-connections "
                 "servers").split():
        contains(text, word, "--help")
        contains(manual, f"Cm {word}", "the manual page")


@test
def run_without_root_is_refused():
    done = as_nobody("run", "--dev", "lo")
    equal(done.returncode, 1, "exit status")
    contains(done.stderr, "needs root (CAP_BPF", "stderr")


@test
def command_lines_at_fault_are_refused():
    run = ["run", "--dev", "up0"]
    cases = [
        ([], "is no verb"),
        (["walk"], "'walk' is no verb"),
        (["run"], "no --dev"),
        (["run", "up0"], "'up0' is not expected here"),
        ([*run, "--bogus"], "see ftpfix --help"),
        ([*run, "--forward", "nat", "up1"], "'up1' is not expected here"),
        (["run", "--dev", "up0,up0"], "--dev: up0 is named twice"),
        (["run", "--dev", "a-name-that-is-too-long"], "cannot be the name of an interface"),
        ([*run, "--server-dev", "sv0", "sv0"], "--server-dev: sv0 is named twice"),
        ([*run, "--server-dev", "sv0", "--forward", "none"], "--server-dev: --forward none"),
        ([*run, "--port", "0"], "--port: '0' is no port"),
        ([*run, "--port", "65536"], "--port: '65536' is no port"),
        ([*run, "--port", "+21"], "--port: '+21' is no port"),
        ([*run, "--port", "21", "21"], "--port: 21 is named twice"),
        ([*run, "--port", "21,"], "--port: '' is no port"),
        ([*run, "--data-ports", "2000"], "is no range of ports"),
        ([*run, "--data-ports", "2000-"], "is no range of ports"),
        ([*run, "--data-ports", "3000-2000"], "write 2000-3000"),
        ([*run, "--data-ports", "1023-2000"], "starts below 1024"),
        ([*run, "--data-ports", "2000-65536"], "ends above 65535"),
        ([*run, "--data-ports", "2100-2100", "--port", "2100"], "only control ports"),
        ([*run, "--port", "2100,2101", "--data-ports", "2100-2101"], "only control ports"),
        ([*run, "--advertise", "0.0.0.0"], "names no host"),
        ([*run, "--advertise", "127.0.0.1"], "loopback"),
        ([*run, "--advertise", "224.0.0.1"], "multicast"),
        ([*run, "--advertise", "255.255.255.255"], "broadcast"),
        ([*run, "--advertise", "203.0.113"], "'203.0.113' is no IP address; write it like"),
        ([*run, "--advertise", "2001:db8::g"], "is no IP address"),
        ([*run, "--advertise", "[2001:db8::1]"], "is no IP address"),
        ([*run, "--advertise", "::"], ":: names no host"),
        ([*run, "--advertise", "::1"], "loopback"),
        ([*run, "--advertise", "fe80::1"], "link-local"),
        ([*run, "--advertise", "ff02::1"], "multicast"),
        ([*run, "--advertise", "::ffff:127.0.0.1"], "loopback"),
        ([*run, "--server", "10.0.0.0/33"], "above 32"),
        ([*run, "--server", "10.0.0.1/8"], "write 10.0.0.0/8"),
        ([*run, "--server", "10.0.0.0/"], "no prefix length"),
        ([*run, "--server", "2001:db8::/129"], "above 128; IPv6 has 128 bits"),
        ([*run, "--server", "2001:db8::1/32"], "write 2001:db8::/32"),
        ([*run, "--server", "::/0"], "write 2000::/3 for every global IPv6 address"),
        ([*run, "--server", "::/80"], "name"),
        ([*run, "--server", "fe80::/10"], "link-local"),
        ([*run, "--server", "ff00::/8"], "multicast"),
        ([*run, "--server", "2001:db8::" + "0" * 60], "is no IP address"),
        ([*run, "--server", "224.0.0.0/4", "127.0.0.1"], "loopback"),
        ([*run, "--server", "239.0.0.0/8"], "multicast"),
        ([*run, "--forward", "half"], "--forward: 'half' is not among its words; say none, nat or "
                                      "fullnat"),
        ([*run, "--rewrite", "long"], "say auto, equal-length or adjust"),
        ([*run, "--clients", "between"], "say outside or inside"),
        ([*run, "--clients", "inside", "--forward", "none"],
         "--clients inside: --forward none carries no connection"),
        ([*run, "--clients", "inside", "--forward", "fullnat"], "leave --forward out"),
        ([*run, "--clients", "inside", "--server", "10.0.0.1"], "leave --server out"),
        ([*run, "--clients", "inside", "--clients", "inside"], "--clients: given twice"),
        ([*run, "--allow", "everything"],
         "say unasked, multiline, address, low-port, after-epsv-all or foreign"),
        ([*run, "--allow", "fxp"], "--allow: 'fxp' is not among its words"),
        ([*run, "--fxp", "up1"], "'up1' is not expected here"),
        ([*run, "--expect-timeout", "0"], "no number of seconds from 1 to 3600"),
        ([*run, "--expect-timeout", "3601"], "no number of seconds from 1 to 3600"),
        ([*run, "--dns-interval", "4"], "no number of seconds from 5 to 86400"),
        ([*run, "--dns-interval", "86401"], "no number of seconds from 5 to 86400"),
        ([*run, "--dns-interval", "1m"], "no number of seconds from 5 to 86400"),
        ([*run, "--source", "10.0.0.1"], "--source: --forward nat"),
        ([*run, "--source", "10.0.0.1", "--forward", "none"], "--source: --forward none"),
        ([*run, "--source", "fd00::1"], "--source: --forward nat"),
        ([*run, "--source", "0.0.0.0", "--forward", "fullnat"], "names no host"),
        ([*run, "--listen", "127.0.0.1"], "is no address and port"),
        ([*run, "--listen", "127.0.0.1:0"], "is no port"),
        ([*run, "--listen", "::1:9199"], "has no brackets; write [::1]:9199"),
        ([*run, "--listen", "[::1]"], "is no address and port"),
        ([*run, "--listen", "[::1"], "is no address and port"),
        ([*run, "--listen", ":9199"], "is no IP address"),
        ([*run, "--listen", "localhost:9199"], "is no IP address"),
        ([*run, "--attach", "xdp"], "say tcx or clsact"),
        (["set"], "say set advertise"),
        (["set", "advertise"], "say set advertise"),
        (["set", "colour", "red"], "say set advertise"),
        (["set", "data-ports", "2000-3000", "b"], "say set advertise"),
        (["show", "everything"], "'everything' cannot be shown"),
        (["show", "flows", "sessions"], "'sessions' cannot be shown"),
        (["metrics", "--json"], "see ftpfix --help"),
        (["metrics", "all"], "'all' is not expected here"),
    ]
    for args, text in cases:
        done = subprocess.run([FTPFIX, *args], capture_output=True, text=True)
        equal((done.returncode, done.stdout), (2, ""), " ".join(args))
        contains(done.stderr, text, " ".join(args))


@test
def interfaces_that_cannot_be_are_refused():
    with World() as world:
        before = world.attached()
        world.refused("run", "--dev", "up7", text="--dev up7: no such interface")
        world.refused("run", "--dev", "up0", "--server-dev", "sv7",
                      text="--server-dev sv7: no such interface")
        world.refused("run", "--dev", "lo", text="--dev lo: not an Ethernet interface")
        world.do("ip link property add dev up0 altname uplink")
        world.refused("run", "--dev", "up0", "uplink", text="is named twice")
        equal(world.attached(), before, "attached")


@test
def without_an_instance_the_others_say_so():
    with World() as world:
        for verb in (["show"], ["metrics"], ["set", "advertise", "203.0.113.7"],
                     ["server", "add", "10.0.0.9"]):
            world.refused(*verb, text="no ftpfix runs")
            world.refused(*verb, "--dev", "up0", text="no ftpfix runs on up0")
            world.refused(*verb, "--dev", "up7", text="--dev up7: no such interface")


# The life of a daemon ------------------------------------------------------


@test
def ready_is_said_and_notified():
    with World() as world, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
        path = str(WORK / f"notify-{world.name}")
        notify.bind(path)
        notify.settimeout(PATIENCE)
        daemon = world.run("--dev", "up0", NOTIFY_SOCKET=path)
        contains(notify.recv(4096).decode(), "READY=1", "first notification")
        equal(daemon.end(), 0, "exit status")
        contains(notify.recv(4096).decode(), "STOPPING=1", "last notification")


def lives_and_ends(number, how):
    with World() as world:
        if how == "tcx":
            world.all_tcx()
        before = world.attached()
        daemon = world.run("--dev", "up0", "--server-dev", "sv0", "--attach", how)
        assert world.attached() != before, "nothing attached"
        equal(daemon.end(number), 0, "exit status")
        equal(world.attached(), before, "left behind")


@test
def sigterm_detaches_tcx():
    lives_and_ends(signal.SIGTERM, "tcx")


@test
def sigint_detaches_tcx():
    lives_and_ends(signal.SIGINT, "tcx")


@test
def sigterm_detaches_clsact():
    lives_and_ends(signal.SIGTERM, "clsact")


@test
def sigint_detaches_clsact():
    lives_and_ends(signal.SIGINT, "clsact")


@test
def sighup_detaches_clsact():
    lives_and_ends(signal.SIGHUP, "clsact")


@test
def nohup_outlives_its_terminal():
    with World() as world:
        daemon = world.run("--dev", "up0", prefix=("nohup",))
        daemon.process.send_signal(signal.SIGHUP)
        time.sleep(1)
        equal((daemon.process.poll(), len(world.service()["devices"])), (None, 1), "what it does")
        equal(daemon.end(), 0, "exit status")


@test
def a_second_instance_on_an_interface_is_refused():
    with World() as world:
        daemon = world.run("--dev", "up0", "--server-dev", "sv0")
        attached = world.attached()
        for args in (["--dev", "up0"], ["--dev", "sv0"], ["--dev", "up1", "--server-dev", "up0"]):
            device = args[-1]
            world.refused("run", *args, "--listen", "127.0.0.1:9200",
                          text=f"another ftpfix (pid {daemon.pid}) runs on {device}")
        world.do("ip link set up0 down")
        world.do("ip link set up0 name renamed0")
        world.refused("run", "--dev", "renamed0", "--listen", "127.0.0.1:9200",
                      text=f"another ftpfix (pid {daemon.pid}) runs on renamed0")
        world.do("ip link set renamed0 name up0")
        equal(world.attached(), attached, "programs of the first")


@test
def a_stranger_who_holds_the_socket_is_named():
    with World() as world:
        code = ("import socket, sys; s = socket.socket(socket.AF_UNIX); "
                "s.bind('\\0ftpfix/%d' % socket.if_nametoindex('up0')); s.listen(); "
                "print('bound', flush=True); sys.stdin.read()")
        stranger = subprocess.Popen(world.enter(*NOBODY, "/usr/bin/python3", "-c", code),
                                    stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        try:
            equal(stranger.stdout.readline(), b"bound\n", "the stranger")
            world.refused("run", "--dev", "up0", text=f"pid {stranger.pid} of user 65534")
            for dev in [], ["--dev", "up0"]:
                world.refused("show", *dev, text=f"pid {stranger.pid} of user 65534 holds the "
                                                 "socket for up0, and may be no ftpfix; if it is "
                                                 "one, ask it as that user (sudo -u '#65534')")
        finally:
            stranger.stdin.close()
            stranger.wait(PATIENCE)
            stranger.stdout.close()


@test
def an_instance_on_many_interfaces_is_asked():
    with World() as world:
        names = [f"many{i}" for i in range(12)]
        for name in names:
            world.do(f"ip link add {name} type veth peer name peer-{name}")
        daemon = world.run("--dev", *names, "--xdp", "off")

        def sockets():
            return world.do("cat /proc/self/net/unix").count(" @ftpfix/")
        listening = sockets()
        # It is busy while it is looked for, and hears of all who connect at once.
        daemon.process.send_signal(signal.SIGSTOP)
        asker = subprocess.Popen(world.enter(FTPFIX, "show", "servers"), stdout=subprocess.PIPE,
                                 stderr=subprocess.PIPE, text=True)
        wait_until(lambda: sockets() >= 2 * listening, "all sockets are connected to")
        daemon.process.send_signal(signal.SIGCONT)
        equal(asker.communicate(timeout=PATIENCE), ("none\n", ""), "show")


@test
def an_instance_of_another_user_is_asked_as_that_user():
    with World() as world:
        daemon = world.run("--dev", "up0", prefix=CAPABLE)
        for dev in [], ["--dev", "up0"]:
            world.refused("show", *dev, text=f"pid {daemon.pid} of user 65534 holds the socket")
            equal(world.ftpfix("show", *dev, prefix=NOBODY).returncode, 0, "show as its user")
        world.refused("run", "--dev", "up0", text=f"pid {daemon.pid} of user 65534 holds the "
                                                  "socket for up0, an ftpfix or not; end it")


@test
def a_listen_address_that_is_taken_is_refused():
    with World() as world:
        world.run("--dev", "up0")
        before = world.attached(), world.tc("up1")
        world.refused("run", "--dev", "up1", "--server-dev", "sv1",
                      text="--listen 127.0.0.1:9199: cannot listen there: Address already in use")
        world.refused("run", "--dev", "up1", "--server-dev", "sv1", "--listen", "192.0.2.1:9199",
                      text="no interface that is up has this address")
        equal((world.attached(), world.tc("up1")), before, "what is attached")


@test
def several_instances_are_told_apart():
    with World() as world:
        first = world.run("--dev", "up0", "--server-dev", "sv0")
        second = world.run("--dev", "up1", "--server-dev", "sv1", "--listen", "127.0.0.1:9200")
        for verb in ["show"], ["metrics"], ["set", "data-ports", "2000-3000"]:
            world.refused(*verb, text="2 instances run; choose one with --dev")
        done = world.ftpfix("show")
        for daemon, names in (first, "up0,sv0"), (second, "up1,sv1"):
            line = next(i for i in done.stderr.splitlines() if f"pid {daemon.pid} on" in i)
            equal(sorted(line.split()[-1].split(",")), sorted(names.split(",")), "its interfaces")
        equal(world.ftpfix("set", "data-ports", "2000-3000", "--dev", "sv1").returncode, 0, "set")
        ports = [world.show("services", "--dev", device)["services"][0]["data_port_low"]
                 for device in ("up0", "up1")]
        equal(ports, [1024, 2000], "lowest data ports")


# Settings ------------------------------------------------------------------


def service_value(low=1024, high=65535, forward=1, rewrite=0, allowed=0):
    return struct.pack("=HHIII", low, high, forward, rewrite, allowed)


def sources(daemon):
    """The addresses of each family in the map of sources, as many as its count says."""
    addresses = dict(daemon.maps("sources"))
    return [[addresses[struct.pack("=I", family * 256 + number)] for number in range(count)]
            for family, count in enumerate(daemon.variables()["source_count"])]


PRIVATE = {("10.0.0.0", 104), ("172.16.0.0", 108), ("192.168.0.0", 112), ("100.64.0.0", 106),
           ("fc00::", 7)}


@test
def defaults_are_written_into_the_maps():
    with World() as world:
        daemon = world.run("--dev", "up0")
        equal(daemon.maps("services"), [(struct.pack("=I", 21), service_value())], "services")
        equal(sorted(daemon.maps("servers")),
              sorted((struct.pack("=I", length) + mapped(address), struct.pack("=I", 0))
                     for address, length in PRIVATE), "servers")
        equal(daemon.maps("advertise"), [], "advertise")
        equal(sources(daemon), [[], []], "sources")
        equal(daemon.variables()["data_ports"], 1024 << 16 | 65535, "the range")
        constants = daemon.constants()
        equal((constants["clients_inside"], constants["servers_configured"],
               constants["expectation_ns"]), (0, 0, 60 * 10**9), "constants")


@test
def options_are_written_into_the_maps():
    with World() as world:
        daemon = world.run(
            "--dev", "up0", "up1", "--port", "21", "2100", "--port", "2121,65535", "--advertise",
            "198.51.100.1", "--data-ports", "20000-29999", "--server", "10.1.0.0/16,10.2.0.3",
            "2001:db8:0::/48", "--server-dev", "sv0", "--forward", "fullnat", "--source",
            "10.0.0.1", "FD00:0::1", "--rewrite", "adjust", "--allow", "unasked,foreign", "--fxp",
            "--expect-timeout", "90", "--listen", "0.0.0.0:9300")
        value = service_value(20000, 29999, 2, 2, 1 | 32 | 64)
        equal(sorted(daemon.maps("services")),
              sorted((struct.pack("=I", port), value) for port in (21, 2100, 2121, 65535)),
              "services")
        equal(sorted(daemon.maps("servers")),
              sorted((struct.pack("=I", length) + mapped(address), struct.pack("=I", 1))
                     for address, length in (("10.1.0.0", 112), ("10.2.0.3", 128),
                                             ("2001:db8::", 48))), "servers")
        equal(sources(daemon), [[mapped("10.0.0.1")], [mapped("fd00::1")]], "sources")
        constants = daemon.constants()
        equal((constants["servers_configured"], constants["expectation_ns"]), (1, 90 * 10**9),
              "constants")
        equal(world.get("/metrics", port=9300)[0], 200, "status of /metrics")
        services = world.show("services")["services"]
        equal([service["port"] for service in services], [21, 2100, 2121, 65535], "ports shown")
        expected = {"clients": "outside", "forward": "fullnat", "rewrite": "adjust",
                    "allowed": ["unasked", "foreign", "fxp"], "advertise": ["198.51.100.1"],
                    "advertise_map": {"0.0.0.0/0": "198.51.100.1"}, "data_port_low": 20000,
                    "data_port_high": 29999, "expect_seconds": 90,
                    "source": ["10.0.0.1", "fd00::1"], "devices": ["up0", "up1"],
                    "server_devices": ["sv0"],
                    "servers": ["10.1.0.0/16", "10.2.0.3/32", "2001:db8::/48"],
                    "servers_named": True}
        equal({key: services[0][key] for key in expected}, expected, "service shown")


@test
def every_rule_that_is_lifted_has_its_bit():
    words = ["unasked", "multiline", "address", "low-port", "after-epsv-all", "foreign"]
    with World() as world:
        for number, word in enumerate(words):
            daemon = world.run("--dev", "up0", "--allow", word, "--rewrite", "equal-length")
            equal(daemon.maps("services")[0][1], service_value(rewrite=1, allowed=1 << number),
                  f"services with --allow {word}")
            equal(world.service()["allowed"], [word], "what is shown")
            daemon.end()
        daemon = world.run("--dev", "up0", "--allow", *words, "--fxp", "--fxp")
        equal(daemon.maps("services")[0][1], service_value(allowed=127), "all of them")


@test
def metrics_are_served_over_ipv6():
    with World() as world:
        daemon = world.run("--dev", "up0", "--listen", "[::1]:9199")
        equal(world.get("/metrics", host="::1")[0], 200, "status of /metrics")
        daemon.end()
        daemon = world.run("--dev", "up0", "--listen", "[::]:9199")
        for host in "::1", "127.0.0.1":
            equal(world.get("/metrics", host=host)[0], 200, f"status of /metrics at {host}")
        world.refused("run", "--dev", "up1", "--server-dev", "sv1", "--listen", "[::]:9199",
                      text="--listen [::]:9199: cannot listen there: Address already in use")


@test
def set_changes_the_next_announcement():
    with World() as world:
        daemon = world.run("--dev", "up0", "--port", "21,2100")
        whole = struct.pack("=I", 96) + mapped("0.0.0.0")
        for words, low, high, advertised in (
                (["advertise", "198.51.100.9"], 1024, 65535, "198.51.100.9"),
                (["data-ports", "3000-3999"], 3000, 3999, "198.51.100.9"),
                (["advertise", "dialled"], 3000, 3999, None)):
            done = world.ftpfix("set", *words)
            equal((done.returncode, done.stdout, done.stderr), (0, "", ""), f"set {words}")
            equal(sorted(daemon.maps("services")),
                  [(struct.pack("=I", port), service_value(low=low, high=high))
                   for port in (21, 2100)], f"services after set {words}")
            equal(daemon.maps("advertise"), [(whole, mapped(advertised))] if advertised else [],
                  f"advertise after set {words}")
            service = world.service()
            equal((service["advertise"], service["data_port_low"], service["data_port_high"]),
                  ([advertised or "dialled"], low, high), f"shown after set {words}")
            equal(daemon.variables()["data_ports"], low << 16 | high, f"range after set {words}")


@test
def a_setting_that_cannot_be_changes_nothing():
    with World() as world:
        daemon = world.run("--dev", "up0", "--port", "2100", "--advertise", "198.51.100.9")
        before = daemon.maps("services"), daemon.maps("advertise")
        for words, text in ((["advertise", "0.0.0.0"], "names no host"),
                            (["advertise", "\x1b[31m\xff"], "is no IP address"),
                            (["advertise", "198.51.100.7", "198.51.100.8"], "both are for"),
                            (["advertise", "198.51.100.7,"], "'' is no IP address"),
                            (["data-ports", "3000-2000"], "write 2000-3000"),
                            (["data-ports", "80-90"], "starts below 1024"),
                            (["data-ports", "1024-65536"], "ends above 65535"),
                            (["data-ports", "2100-2100"], "only control ports")):
            world.refused("set", *words, text=text)
            equal((daemon.maps("services"), daemon.maps("advertise")), before,
                  f"after set {words}")
        done = world.ftpfix("set", "data-ports", "80-90", prefix=NOBODY)
        equal(done.returncode, 1, "set by a user")
        contains(done.stderr, "only root may ask it", "set by a user")
        equal(daemon.maps("services"), before[0], "after set by a user")


# The interfaces toward the servers -----------------------------------------


def chosen(routes, *args):
    with World() as world:
        for route in routes:
            world.do(f"ip {route}")
        world.run("--dev", "up0", *args)
        return sorted(world.service()["server_devices"])


@test
def the_server_side_follows_the_routes():
    default = "route add default via 203.0.113.1"
    far = "route add 172.20.0.0/16 via 10.0.0.9"
    also = "addr add 192.168.7.1/24 dev sv1"
    both = ("route add 198.18.0.0/24 nexthop via 10.0.0.9 dev sv0 "
            "nexthop via 192.168.7.9 dev sv1")
    for routes, args, expected in (
            ([], [], ["sv0"]),
            ([default], [], ["sv0"]),
            ([default, also], [], ["sv0", "sv1"]),
            ([default, also], ["--server", "10.0.0.0/24"], ["sv0"]),
            ([default, also], ["--server", "10.0.0.7", "192.168.7.0/24"], ["sv0", "sv1"]),
            # Reached by the default route alone: one arm.
            ([default], ["--server", "198.51.100.7"], ["up0"]),
            ([default], ["--server", "198.51.100.7,10.0.0.7"], ["sv0", "up0"]),
            ([default, "addr del 10.0.0.1/24 dev sv0"], [], ["up0"]),
            # Of two routes to a server the longer one counts.
            ([far, also, "route add 172.20.5.0/24 via 192.168.7.9"],
             ["--server", "172.20.5.5"], ["sv1"]),
            ([far, also, "route add 172.20.5.0/24 via 192.168.7.9"],
             ["--server", "172.20.0.0/16"], ["sv0", "sv1"]),
            ([also, both], ["--server", "198.18.0.5"], ["sv0", "sv1"]),
            ([also, "route add 198.18.0.0/24 via 192.168.7.9 table 77"],
             ["--server", "198.18.0.5"], ["sv1"]),
            # IPv6: unique local addresses are private ones; a default route of one
            # family leads to no server of the other.
            (["addr add fd00:7::1/64 dev sv1"], [], ["sv0", "sv1"]),
            (["addr add fd00:7::1/64 dev sv1"], ["--server", "fd00:7::/64"], ["sv1"]),
            (["addr add 2001:db8:7::1/64 dev sv1"], [], ["sv0"]),
            (["addr add 2001:db8:7::1/64 dev sv1", "-6 route add default via 2001:db8:7::9"],
             ["--server", "2001:db8:8::8", "10.0.0.7"], ["sv0", "sv1"]),
            ([default, "addr add fd00:7::1/64 dev sv1", "addr add fd00:8::1/64 dev sv0",
              "-6 route add 2001:db8:8::/64 nexthop via fd00:7::9 nexthop via fd00:8::9"],
             ["--server", "2001:db8:8::/64"], ["sv0", "sv1"])):
        equal(chosen(routes, *args), expected, f"routes {routes}, {args}")


@test
def without_a_route_the_server_side_must_be_named():
    with World() as world:
        before = world.attached()
        world.refused("run", "--dev", "up0", "--server", "198.51.100.7",
                      text="name the interface toward them with --server-dev")
        world.do("ip addr add 2001:db8:7::1/64 dev sv1")
        world.do("ip -6 route add default via 2001:db8:7::9")
        world.refused("run", "--dev", "up0", "--server", "198.51.100.7",
                      text="name the interface toward them with --server-dev")
        world.do("ip route add 198.51.100.7 dev lo")
        world.refused("run", "--dev", "up0", "--server", "198.51.100.7",
                      text="name the interface toward them with --server-dev")
        equal(world.attached(), before, "attached")


@test
def clients_inside_take_two_arms():
    with World() as world:
        before = world.attached()
        inside = ["run", "--clients", "inside", "--dev", "up0"]
        world.refused(*inside, "--server-dev", "sv0", "up0",
                      text="--clients inside: up0 is both --dev and --server-dev")
        world.do("ip link property add dev up0 altname uplink")
        world.refused(*inside, "--server-dev", "uplink",
                      text="up0 is both --dev and --server-dev")
        world.do("ip addr del 10.0.0.1/24 dev sv0")
        world.do("ip addr add 10.9.0.1/24 dev up0")
        world.refused(*inside, text="no route leads to the clients over another Ethernet interface")
        equal(world.attached(), before, "attached")


@test
def clients_inside_are_where_the_private_addresses_are():
    with World() as world:
        world.do("ip addr add 10.9.0.1/24 dev up0")
        world.do("ip addr add fd00:7::1/64 dev sv1")
        daemon = world.run("--clients", "inside", "--dev", "up0")
        contains(daemon.log(), "toward the clients, by the routes:", "log")
        equal(sorted(world.service()["server_devices"]), ["sv0", "sv1"], "inside")
        equal(world.service()["clients"], "inside", "what is shown")
        equal(daemon.constants()["clients_inside"], 1, "the constant")


# Hostile and idle askers ---------------------------------------------------


@test
def the_control_socket_takes_nonsense():
    with World() as world:
        world.run("--dev", "up0")
        for data in (b"\n", b"nonsense\n", b"[]\n", b"{}\n", b'{"verb": 1}\n', b'{"verb":"x"}\n',
                     b'{"verb":"set"}\n', b'{"verb":"set","advertise":7}\n',
                     b'{"verb":"set","advertise":[]}\n', b'{"verb":"set","advertise":[7]}\n',
                     b'{"verb":"set","advertise":["a",{}]}\n',
                     b'{"verb":"set","advertise":"203.0.113.5"}\n', b"[" * 4000 + b"\n",
                     b'{"verb":"show"}{"verb":"show"}\n'):
            answer = json.loads(world.control(data))
            equal(list(answer), ["error"], f"answer to {data[:40]!r}")
        equal(world.control(b"x" * 100000), b"", "answer to a request without end")
        equal(world.service()["port"], 21, "afterwards")


@test
def askers_who_say_nothing_block_nobody():
    with World() as world:
        world.run("--dev", "up0")

        def connect(address):
            silent = socket.socket(address[0])
            silent.settimeout(10)
            silent.connect(address[1])
            return silent
        index = world.inside(lambda: socket.if_nametoindex("up0"))
        silent = [world.inside(lambda: connect((socket.AF_UNIX, f"\0ftpfix/{index}")))
                  for _ in range(4)]
        silent += [world.inside(lambda: connect((socket.AF_INET, ("127.0.0.1", 9199))))
                   for _ in range(4)]
        try:
            equal(world.get("/metrics")[0], 200, "status of /metrics")
            equal(world.service()["port"], 21, "show")
        finally:
            for asker in silent:
                asker.close()


@test
def a_user_is_not_answered():
    with World() as world:
        world.run("--dev", "up0")
        for verb in ["show"], ["metrics"]:
            done = world.ftpfix(*verb, prefix=NOBODY)
            equal((done.returncode, done.stdout), (1, ""), f"{verb} by a user")
        equal(world.ftpfix("show").returncode, 0, "show by root")


@test
def privileges_are_given_up():
    with World() as world:
        daemon = world.run("--dev", "up0")
        status = Path(f"/proc/{daemon.pid}/status").read_text()
        effective = int(re.search(r"^CapEff:\s*(\w+)", status, re.M)[1], 16)
        # include/uapi/linux/capability.h: NET_ADMIN 12, PERFMON 38, BPF 39.
        equal(effective, 1 << 12 | 1 << 38 | 1 << 39, "effective capabilities")


if __name__ == "__main__":
    sys.exit(main())
