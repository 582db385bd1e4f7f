# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The part of tests/cli.py about the checks of servers, which play their parts in a
namespace of their own behind the node.

Knows what a server may answer, and nothing of packets.
"""
import contextlib
import socket
import threading
import time
from pathlib import Path

from cli_balancer import change, shown, takers
from cli_table import FlowTable, be_tuple
from cli_world import World, contains, equal, test, wait_until

READY = b"220 (vsFTPd 3.0.3)\r\n"


class Server:
    """One that greets as it is told, and remembers its connections."""

    def __init__(self, host, address="10.0.0.175", port=21):
        self.host = host
        self.where = address, port
        self.greeting = [READY]
        self.said = []  # by each client, once it is gone
        self.ports = []  # of each client
        self.times = []  # at which each connected
        self.header = 0  # bytes that are waited for before the greeting,
        self.ready = threading.Event()  # and this
        self.ready.set()
        self.listener = None
        self.start()

    def start(self):
        family = socket.AF_INET6 if ":" in self.where[0] else socket.AF_INET
        self.listener = self.host.inside(
            lambda: socket.create_server(self.where, family=family, backlog=16))
        threading.Thread(target=self.accept, args=(self.listener,), daemon=True).start()

    def accept(self, listener):
        with contextlib.suppress(OSError):
            while True:
                connection, peer = listener.accept()
                self.ports.append(peer[1])
                self.times.append(time.monotonic())
                threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        said = b""
        with connection, contextlib.suppress(OSError):
            connection.settimeout(20)
            while len(said) < self.header and (part := connection.recv(4096)):
                said += part
            self.ready.wait(20)
            for piece in self.greeting:
                connection.sendall(piece)
                time.sleep(0.05)
            while self.greeting and (part := connection.recv(4096)):
                said += part
                if b"QUIT" in said:
                    connection.sendall(b"221 Goodbye.\r\n")
                    break
        self.said.append(said)

    def refuse(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


@contextlib.contextmanager
def node_and_host():
    """A node, and behind its sv0 a host with the servers' addresses."""
    with World() as node, World() as host:
        for name in "up0", "sv0":  # the host is no node
            host.do(f"ip link del {name}")
        node.do(f"ip link set sv1 netns {host.name} name eth0")
        host.do("ip link set eth0 up")
        for address in "10.0.0.175/24", "10.0.0.176/24", "2001:db8:0:1::9/64":
            host.do(f"ip addr add {address} dev eth0{' nodad' if ':' in address else ''}")
        node.do("ip -6 addr add 2001:db8:0:1::1/64 dev sv0 nodad")
        yield node, host


def run(node, *args, interval=1, timeout=1, prefix=()):
    return node.run("--dev", "up0", "--server-dev", "sv0", "--vip", "203.0.113.5",
                    "--health-interval", interval, "--health-timeout", timeout, *args,
                    prefix=prefix)


def state(node, server="10.0.0.175:21"):
    return shown(node)[server]["state"], shown(node)[server]["reason"]


@test
def a_server_that_greets_is_up_and_told_goodbye():
    with node_and_host() as (node, host):
        server = Server(host)
        daemon = run(node, "--server", "10.0.0.175")
        wait_until(lambda: len(server.said) >= 3, "three checks")
        equal(set(server.said), {b"QUIT\r\n"}, "what they said")
        equal(state(node), ("up", None), "state")
        contains(node.get("/metrics")[2], '\nftpfix_server_up{server="10.0.0.175:21"} 1\n',
                 "metrics")
        assert " down" not in daemon.log(), "it was down"


def servers_that_greet(host, greetings):
    """One at each port from 2100 on, and the words for --server."""
    servers = []
    for port, greeting in enumerate(greetings, 2100):
        servers.append(Server(host, port=port))
        servers[-1].greeting = greeting
    return servers, [f"10.0.0.175:{port}" for port in range(2100, 2100 + len(servers))]


@test
def every_greeting_that_may_be_is_understood():
    with node_and_host() as (node, host):
        servers, words = servers_that_greet(host, (
            [b"220-Welcome\r\n421 is no greeting\r\n", b"220 ready\r\n"],
            [b"2", b"2", b"0", b" ready\r\n"],
            [b"120 ready in a minute\r\n", b"220 ready\r\n"],
            [b"120-wait\r\n220 not yet\r\n\r\n120-and wait\r\n1", b"20 done\r\n220-ok\r\n"],
            [b"220 bare\n"]))
        daemon = run(node, "--server", *words)
        wait_until(lambda: all(len(server.said) >= 2 for server in servers), "two checks of each")
        for server in servers:
            equal(server.said[0], b"QUIT\r\n", f"what was said to {server.greeting}")
        assert " down" not in daemon.log(), daemon.log()


