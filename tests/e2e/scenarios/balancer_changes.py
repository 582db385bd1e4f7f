# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Servers of ftpfix's own balancer come, go and fail: what is established stays where it
is, few others move, and nobody waits for a server that is not there."""
import signal

from .. import servers
from ..balancing import (add_addresses, balancer, by_role, destinations, greeters, greeting,
                         network)
from ..capture import Capture
from ..check import check, equal, raises, wait_until
from ..control import Control, Endpoint, dial
from ..fake_server import FakeServer
from ..files import checksum_of
from ..scenario import SMALL, scenario
from ..slow import Slow
from ..topology import CLIENT_DEVICE, VIP, server_address

MANY = 120
SLOW_BYTES = 6_000_000
# Fast, so that nobody waits.
HEALTH = ("--health-interval", "1", "--health-timeout", "1", "--health-fall", "1",
          "--health-rise", "1")


def _moved(before, after):
    """Those whose server is another one now."""
    return {client: (before[client], after[client]) for client in before
            if before[client] != after[client]}


@scenario("balancer: servers added, drained and removed, few clients move")
def few_move(world):
    topology = network(world, count=3)
    greeters(world, topology)
    sources = add_addresses(topology.client, MANY)
    ftpfix = balancer(world, topology, addresses=[server_address(0), server_address(1)])

    def where():
        return destinations(topology.client, VIP, sources)
    two = where()
    ftpfix.server("add", server_address(2))
    three = where()
    moved = _moved(two, three)
    equal({after for _, after in moved.values()}, {"server2"}, "where clients move to")
    check(len(moved) < MANY // 2, f"{len(moved)} of {MANY} clients moved to a third server")
    for verb in ("drain", "del"):
        ftpfix.server(verb, server_address(2))
        check(len(_moved(two, where())) == 0, f"after {verb} all are where they were before")
    ftpfix.server("drain", server_address(0))
    equal(set(where().values()), {"server1"}, "servers when the other is drained")
    ftpfix.server("add", server_address(0))
    equal(where(), two, "servers when it is added again")
    ftpfix.stop()


@scenario("balancer: transfers go on while their server is drained, removed and others come")
def go_on(world):
    topology = network(world, count=2)
    started = by_role(world, topology)
    ftpfix = balancer(world, topology, addresses=[server_address(0)])
    running = [Slow(world, topology.client, VIP, started["server0"], SLOW_BYTES, 2.5, upload,
                    extended=upload) for upload in (False, True)]
    control = world.keep(Control(topology.client, VIP))
    ftpfix.server("add", server_address(1))
    ftpfix.server("drain", server_address(0))
    equal(greeting(topology.client, VIP), "server1", "the server of a new session")
    ftpfix.server("del", server_address(0))
    check(all(transfer.running() for transfer in running), "the changes came in mid-transfer")
    # A session on a server that was taken away is still followed.
    control.log_in(started["server0"].login)
    content = control.transfer(control.passive(), f"RETR {SMALL}")
    equal(checksum_of(content), started["server0"].files.checksum(SMALL),
          "a transfer begun after its server was removed")
    for transfer in running:
        transfer.finish()
    ftpfix.settle(3)
    ftpfix.stop()


@scenario("balancer: a server dies and comes back, its clients go elsewhere meanwhile")
def health(world):
    topology = network(world, count=2)
    started = by_role(world, topology)
    ftpfix = balancer(world, topology, *HEALTH)
    sources = add_addresses(topology.client, 40)
    first = destinations(topology.client, VIP, sources)
    role = greeting(topology.client, VIP)
    dead, alive = ("server1", "server0") if role == "server0" else ("server0", "server1")
    running = Slow(world, topology.client, VIP, started[role], SLOW_BYTES, 4)

    started[dead].process.kill()
    theirs = next(source for source in sources if first[source] == dead)

    def goes_to():
        try:
            return greeting(topology.client, VIP, theirs)
        except OSError:
            return None
    wait_until(lambda: goes_to() == alive, "clients of a dead server go elsewhere", 5)
    equal(set(destinations(topology.client, VIP, sources).values()), {alive},
          "servers while one is dead")
    started[dead].start()
    wait_until(lambda: goes_to() == dead, "clients go back", 5)
    equal(destinations(topology.client, VIP, sources), first, "servers when it is back")
    check(running.running(), "all this happened in mid-transfer")
    running.finish()
    ftpfix.stop()


@scenario("balancer: the sessions of a server that is down are left to it, new ones go elsewhere")
def left_to_it(world):
    topology = network(world, count=2)
    started = by_role(world, topology)
    ftpfix = balancer(world, topology, *HEALTH)
    role = greeting(topology.client, VIP)
    running = Slow(world, topology.client, VIP, started[role], SLOW_BYTES, 6)
    control = world.keep(Control(topology.client, VIP))
    control.log_in(started[role].login)
    # It greets nobody any more; what it forked for its sessions goes on.
    started[role].process.send(signal.SIGSTOP)
    wait_until(lambda: "down" in [server["state"] for server in ftpfix.show("servers")],
               "the server is down")
    check(greeting(topology.client, VIP) != role, "a new session goes elsewhere")
    content = control.transfer(control.passive(), f"RETR {SMALL}")
    equal(checksum_of(content), started[role].files.checksum(SMALL),
          "a transfer begun after its server was down")
    check(running.running(), "all this happened in mid-transfer")
    running.finish()
    ftpfix.settle(2)
    ftpfix.stop()


@scenario("balancer: when every server is down clients are refused at once")
def all_down(world):
    topology = network(world, count=2)
    started = by_role(world, topology)
    ftpfix = balancer(world, topology, *HEALTH)
    greeting(topology.client, VIP)
    equal(ftpfix.counted("balanced no_server"), 0, "clients refused while servers are up")
    for server in started.values():
        server.process.kill()
    outside = world.keep(Capture(topology.client, CLIENT_DEVICE))
    dialled = 0

    def refused():
        nonlocal dialled
        error = raises(OSError, lambda: greeting(topology.client, VIP), "a session")
        dialled += 1
        return isinstance(error, ConnectionRefusedError) and ftpfix.counted("balanced no_server")
    wait_until(refused, "ftpfix refuses, since no server is up", 6)
    before = ftpfix.counted("balanced no_server")
    for _ in range(3):
        raises(ConnectionRefusedError, lambda: dial(topology.client, Endpoint(VIP, 21)),
               "dialling when no server is up")
    equal(outside.syns(), dialled + 3, "SYNs, each refused at once")
    equal(ftpfix.counted("balanced no_server") - before, 3, "clients refused, each counted")
    ftpfix.stop()


@scenario("balancer: servers that hang, or greet with no 220, get no new sessions")
def sick(world):
    topology = network(world, count=3)
    vsftpd = servers.vsftpd(world, topology.servers[0])
    FakeServer(world, topology.servers[1], server_address(1), {"": [b"421 too many users\r\n"]})
    FakeServer(world, topology.servers[2], server_address(2), {"": []})
    sources = add_addresses(topology.client, 8)
    ftpfix = balancer(world, topology, *HEALTH)

    def greeted(source):
        try:
            return greeting(topology.client, VIP, source)
        except OSError:
            return None
    wait_until(lambda: {greeted(source) for source in sources} == {"server0"},
               "every client comes to the one that is well", 15)
    control = world.keep(Control(topology.client, VIP))
    control.log_in(vsftpd.login)
    ftpfix.stop()
