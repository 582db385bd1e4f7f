# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The part of tests/cli.py about --advertise: the map, interfaces and names.

Knows the layout of the map's entries, on its own, and nothing of packets.
"""
import re
import signal
import socket
import struct
import subprocess
import time
from pathlib import Path

from cli_world import (FTPFIX, PATIENCE, WORK, Skipped, World, contains, equal, mapped, test,
                       wait_until)

EVERYONE = {"0.0.0.0/0": "203.0.113.5", "::/0": "2001:db8::5"}


def advertised(daemon):
    """The map as {prefix: address}, read without the help of ftpfix; None: as dialled."""
    found = {}
    for key, value in daemon.maps("advertise"):
        length, address = struct.unpack("=I16s", key)
        ipv4 = length >= 96 and address.startswith(mapped("0.0.0.0")[:12])
        prefix = f"{text(address)}/{length - 96 if ipv4 else length}"
        found[prefix] = None if value == bytes(16) else text(value)
    return found


def text(address):
    if address.startswith(mapped("0.0.0.0")[:12]):
        return socket.inet_ntoa(address[12:])
    return socket.inet_ntop(socket.AF_INET6, address)


def lines(daemon, part):
    return [line for line in daemon.log().splitlines() if part in line]


@test
def rules_that_contradict_each_other_are_refused():
    run = ["run", "--dev", "up0", "--advertise"]
    for rules, problem in (
            (["203.0.113.5", "203.0.113.6"],
             "--advertise: 203.0.113.5 and 203.0.113.6 both are for 0.0.0.0/0; leave one of them "
             "out, or put another NET= before it"),
            (["2001:db8::5,2001:db8::6"], "2001:db8::5 and 2001:db8::6 both are for ::/0"),
            (["203.0.113.5", "0.0.0.0/0=203.0.113.6"], "both are for 0.0.0.0/0"),
            (["dev:up0", "203.0.113.6"], "dev:up0 and 203.0.113.6 both are for 0.0.0.0/0"),
            (["2001:db8::5", "dns:a.example"], "2001:db8::5 and dns:a.example both are for ::/0"),
            (["dialled", "203.0.113.6"], "dialled and 203.0.113.6 both are for 0.0.0.0/0"),
            (["10.0.0.0/8=203.0.113.5", "10.0.0.0/8=dialled"],
             "10.0.0.0/8=203.0.113.5 and 10.0.0.0/8=dialled both are for 10.0.0.0/8"),
            (["10.0.0.1=203.0.113.5", "::ffff:10.0.0.1=dev:up0"], "both are for 10.0.0.1/32"),
            (["10.0.0.0/8=2001:db8::5"],
             "2001:db8::5 is an IPv6 address, which clients of an IPv4 prefix cannot dial; name "
             "an IPv4 address"),
            (["2001:db8::/32=203.0.113.5"], "203.0.113.5 is an IPv4 address, which clients of an"),
            (["10.0.0.1/8=203.0.113.5"], "write 10.0.0.0/8"),
            (["=203.0.113.5"], "'' is no IP address"),
            (["x" * 99 + "=203.0.113.5"], "has no prefix before its '='"),
            (["10.0.0.0/8="], "'' is no IP address"),
            (["10.0.0.0/8=10.0.0.0/8=203.0.113.5"], "is no IP address"),
            (["dev:"], "'' cannot be the name of an interface"),
            (["dev:a-name-that-is-too-long"], "cannot be the name of an interface"),
            (["dev:a\x1b[31m"], "cannot be the name of an interface"),
            (["dns:"], "'' cannot be the name of a host"),
            (["dns:a b"], "cannot be the name of a host"),
            (["dns:" + "a" * 254], "cannot be the name of a host"),
            ([f"10.0.0.{i}=dns:a{i}" for i in range(33)], "more than 32 dns: names"),
            ([f"10.0.{i // 256}.{i % 256}=203.0.113.5" for i in range(1024)], "more than 1023")):
        done = subprocess.run([FTPFIX, *run, *rules], capture_output=True, text=True)
        equal((done.returncode, done.stdout), (2, ""), f"--advertise {rules[:3]}")
        contains(done.stderr, problem, f"--advertise {rules[:3]}")


@test
def rules_are_written_into_the_map():
    with World() as world:
        daemon = world.run("--dev", "up0", "--advertise", "203.0.113.5,10.0.0.0/8=10.0.0.1",
                           "2001:DB8:0::5", "--advertise", "10.7.0.0/16=dialled",
                           "192.0.2.7=198.51.100.7", "2001:db8:8::/48=2001:db8:8::1",
                           "::/1=dialled")
        expected = {**EVERYONE, "10.0.0.0/8": "10.0.0.1", "10.7.0.0/16": None,
                    "192.0.2.7/32": "198.51.100.7", "2001:db8:8::/48": "2001:db8:8::1",
                    "::/1": None}
        equal(advertised(daemon), expected, "the map")
        service = world.service()
        equal(service["advertise_map"], expected, "the map as it is shown")
        equal(service["advertise"],
              ["203.0.113.5", "10.0.0.0/8=10.0.0.1", "2001:db8::5", "10.7.0.0/16=dialled",
               "192.0.2.7/32=198.51.100.7", "2001:db8:8::/48=2001:db8:8::1", "::/1=dialled"],
              "the rules as they are shown")
        contains(world.ftpfix("show", "services").stdout, "10.0.0.0/8=10.0.0.1", "table")
        for line in ('net="10.0.0.0/8",source="10.0.0.1",address="10.0.0.1"',
                     'net="10.7.0.0/16",source="dialled",address=""'):
            contains(world.get("/metrics")[2], f"\nftpfix_advertise_info{{{line}}} 1\n", "metrics")


@test
def set_advertise_puts_other_rules_in_their_place():
    with World() as world:
        daemon = world.run("--dev", "up0", "--advertise", "203.0.113.5", "10.0.0.0/8=10.0.0.1")
        for words, expected in (
                (["2001:db8::5", "203.0.113.5,10.0.0.0/8=10.0.0.2"],
                 {**EVERYONE, "10.0.0.0/8": "10.0.0.2"}),
                (["10.0.0.0/8=dialled"], {"10.0.0.0/8": None}),
                (["dev:up0"], {"0.0.0.0/0": "203.0.113.5"}),
                (["dialled"], {})):
            done = world.ftpfix("set", "advertise", *words)
            equal((done.returncode, done.stdout, done.stderr), (0, "", ""), f"set {words}")
            equal(advertised(daemon), expected, f"the map after set {words}")
        full = [f"10.{i // 256}.{i % 256}.0/24=203.0.113.5" for i in range(1023)]
        for rules in full, [rule.replace("=203.0.113.5", "=dialled") for rule in full], [
                rule.replace("10.", "11.", 1) for rule in full]:
            equal(world.ftpfix("set", "advertise", *rules).returncode, 0, "as many as there may be")
            equal(len(advertised(daemon)), 1023, "entries of the map")
        assert "11.0.0.0/24" in advertised(daemon), "the last rules are not those of the map"


# Interfaces ----------------------------------------------------------------


def becomes(daemon, expected, what):
    try:
        wait_until(lambda: advertised(daemon) == expected, what, 10)
    except AssertionError as error:
        raise AssertionError(f"{error}; the map is {advertised(daemon)}") from None


@test
def the_address_of_an_interface_is_followed():
    with World() as world:
        world.do("ip link add wan0 type veth peer name wan1")
        world.do("ip link set wan0 up")
        daemon = world.run("--dev", "up0", "--advertise", "dev:wan0", "10.0.0.0/8=dev:wan0",
                           "10.7.0.0/16=203.0.113.5")
        fixed = {"10.7.0.0/16": "203.0.113.5"}
        none = {**fixed, "10.0.0.0/8": None}
        equal(advertised(daemon), none, "the map without an address")
        equal(len(lines(daemon, "advertise dev:wan0: has no address: clients are told the one "
                                "that they dialled")), 1, "lines of the log")
        world.do("ip addr add 169.254.1.1/16 dev wan0 scope link")
        world.do("ip addr add 198.51.100.8/24 dev wan0 preferred_lft 0 valid_lft 1000")
        world.do("ip addr add 198.51.100.9/24 dev wan0 preferred_lft 500 valid_lft 1000")
        world.do("ip addr del 198.51.100.8/24 dev wan0")
        world.do("ip addr add 192.0.2.9/24 dev wan0")
        becomes(daemon, {**none, "0.0.0.0/0": "192.0.2.9", "10.0.0.0/8": "192.0.2.9"},
                "an address of the interface")
        equal(lines(daemon, "198.51.100.8"), [], "lines about a deprecated address")
        contains(daemon.log(), "ftpfix: advertise dev:wan0: 192.0.2.9 from now on\n", "log")
        equal(world.service()["advertise_map"]["0.0.0.0/0"], "192.0.2.9", "what is shown")
        # A lease of another network: the new address comes, then the old one goes.
        world.do("ip addr add 198.51.100.20/24 dev wan0")
        world.do("ip addr del 192.0.2.9/24 dev wan0")
        changed = {**fixed, "0.0.0.0/0": "198.51.100.20", "10.0.0.0/8": "198.51.100.20"}
        becomes(daemon, changed, "the address after a change")
        world.do("ip -6 addr add fd00:7::1/64 dev wan0 nodad")
        becomes(daemon, {**changed, "::/0": "fd00:7::1"}, "a unique local address")
        world.do("ip -6 addr add 2001:db8:7::1/64 dev wan0 nodad")
        becomes(daemon, {**changed, "::/0": "2001:db8:7::1"}, "a global address beside it")
        world.do("ip -6 addr change 2001:db8:7::1/64 dev wan0 preferred_lft 0 valid_lft 1000")
        becomes(daemon, {**changed, "::/0": "fd00:7::1"}, "once it is deprecated")
        world.do("ip addr flush dev wan0 scope global")
        becomes(daemon, none, "the map once all are gone")
        contains(daemon.log(), "advertise dev:wan0: has no IPv6 address: clients are told the one "
                               "that they dialled", "log")


@test
def an_interface_may_come_and_go():
    with World() as world:
        daemon = world.run("--dev", "up0", "--advertise", "dev:ppp0")
        equal(advertised(daemon), {}, "the map without the interface")
        for address in "192.0.2.9", "192.0.2.10":
            world.do("ip link add ppp0 type veth peer name ppp1")
            world.do(f"ip addr add {address}/24 dev ppp0")
            becomes(daemon, {"0.0.0.0/0": address}, "the interface that came")
            world.do("ip link del ppp0")
            becomes(daemon, {}, "the interface that went")


@test
def an_interface_may_take_the_name():
    with World() as world:
        daemon = world.run("--dev", "up0", "--advertise", "dev:ppp0")
        world.do("ip -6 addr add 2001:db8:7::1/64 dev up1 nodad")
        # Neither this address nor the end of the detection of duplicates tells of the name.
        wait_until(lambda: not world.do("ip -6 addr show tentative"), "usable addresses")
        time.sleep(0.5)
        done = subprocess.run(world.enter("ip", "link", "set", "up1", "name", "ppp0"),
                              capture_output=True, text=True)
        if done.returncode:
            raise Skipped(f"kernel that renames no interface that is up: {done.stderr.strip()}")
        becomes(daemon, {"::/0": "2001:db8:7::1"}, "the interface that took the name")


@test
def of_several_addresses_a_fit_one_is_taken():
    for address, fit in (("192.0.2.9/24", True), ("192.0.2.9/24 scope link", False),
                         ("192.0.2.9/24 preferred_lft 0 valid_lft 1000", False),
                         ("192.0.2.9 peer 198.51.100.1", True)):
        with World() as world:
            world.do(f"ip addr add {address} dev sv1")
            daemon = world.run("--dev", "up0", "--advertise", "dev:sv1")
            equal(advertised(daemon), {"0.0.0.0/0": "192.0.2.9"} if fit else {}, address)
    with World() as world:
        # The kernel names the newest first.
        for address in "2001:db8:7::1", "fd00:7::1":
            world.do(f"ip -6 addr add {address}/64 dev sv1 nodad")
        daemon = world.run("--dev", "up0", "--advertise", "dev:sv1")
        equal(advertised(daemon), {"::/0": "2001:db8:7::1"}, "a unique local address is newer")
    with World() as world:
        # Tentative: duplicate address detection takes longer than this test.
        world.do("sysctl -qw net.ipv6.conf.sv1.dad_transmits=100")
        world.do("ip -6 addr add 2001:db8:7::1/64 dev sv1")
        daemon = world.run("--dev", "up0", "--advertise", "dev:sv1")
        contains(world.do("ip -6 addr show dev sv1 tentative"), "2001:db8:7::1", "ip addr")
        equal(advertised(daemon), {}, "the map with a tentative address")


# Names ---------------------------------------------------------------------


class Resolver:
    """Files of its own under /etc, for one daemon alone."""

    def __init__(self, sources="files"):
        self.directory = WORK / f"etc-{time.monotonic_ns()}"
        self.directory.mkdir()
        (self.directory / "nsswitch.conf").write_text(f"hosts: {sources}\n")
        (self.directory / "resolv.conf").write_text("nameserver 127.0.0.1\n")
        self.hosts = self.directory / "hosts"
        self.hosts.write_bytes(bytes(4096))
        self.write({})

    def write(self, names):
        """In one piece, so that nobody reads a half of it."""
        content = "".join(f"{address} {name}\n" for name, addresses in names.items()
                          for address in addresses.split())
        with open(self.hosts, "r+b", buffering=0) as file:
            file.write(content.encode().ljust(4096, b"\n"))

    def prefix(self):
        mounts = " && ".join(f"mount --bind {self.directory}/{name} /etc/{name}"
                             for name in ("nsswitch.conf", "resolv.conf", "hosts"))
        return ["unshare", "--mount", "sh", "-c", f'{mounts} && exec "$@"', "sh"]


@test
def names_are_looked_up_again():
    resolver = Resolver()
    resolver.write({"ftp.example": "198.51.100.5 2001:db8::5", "other.example": "192.0.2.1"})
    with World() as world:
        daemon = world.run("--dev", "up0", "--dns-interval", "5", "--advertise",
                           "dns:ftp.example", "10.0.0.0/8=dns:other.example",
                           prefix=resolver.prefix())
        first = {"0.0.0.0/0": "198.51.100.5", "::/0": "2001:db8::5", "10.0.0.0/8": "192.0.2.1"}
        becomes(daemon, first, "the first answers")
        equal(world.service()["advertise_map"], first, "the map as it is shown")
        contains(daemon.log(), "advertise 10.0.0.0/8=dns:other.example: 192.0.2.1 from now on\n",
                 "log")
        # The first is no better than that which was chosen before.
        resolver.write({"ftp.example": "198.51.100.4 198.51.100.5", "other.example": "192.0.2.2"})
        becomes(daemon, {"0.0.0.0/0": "198.51.100.5", "10.0.0.0/8": "192.0.2.2"}, "the second")
        contains(daemon.log(), "advertise dns:ftp.example: has no IPv6 address", "log")
        resolver.write({"ftp.example": "127.0.0.1", "other.example": "192.0.2.2"})
        wait_until(lambda: "cannot be looked up" in daemon.log(), "the failure")
        time.sleep(11)  # two more
        failures = lines(daemon, "dns:ftp.example: cannot be looked up")
        equal(len(failures), 1, "lines about the failure")
        contains(failures[0], "its last address stays, and it is asked for again every 5 seconds",
                 "the line about the failure")
        equal(advertised(daemon), {"0.0.0.0/0": "198.51.100.5", "10.0.0.0/8": "192.0.2.2"},
              "the map after failures")
        resolver.write({"ftp.example": "203.0.113.9", "other.example": "192.0.2.2"})
        becomes(daemon, {"0.0.0.0/0": "203.0.113.9", "10.0.0.0/8": "192.0.2.2"}, "the last")
        contains(daemon.log(), "dns:ftp.example: is found again", "log")


@test
def a_name_that_is_known_stays_when_rules_are_set():
    resolver = Resolver()
    resolver.write({"ftp.example": "203.0.113.5"})
    with World() as world:
        daemon = world.run("--dev", "up0", "--advertise", "dns:ftp.example",
                           prefix=resolver.prefix())
        becomes(daemon, {"0.0.0.0/0": "203.0.113.5"}, "the first answer")
        resolver.write({})
        for words, expected in (
                (["dns:ftp.example", "10.0.0.0/8=dns:ftp.example"],
                 {"0.0.0.0/0": "203.0.113.5", "10.0.0.0/8": "203.0.113.5"}),
                (["2001:db8::/32=dns:ftp.example"], {"2001:db8::/32": None})):
            equal(world.ftpfix("set", "advertise", *words).returncode, 0, f"set {words}")
            equal(advertised(daemon), expected, f"the map after set {words}")
        # A rule that is new is looked up at once.
        resolver.write({"new.example": "192.0.2.7"})
        equal(world.ftpfix("set", "advertise", "dns:new.example").returncode, 0, "set")
        becomes(daemon, {"0.0.0.0/0": "192.0.2.7"}, "the answer for the new name")


def children(daemon):
    return Path(f"/proc/{daemon.pid}/task/{daemon.pid}/children").read_text().split()


def is_gone(pid):
    return not Path(f"/proc/{pid}").exists()


@test
def a_resolver_that_is_silent_stops_nobody():
    for number in signal.SIGTERM, signal.SIGKILL:
        with World() as world, world.inside(silent_nameserver):
            daemon = world.run("--dev", "up0", "--advertise", "dns:ftp.example",
                               prefix=Resolver("dns").prefix())
            equal(advertised(daemon), {}, "the map")
            began = time.monotonic()
            equal(world.service()["advertise_map"], {"0.0.0.0/0": None, "::/0": None}, "shown")
            assert time.monotonic() - began < 4, "show waited for the resolver"
            child, = children(daemon)
            status = Path(f"/proc/{child}/status").read_text()
            for kind in "CapEff", "CapPrm":
                equal(int(re.search(rf"^{kind}:\s*(\w+)", status, re.M)[1], 16), 0, kind)
            open_files = {link.readlink().as_posix().split(":")[0]
                          for link in Path(f"/proc/{child}/fd").iterdir()}
            assert not {name for name in open_files if name.startswith("anon_inode")}, \
                f"descriptors of the daemon: {open_files}"
            equal(daemon.end(number), 0 if number == signal.SIGTERM else -number, "exit status")
            wait_until(lambda: is_gone(child), "the end of the look-up", 10)


@test
def set_ends_a_look_up_that_nobody_needs():
    with World() as world, world.inside(silent_nameserver):
        daemon = world.run("--dev", "up0", "--advertise", "dns:ftp.example",
                           prefix=Resolver("dns").prefix())
        child, = children(daemon)
        equal(world.ftpfix("set", "advertise", "203.0.113.5").returncode, 0, "set")
        equal((children(daemon), is_gone(child)), ([], True), "look-ups that run")
        equal(advertised(daemon), {"0.0.0.0/0": "203.0.113.5"}, "the map")


@test
def a_look_up_that_takes_too_long_has_failed():
    with World() as world, world.inside(silent_nameserver):
        resolver = Resolver("dns")
        (resolver.directory / "resolv.conf").write_text(
            "nameserver 127.0.0.1\noptions timeout:30 attempts:5\n")
        daemon = world.run("--dev", "up0", "--dns-interval", "5", "--advertise",
                           "dns:ftp.example", prefix=resolver.prefix())
        child, = children(daemon)
        wait_until(lambda: "no answer came" in daemon.log(), "the failure", PATIENCE)
        contains(daemon.log(), "clients are told the one that they dialled, and it is asked for "
                               "again every 5 seconds", "log")
        assert is_gone(child), "the look-up goes on"
        wait_until(lambda: children(daemon), "the next look-up", 10)


def silent_nameserver():
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind(("127.0.0.1", 53))
    return server
