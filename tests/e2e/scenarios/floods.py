# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What strangers send to fill tables and to find open ports: whoever was served before is
served on, nothing is opened, memory stays bounded, and the counters tell."""
import contextlib
import os
import socket
import sys
import time

from .. import servers
from ..balancing import balancer, network, own, vip
from ..cables import need_redirected, take_redirected, whole_checksums
from ..capture import Capture
from ..check import check, equal, raises, wait_until
from ..clients import Curl
from ..control import Control, receive_all
from ..files import checksum_of
from ..flood import Flood
from ..scenario import SMALL, must_download, scenario
from ..servers import listening
from ..slow import Slow
from ..topology import SERVER_DEVICE, VIP, server_address

SINK = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "programs",
                    "sink.py")
SINK_PORT = 2100
# So many connections may be opening at once.
PLACES = 32_768
# More than that, even when a tenth is lost, and no faster than a busy node takes them: the server
# answers with SYN cookies, and then a client's last packet of the handshake may not be lost.
FLOOD = 40_000
RATE = 6_500
# Where flood.py's random sources are.
RANDOM = {4: "11.0.0.0/8", 6: "2001:db8:bad::/48"}
# What tables may grow by for the few that are served.
GROWTH_BYTES = 1 << 20
# An expectation outlives no more than so many newer ones of its session.
EXPECTED_MAX = 4
HOARD = 10_000
# All ports that a scan of the data ports has by default.
SCANNED = 64_512
# Sessions that press into a full table.
PRESSING = 2_000
# At the rate at which a scan is accompanied, more than comes while one takes a minute.
BIG = "pub/big.bin"
BIG_BYTES = 20_000_000


def _site(world, family=4):
    """The second client is the stranger."""
    topology = network(world, clients=2, count=1, family=family)
    take_redirected(topology)
    whole_checksums(topology)
    return topology, servers.vsftpd(world, topology.server, family=family)


def _syn_flood(world, mode, family, xdp):
    if xdp == "native":
        need_redirected()
    topology, server = _site(world, family)
    # The answers go to where the flood comes from, and nobody is there.
    topology.balancer.run("ip", f"-{family}", "route", "add", RANDOM[family], "via",
                          own(family)(1))
    ftpfix = balancer(world, topology, "--xdp", xdp, mode=mode, family=family)
    before = ftpfix.memory()
    running = Slow(world, topology.client, vip(family), server, 4_000_000, 6)
    client = Curl(world, topology.client, vip(family), server.port, server.login, extended=True)
    flood = Flood(world, topology, topology.clients[1], vip(family), "21", FLOOD, RATE)
    meanwhile = 0
    while flood.running():
        must_download(client, server)
        meanwhile += 1
    flood.finish()
    check(meanwhile > 0, "there were sessions during the flood")
    must_download(client, server)
    running.finish()
    equal(ftpfix.counted("balanced established"), meanwhile + 2, "sessions established")
    half_open = ftpfix.counted("balanced opened") - ftpfix.counted("balanced established")
    check(half_open >= FLOOD * 9 // 10, f"of the flood {half_open} were counted")
    crowded_out = ftpfix.counted("balanced crowded_out")
    check(crowded_out >= half_open - PLACES, f"{crowded_out} of {half_open} were crowded out")
    ftpfix.settle(meanwhile + 2)
    check(ftpfix.memory() - before < GROWTH_BYTES, "memory is bounded")
    equal(ftpfix.counted("packets forwarded_xdp") > 0, xdp == "native", "the data goes by XDP")
    ftpfix.stop()


for _mode, _family, _xdp in (("nat", 4, "native"), ("nat", 6, "off"), ("fullnat", 4, "off"),
                             ("fullnat", 6, "native")):
    scenario(f"floods: {FLOOD} SYNs from random sources, {_mode}, IPv{_family}, XDP {_xdp}: "
             "transfers go on, sessions open")(
        lambda world, mode=_mode, family=_family, xdp=_xdp: _syn_flood(world, mode, family, xdp))


class _Transfer:
    """A download that goes on, a little at a time, while something else does."""

    def __init__(self, world, topology, server):
        self._server = server
        server.files.write(BIG, BIG_BYTES)
        # What waits in buffers has passed the balancer already.
        topology.client.sysctl("net/ipv4/tcp_rmem", "4096 65536 65536")
        self._control = world.keep(Control(topology.client, VIP))
        self._control.log_in(server.login)
        self._data = world.keep(self._control.dial(self._control.passive()))
        self._control.ask(f"RETR {BIG}", 125, 150)
        self._arrived = b""

    def beside(self, flood):
        while flood.running():
            self._arrived += self._data.recv(8192)
            time.sleep(0.02)
        flood.finish()

    def finish(self):
        check(0 < len(self._arrived) < BIG_BYTES, "something of it arrived meanwhile, and not all")
        equal(checksum_of(self._arrived + receive_all(self._data)),
              self._server.files.checksum(BIG), "checksum of what went on")
        equal(self._control.reply().code, 226, "the server's last word of it")


@scenario("floods: a scan of every port, by a stranger and by the client, beside a transfer, "
          "opens nothing")
def scan(world):
    topology, server = _site(world)
    ftpfix = balancer(world, topology)
    transfer = _Transfer(world, topology, server)
    inside = world.keep(Capture(topology.server, SERVER_DEVICE))
    control = world.keep(Control(topology.client, VIP))
    control.log_in(server.login)

    def scanned_by(index):
        inside.forget()
        before = ftpfix.counted("connections unexpected")
        transfer.beside(Flood(world, topology, topology.clients[index], VIP, "1024-65535", SCANNED,
                              source=own(4)(index)))
        # Whatever hook sees it first, each is counted once.
        unexpected = ftpfix.counted("connections unexpected") - before
        check(SCANNED * 9 // 10 <= unexpected <= SCANNED, f"of the scan {unexpected} were counted")
        equal(inside.openings(), [], "connections that the server got")
        equal(ftpfix.counted("connections opened"), 1, "connections opened")
    scanned_by(0)
    endpoint = control.passive()
    scanned_by(1)
    equal([one["public"] for one in ftpfix.show("expected")], [f"{VIP}:{endpoint.port}"],
          "expected after the scan")
    content = control.transfer(endpoint, f"RETR {SMALL}")
    equal(checksum_of(content), server.files.checksum(SMALL), "checksum")
    transfer.finish()
    ftpfix.settle(2)
    ftpfix.stop()


@scenario(f"floods: {HOARD} PASV in a loop, beside another client's transfers")
def hoard(world):
    topology, server = _site(world)
    ftpfix = balancer(world, topology)
    other = topology.clients[1]
    running = Slow(world, other, VIP, server, 4_000_000, 3)
    waiting = world.keep(Control(other, VIP))
    waiting.log_in(server.login)
    endpoint = waiting.passive()
    control = world.keep(Control(topology.client, VIP))
    control.log_in(server.login)
    before = ftpfix.memory()
    for _ in range(HOARD):
        control.passive()
    mine = [one for one in ftpfix.show("expected") if one["peer"] == own(4)(0)]
    check(len(mine) <= EXPECTED_MAX, f"{len(mine)} expectations of one session")
    # Two are the other client's. The server may draw a port again that is still expected.
    expected = ftpfix.counted("connections expected") - 2
    check(expected > HOARD * 9 // 10, f"expectations: {expected}")
    equal(ftpfix.counted("connections replaced"), expected - len(mine), "expectations replaced")
    check(ftpfix.memory() - before < GROWTH_BYTES, "memory is bounded")
    for session, where in ((waiting, endpoint), (control, control.passive())):
        content = session.transfer(where, f"RETR {SMALL}")
        equal(checksum_of(content), server.files.checksum(SMALL), "checksum")
    running.finish()
    ftpfix.settle(3)
    ftpfix.stop()


class _Refused(Exception):
    """A session was refused: with what error, and from which port it came."""

    def __init__(self, how, port):
        super().__init__(how, port)
        self.how = how
        self.port = port


def _open(port=0):
    """Opens a session from that port, or any."""
    connection = socket.socket()
    connection.settimeout(5)
    connection.bind(("", port))
    port = connection.getsockname()[1]
    try:
        connection.connect((VIP, SINK_PORT))
        check(connection.recv(100).startswith(b"220"), "the sink's greeting")
    except OSError as error:
        connection.close()
        raise _Refused(error, port) from error
    return connection


def _fill():
    """Opens sessions until one is refused; returns those that are open, and that refusal."""
    opened = []
    while True:
        try:
            opened.append(_open())
        except _Refused as refused:
            return opened, refused


def _press_in(world, topology, ftpfix, transfer):
    """What finds a place by chance opens, and all others are refused: each is counted."""
    counters = "balanced opened", "balanced table_full"
    before = {name: ftpfix.counted(name) for name in counters}
    full = ftpfix.memory()
    transfer.beside(Flood(world, topology, topology.clients[1], VIP, str(SINK_PORT), PRESSING,
                          RATE))
    more = {name: ftpfix.counted(name) - before[name] for name in counters}
    check(sum(more.values()) >= PRESSING * 9 // 10 and all(more.values()), f"counted: {more}")
    check(ftpfix.memory() - full < GROWTH_BYTES, "memory is bounded")


def _full_table(world, mode, *options):
    topology, server = _site(world)
    # Where a flood's answers go to.
    topology.balancer.run("ip", "route", "add", RANDOM[4], "via", own(4)(1))
    sink = world.keep(topology.server.spawn(sys.executable, SINK, server_address(0),
                                            str(SINK_PORT), name="sink"))
    sink.wait_for(lambda: listening(topology.server, SINK_PORT), "listening")
    ftpfix = balancer(world, topology, "--max-sessions", "1024", *options, mode=mode,
                      vips=[VIP, f"{VIP}:{SINK_PORT}"])
    transfer = _Transfer(world, topology, server)
    opened, refused = topology.clients[1].call(_fill)
    with contextlib.ExitStack() as stack:
        for connection in opened:
            stack.enter_context(connection)
        check(isinstance(refused.how, ConnectionError), f"how the last session ended: {refused!r}")
        check(len(opened) >= 1024, f"only {len(opened)} sessions fit")
        equal(ftpfix.counted("balanced table_full"), 1, "sessions that found no room")
        # Where there is no room for it there is none when it comes again, unless another source
        # port gives it other places.
        if mode == "nat":
            raises(_Refused, lambda: topology.clients[1].call(lambda: _open(refused.port)), "again")
            equal(ftpfix.counted("balanced table_full"), 2, "sessions that found no room")
        _press_in(world, topology, ftpfix, transfer)
    wait_until(lambda: len(ftpfix.show("flows")) <= 2, "the sessions ended")
    must_download(Curl(world, topology.client, VIP, server.port, server.login), server)
    transfer.finish()
    ftpfix.settle(2)
    ftpfix.stop()


for _mode, *_options in (("nat", "--xdp", "native"), ("fullnat", "--path", "stack")):
    scenario("floods: a full table refuses new sessions at once, and serves the others on, "
             + " ".join((_mode, *_options)))(
        lambda world, one=(_mode, *_options): _full_table(world, *one))