@test
def whatever_is_wrong_with_a_server_is_said():
    wrong = (([b"421 Too many \x1b[31mconnections\r\n"],
              "answers '421 Too many ?[31mconnections', not 220"),
             ([b"120 soon\r\n", b"421 or not\r\n"], "answers '421 or not', not 220"),
             ([b"\r\n"], "answers '', not 220"),
             ([b"2\r\n"], "answers '2', not 220"),
             ([b"SSH-2.0-OpenSSH_9.2p1\r\n"], "answers 'SSH-2.0-OpenSSH_9.2p1', not 220"),
             ([b"120 soon\r\n"], "no greeting within 1 s"),
             ([b"22"], "no greeting within 1 s"),
             ([], "closes the connection without a greeting"),
             (None, "connection refused"))
    with node_and_host() as (node, host):
        servers, words = servers_that_greet(host, [greeting for greeting, _ in wrong])
        servers[-1].refuse()
        daemon = run(node, "--server", *words)
        # Its first check: one bad result is enough.
        wait_until(lambda: daemon.log().count(" down") == len(wrong), "all are down")
        for name, (greeting, reason) in zip(words, wrong):
            contains(daemon.log(), f"server {name} down: {reason}\n", f"after {greeting}")
            equal(state(node, name), ("down", reason), f"state after {greeting}")
        wait_until(lambda: takers(daemon) == set(), "none takes sessions")
        contains(daemon.log(), "203.0.113.5:21: no server takes new sessions", "the log")


@test
def a_host_that_is_off_is_down():
    with node_and_host() as (node, host):
        host.do("ip link set eth0 down")
        daemon = run(node, "--server", "10.0.0.175")
        wait_until(lambda: " down" in daemon.log(), "down")
        contains(daemon.log(), "server 10.0.0.175:21 down: no connection within 1 s\n", "the log")


@test
def a_server_falls_and_rises_by_as_many_checks_as_asked_for():
    with node_and_host() as (node, host):
        server, other = Server(host), Server(host, "10.0.0.176")
        daemon = run(node, "--server", "10.0.0.175,10.0.0.176", "--health-fall", "4",
                     "--health-rise", "3")
        wait_until(lambda: len(server.said) >= 2, "two checks")
        equal(takers(daemon), {"10.0.0.175:21", "10.0.0.176:21"}, "both take sessions")

        def checks_until(greeting, line):
            server.greeting = greeting
            before = len(server.said)
            wait_until(lambda: line in daemon.log(), line)
            return len(server.said) - before

        # A check may have been under way when the greeting changed.
        assert checks_until([], "175:21 down: closes") in (3, 4, 5), "checks until it was down"
        wait_until(lambda: takers(daemon) == {"10.0.0.176:21"}, "one takes sessions")
        assert checks_until([READY], "175:21 up") in (2, 3, 4), "checks until it was up"
        wait_until(lambda: takers(daemon) == {"10.0.0.175:21", "10.0.0.176:21"}, "both again")
        equal(daemon.log().count("176:21"), 0, "lines about the other")
        assert len(other.said) > 5, "the other was not checked"


@test
def one_bad_check_among_good_ones_says_nothing():
    with node_and_host() as (node, host):
        server = Server(host)
        daemon = run(node, "--server", "10.0.0.175", "--health-fall", "2")
        for round_number in range(1, 4):
            wait_until(lambda: len(server.said) > 0 and server.said[-1], "a good check")
            server.greeting = []
            wait_until(lambda number=round_number: server.said.count(b"") == number, "a bad one")
            server.greeting = [READY]
        wait_until(lambda: server.said[-1], "a good check at the end")
        assert " down" not in daemon.log(), f"{daemon.log()}"


@test
def servers_that_fail_at_once_are_taken_out_at_once():
    virtuals = [f"203.0.113.{number}" for number in range(10, 42)]
    names = [f"10.0.0.175:{port}" for port in range(2100, 2124)]
    with node_and_host() as (node, host):
        # Nothing answers, and nothing refuses.
        host.do("ip link set eth0 down")
        daemon = run(node, "--vip", *virtuals, "--server", *names, "10.0.0.176")
        begun = time.monotonic()
        change(node, "drain", "10.0.0.176")
        one = time.monotonic() - begun
        wait_until(lambda: " down" in daemon.log(), "the first is down")
        begun = time.monotonic()
        wait_until(lambda: takers(daemon) == set(), "none takes sessions")
        # Each writing of the maps waits for the kernel, once for each virtual address.
        took = time.monotonic() - begun
        assert took < 3 + len(names) / 2 * one, f"{took} s, where one alone takes {one} s"


