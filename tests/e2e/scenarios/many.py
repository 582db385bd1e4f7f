# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Several servers behind one address, several clients, several sessions."""
import threading

from .. import servers
from ..check import check, equal, raises
from ..control import Control
from ..forwarders import haproxy, nft_dnat
from ..ftpfix import Ftpfix
from ..scenario import SMALL, scenario
from ..topology import UPLINK, VIP, balanced, server_address

FORWARDERS = (("nat", "nftables", lambda _, topology: nft_dnat(topology)),
              ("fullnat", "HAProxy", haproxy))
ONE_PORT = (30000, 30000)
# As many digits as the public ports have, so that a 229 is rewritten at equal length.
FIVE_DIGITS = (30000, 39999)
SESSIONS = 4
ROUNDS = 3


def _content(server):
    with open(server.files.path(SMALL), "rb") as file:
        return file.read()


def _log_in(world, namespace, by_role):
    """A session and the server that it came to, which its greeting tells."""
    control = world.keep(Control(namespace, VIP))
    control.log_in(servers.ANONYMOUS)
    return control, by_role[control.greeting.text.split()[1]]


def _servers(world, topology, **options):
    started = {namespace.role: servers.vsftpd(world, namespace, **options)
               for namespace in topology.servers}
    for server in started.values():
        server.content = _content(server)
    return started


def _one_port(world, mode, start_forwarding):
    topology = balanced(world, servers=2)
    by_role = _servers(world, topology, passive=ONE_PORT)
    start_forwarding(world, topology)
    sessions = [_log_in(world, topology.client, by_role) for _ in range(2)]
    check(sessions[0][1] is not sessions[1][1], "the two sessions are at two servers")
    for control, _ in sessions:
        endpoint = control.passive()
        equal(endpoint.port, ONE_PORT[0], "the port of either server")
        raises(OSError, lambda c=control, e=endpoint: c.dial(e), "dialling without ftpfix")

    ftpfix = Ftpfix(world, topology.balancer, "--dev", UPLINK, "--forward", mode)
    for announce in ("passive", "extended"):
        ftpfix.mark()
        first, second = [getattr(control, announce)() for control, _ in sessions]
        equal(first.port, ONE_PORT[0], "a port that is free is kept")
        check(second.port != first.port, "the second session has a public port of its own")
        expected = {entry["public"]: entry["target"] for entry in ftpfix.show("expected")}
        equal(sorted(expected), sorted(f"{VIP}:{one.port}" for one in (first, second)),
              "expected")
        equal(sorted(expected.values()),
              [f"{server_address(index)}:{ONE_PORT[0]}" for index in range(2)],
              "expected at the servers")
        # The later one first: the order of use is the client's affair.
        for (control, server), endpoint in reversed(list(zip(sessions, (first, second)))):
            check(control.transfer(endpoint, f"RETR {SMALL}") == server.content,
                  "the file of the server that the session is at")
        equal(ftpfix.show("expected"), [], "expected after use")
        ftpfix.settle(2)
    ftpfix.stop()


@scenario("many: HAProxy, two servers at one port announce it at the same instant")
def same_instant(world):
    """Through a proxy a 229 tells nothing of its server but the port, so that one
    must wait for the other; each session's file is that of its own server."""
    rounds = 25
    topology = balanced(world, servers=2)
    by_role = _servers(world, topology, passive=ONE_PORT)
    haproxy(world, topology)
    sessions = [_log_in(world, topology.client, by_role) for _ in range(2)]
    for control, _ in sessions:
        raises(OSError, lambda c=control: c.dial(c.extended()), "dialling without ftpfix")

    ftpfix = Ftpfix(world, topology.balancer, "--dev", UPLINK, "--forward", "fullnat")
    together = threading.Barrier(len(sessions), timeout=20)

    def work(control, server):
        for _ in range(rounds):
            together.wait()
            endpoint = control.extended()
            check(control.transfer(endpoint, f"RETR {SMALL}") == server.content,
                  "the file of the server that the session is at")
    running = [topology.client.start(lambda s=session: work(*s)) for session in sessions]
    for finish in running:
        finish()
    ftpfix.settle(len(sessions) * rounds)
    ftpfix.stop()


def _work(world, namespace, by_role, number):
    """One session from beginning to end; returns its data connections."""
    control, server = _log_in(world, namespace, by_role)
    for turn in range(ROUNDS):
        announce = control.extended if (number + turn) % 2 else control.passive
        check(control.transfer(announce(), f"RETR {SMALL}") == server.content,
              "the file of the server that the session is at")
    name = f"pub/{namespace.role}-{number}.bin"
    control.store(control.passive(), name, server.content)
    equal(server.files.checksum(name), server.files.checksum(SMALL), "the uploaded file")
    control.ask("QUIT", 221)
    return ROUNDS + 1


def _at_once(world, mode, start_forwarding):
    topology = balanced(world, clients=3, servers=2)
    by_role = _servers(world, topology, passive=FIVE_DIGITS)
    start_forwarding(world, topology)
    control, _ = _log_in(world, topology.client, by_role)
    raises(OSError, lambda: control.dial(control.passive()), "dialling without ftpfix")
    raises(OSError, lambda: control.dial(control.extended()), "dialling without ftpfix")

    ftpfix = Ftpfix(world, topology.balancer, "--dev", UPLINK, "--forward", mode,
                    "--data-ports", "21000-21999")
    running = [namespace.start(lambda n=namespace, i=index: _work(world, n, by_role, i))
               for namespace in topology.clients for index in range(SESSIONS)]
    connections = sum(finish() for finish in running)
    equal(connections, len(running) * (ROUNDS + 1), "data connections")
    ftpfix.announced(rewritten=connections)
    ftpfix.settle(connections)
    ftpfix.stop()


for _mode, _name, _forward in FORWARDERS:
    scenario(f"many: {_name}, two servers at one passive port for one client")(
        lambda world, mode=_mode, forward=_forward: _one_port(world, mode, forward))
    scenario(f"many: {_name}, 2 servers, 3 clients, {SESSIONS} sessions each at once")(
        lambda world, mode=_mode, forward=_forward: _at_once(world, mode, forward))


@scenario("many: a range with no free port passes the announcement, and serves on")
def no_free_port(world):
    topology = balanced(world)
    by_role = _servers(world, topology)
    nft_dnat(topology)
    sessions = [_log_in(world, topology.client, by_role) for _ in range(3)]
    raises(OSError, lambda: sessions[0][0].dial(sessions[0][0].passive()), "without ftpfix")

    ftpfix = Ftpfix(world, topology.balancer, "--dev", UPLINK, "--data-ports", "21000-21001")
    ftpfix.mark()
    first, second, third = [control.passive() for control, _ in sessions]
    equal(sorted((first.port, second.port)), [21000, 21001], "public ports")
    equal(third.address, server_address(0), "the announcement that found no port")
    ftpfix.announced(rewritten=2, no_free_port=1)
    for (control, server), endpoint in zip(sessions, (first, second)):
        check(control.transfer(endpoint, f"RETR {SMALL}") == server.content, "same content")
    control, server = sessions[2]
    check(control.transfer(control.passive(), f"RETR {SMALL}") == server.content, "same content")
    ftpfix.settle(3)
    ftpfix.stop()