@test
def checks_of_many_servers_have_descriptors():
    names = [f"10.0.0.175:{port}" for port in range(2100, 2200)]
    with node_and_host() as (node, host):
        host.do("ip link set eth0 down")  # so that all checks last
        daemon = run(node, "--server", *names, timeout=3, prefix=("prlimit", "--nofile=96:"))
        wait_until(lambda: daemon.log().count(" down") == len(names), "all are down")
        equal(daemon.log().count(" down: no connection within 3 s"), len(names), "reasons")


@test
def a_server_may_come_back_be_drained_and_replaced_while_it_runs():
    with node_and_host() as (node, host):
        server = Server(host)
        daemon = run(node, "--server", "10.0.0.175", "--health-rise", "1", "--health-fall", "1")
        change(node, "add", "10.0.0.176")
        # One that is added is up until its first check says otherwise.
        wait_until(lambda: "176:21 down: connection refused" in daemon.log(), "no server there yet")
        wait_until(lambda: takers(daemon) == {"10.0.0.175:21"}, "one takes sessions")
        Server(host, "10.0.0.176")
        wait_until(lambda: takers(daemon) == {"10.0.0.175:21", "10.0.0.176:21"}, "both")
        change(node, "drain", "10.0.0.175")
        server.refuse()
        wait_until(lambda: state(node) == ("drained", "connection refused"),
                   "checked although it is drained")
        change(node, "add", "10.0.0.175")
        equal((state(node)[0], takers(daemon)), ("down", {"10.0.0.176:21"}), "back, but down")
        server.start()
        wait_until(lambda: takers(daemon) == {"10.0.0.175:21", "10.0.0.176:21"}, "both again")
        change(node, "del", "10.0.0.176")
        equal(takers(daemon), {"10.0.0.175:21"}, "after one was removed")


@test
def servers_of_ipv6_are_checked_at_their_own_port():
    with node_and_host() as (node, host):
        server = Server(host, "2001:db8:0:1::9", 2121)
        daemon = node.run("--dev", "up0", "--server-dev", "sv0", "--vip", "2001:db8::5", "--server",
                          "[2001:db8:0:1::9]:2121", "2001:db8:0:1::9", "--health-interval", "1")
        wait_until(lambda: server.said, "a check")
        wait_until(lambda: " down" in daemon.log(), "nobody at the virtual address's port")
        contains(daemon.log(), "server [2001:db8:0:1::9]:21 down: connection refused", "the log")
        wait_until(lambda: takers(daemon) == {"[2001:db8:0:1::9]:2121"}, "one takes sessions")


@test
def a_node_may_have_no_more_than_a_link_local_address():
    with node_and_host() as (node, host):
        node.do("ip -6 addr del 2001:db8:0:1::1/64 dev sv0")
        node.do("ip -6 addr add fe80::7/64 dev sv0 nodad")
        node.do("ip -6 route add 2001:db8:0:1::/64 dev sv0")
        host.do("ip -6 addr add fe80::8/64 dev eth0 nodad")
        server = Server(host, "2001:db8:0:1::9")
        daemon = node.run("--dev", "up0", "--server-dev", "sv0", "--vip", "2001:db8::5", "--server",
                          "2001:db8:0:1::9", "--health-interval", "1")
        wait_until(lambda: len(server.said) > 1, "two checks")
        assert " down" not in daemon.log(), daemon.log()


@test
def without_an_interval_nothing_is_checked():
    with node_and_host() as (node, host):
        server = Server(host)
        run(node, "--server", "10.0.0.175", interval=0)
        time.sleep(3)
        equal((server.said, state(node)), ([], ("up", None)), "checks and state")


@test
def the_next_check_comes_after_the_interval():
    with node_and_host() as (node, host):
        good, bad = Server(host), Server(host, "10.0.0.176")
        bad.greeting = [b"421 not now\r\n"]
        run(node, "--server", "10.0.0.175,10.0.0.176", interval=3)
        wait_until(lambda: min(len(good.times), len(bad.times)) > 2, "three checks of each")
        for server in good, bad:
            gaps = [later - earlier for earlier, later in zip(server.times, server.times[1:])]
            # It counts whole seconds; the rest is for a machine that is busy.
            assert min(gaps) > 2.5, f"seconds between the checks of {server.where}: {gaps}"


@test
def a_server_that_expects_proxy_headers_gets_one():
    # HAProxy's proxy-protocol.txt: UNKNOWN of version 1, LOCAL of version 2.
    for version, header in (
            ("proxy-v1", b"PROXY UNKNOWN\r\n"),
            ("proxy-v2", bytes.fromhex("0d0a0d0a000d0a515549540a") + b"\x20\x00\x00\x00")):
        with node_and_host() as (node, host):
            server = Server(host)
            server.header = len(header)
            daemon = run(node, "--server", "10.0.0.175", "--forward", "fullnat",
                         "--client-address", version)
            wait_until(lambda known=server: len(known.said) >= 2, "two checks")
            equal(server.said[0], header + b"QUIT\r\n", f"what a check says, {version}")
            assert " down" not in daemon.log(), daemon.log()


@test
def a_check_leaves_the_ports_alone_that_sessions_come_from():
    ports = range(40000, 40016)
    free = {40006, 40007}
    with node_and_host() as (node, host):
        node.inside(lambda: Path("/proc/sys/net/ipv4/ip_local_port_range").write_text(
            f"{ports[0]} {ports[-1]}"))
        server = Server(host)
        daemon = run(node, "--server", "10.0.0.175", "--forward", "fullnat")
        table = FlowTable(daemon)
        for number, port in enumerate(port for port in ports if port not in free):
            # As the server's answers to a session are: translated back to its client.
            table.hold(be_tuple("10.0.0.175", 21, "10.0.0.1", port), number % 2)
        before = len(server.ports)
        wait_until(lambda: len(server.ports) > before + 5, "five checks")
        equal(set(server.ports[before + 1:]) - free, set(), "ports of sessions that were used")
        assert " down" not in daemon.log(), daemon.log()


def check_ports(daemon):
    """Those from which no session goes on, for checks have them."""
    return {64 * number + bit for number, word in enumerate(daemon.variables()["check_ports"])
            for bit in range(64) if word >> bit & 1}


@test
def a_session_leaves_the_port_alone_that_a_check_comes_from():
    with node_and_host() as (node, host), World() as client:
        client.do("ip link del up0")
        node.do(f"ip link set up1 netns {client.name} name eth0")
        client.do("ip link set eth0 up")
        client.do("ip addr add 203.0.113.9/24 dev eth0")
        host.do("ip route add default via 10.0.0.1")
        server = Server(host)
        server.ready.clear()
        daemon = run(node, "--server", "10.0.0.175", "--forward", "fullnat", "--source",
                     "10.0.0.1:1024-65535", timeout=20)
        wait_until(lambda: server.ports, "a check")
        port = server.ports[0]
        equal(check_ports(daemon), {port}, "ports of checks")

        def connect():
            return socket.create_connection(("203.0.113.5", 21), 10, ("203.0.113.9", port))

        with client.inside(connect) as session:
            wait_until(lambda: len(server.ports) > 1, "the session")
            assert server.ports[1] != port, "the session has the check's port"
            server.ready.set()
            equal(session.recv(100), READY, "what the client is told")
            wait_until(lambda: server.said, "the end of the check")
            equal(server.said[0], b"QUIT\r\n", "what the check said")
            # That of a check that is under way, at most.
            wait_until(lambda: port not in check_ports(daemon), "the port is given back")
        assert " down" not in daemon.log(), daemon.log()


@test
def checks_that_share_a_port_keep_it_until_the_last_has_ended():
    with node_and_host() as (node, host):
        node.inside(lambda: Path("/proc/sys/net/ipv4/ip_local_port_range").write_text(
            "40000 40000"))
        servers = [Server(host), Server(host, "2001:db8:0:1::9")]
        for server in servers:
            server.ready.clear()
        daemon = run(node, "--vip", "2001:db8::5", "--server", "10.0.0.175", "2001:db8:0:1::9",
                     "--forward", "fullnat", interval=20, timeout=20)
        wait_until(lambda: all(server.ports for server in servers), "a check of each")
        equal([server.ports[0] for server in servers], [40000] * 2, "their ports")
        servers[0].ready.set()
        wait_until(lambda: not node.inside(lambda: f":{40000:X} " in Path(
            "/proc/thread-self/net/tcp").read_text()), "the end of the first")
        # Once it answers, it has done what belongs to that.
        equal(state(node), ("up", None), "state")
        equal(check_ports(daemon), {40000}, "ports of the other")
        servers[1].ready.set()
        wait_until(lambda: check_ports(daemon) == set(), "the end of the other")


@test
def the_daemon_may_end_while_checks_are_under_way():
    with node_and_host() as (node, host):
        servers = [Server(host), Server(host, "10.0.0.176")]
        for server in servers:
            server.ready.clear()
        daemon = run(node, "--server", "10.0.0.175,10.0.0.176", timeout=20)
        wait_until(lambda: all(server.ports for server in servers), "a check of each")
        equal(daemon.end(), 0, "exit status")
