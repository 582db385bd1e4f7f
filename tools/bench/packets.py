# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Packets per second, and what one hop costs a packet: minimum-size TCP packets of
established data connections, in no order, from client to server."""
from dataclasses import dataclass

from e2e.check import check
from e2e.ftpfix import Ftpfix
from e2e.topology import INSIDE, UPLINK, Port, connect
from kernel_nat import large_conntrack, nat, no_flowtable
from lane import END, NEXT_MAC, NODE_MAC, PROGRAMS, SERVER, VIP, Lane, Talker
from rounds import alternating

# As many as a sender may send at the start (RFC 6928): no bulk transfer has shorter trains.
TRAIN = 10
# Connections, and how many packets of one come in a row.
ROWS = ((1, 1), (1000, 1), (1000, TRAIN), (100_000, 1), (100_000, TRAIN), (1_000_000, 1),
        (1_000_000, TRAIN))
DATA_PORTS = "1024-65535"


@dataclass(frozen=True)
class Contender:
    name: str
    kind: str
    option: str = ""


WIRE = Contender("no node: generator, wire, sink", "wire")
REDIRECT = Contender("bare XDP redirect", "floor", "redirect")
REDIRECT_FIB = Contender("bare XDP redirect + FIB lookup", "floor", "redirect_fib")
KERNEL = Contender("nftables DNAT + nf_nat_ftp", "kernel")
FLOWTABLE = Contender("nftables DNAT + nf_nat_ftp + flowtable", "kernel", "flowtable")
TC = Contender("ftpfix, TC alone (--xdp off)", "ftpfix", "off")
XDP = Contender("ftpfix, XDP (--xdp native)", "ftpfix", "native")
CONTENDERS = (WIRE, REDIRECT, REDIRECT_FIB, KERNEL, FLOWTABLE, TC, XDP)

NOTE = """\
{count:,} packets each time, of 60 bytes, made by an XDP program in live frames and dropped by
one at the other end, all on one CPU; just before, every connection has had one. One hop is what a lane takes above the wire alone: a
veth pair more, and what the node does. Checksums are verified by the wire's end alone, in
samples; conntrack need not, as behind a network card that does."""


class Runner:
    """One contender, ready to be measured."""

    def __init__(self, world, contender, most_flows):
        self.contender = contender
        self._daemon = None
        self._opened = 0
        if contender.kind == "wire":
            client, server = world.namespace("client"), world.namespace("server")
            connect(world, [Port(client, END, []), Port(server, END, [])])
            self._talker = self._start(world, client, server, VIP)
            return
        lane = Lane(world)
        if contender.kind == "floor":
            lane.node.run("ip", "route", "add", VIP, "via", SERVER)
            self._talker = self._start(world, lane.client, lane.server, VIP, contender.option,
                                       lane.node.path, UPLINK, INSIDE, NEXT_MAC)
            return
        if contender.kind == "kernel":
            nat(lane.node, [VIP], DATA_PORTS, SERVER, helper=True,
                flowtable=contender.option == "flowtable")
        else:
            self._daemon = Ftpfix(world, lane.node, "--dev", UPLINK, "--server-dev", INSIDE,
                                  "--forward", "nat", "--xdp", contender.option,
                                  "--max-sessions", str(max(most_flows, 1024)))
        self._talker = self._start(world, lane.client, lane.server, SERVER)

    @staticmethod
    def _start(world, client, server, arriving, *floor):
        return Talker(world, "packets", client.path, server.path, END, NODE_MAC, VIP, arriving,
                      *floor)

    def open(self, flows):
        """So many connections are established, by their handshakes or in the table."""
        more = flows - self._opened
        if not more:
            return
        if self.contender.kind == "kernel":
            opened, = self._talker.ask("open", self._opened, more)
            check(opened == more,
                  f"{self.contender.name}: of {more} connections {opened} were opened")
        elif self._daemon:
            self._daemon.namespace.run(f"{PROGRAMS}/fill", str(self._daemon.pid),
                                       str(self._opened), str(more), VIP, SERVER)
        self._opened = flows

    def touch(self, flows):
        """Each of so many connections has a packet, so that none was silent before."""
        self._talker.ask("touch", flows)

    def send(self, count, flows, train):
        """Nanoseconds for one packet. A node that loses some is slower by as much."""
        each, arrived = self._talker.ask("send", count, flows, train)
        check(arrived >= 0.9 * count,
              f"{self.contender.name}: of {count} packets {arrived} arrived")
        return each * count / arrived

    def check_way(self):
        """The packets went where they were to be measured."""
        if self._daemon:
            counters = self._daemon.counters()
            by_xdp, by_tc = (counters[name] for name in
                             ("packets forwarded_xdp", "packets forwarded"))
            most, least = (by_xdp, by_tc) if self.contender is XDP else (by_tc, by_xdp)
            check(most > 100 * least, f"{self.contender.name}: {by_xdp} packets were forwarded "
                                      f"by XDP, {by_tc} by TC")


def measure(world, figures, count, rounds, rows=ROWS):
    total = figures.table("packets_total", "Packets: the whole way, end to end",
                          "ns per packet", NOTE.format(count=count))
    hop = figures.table("packets_hop", "Packets: one hop", "ns per packet per hop",
                        "the same, less the wire alone in the same round")
    contenders = list(CONTENDERS)
    reason = no_flowtable(Lane(world).node)
    if reason:
        contenders.remove(FLOWTABLE)
        figures.skip(FLOWTABLE.name, reason)
    with large_conntrack():
        most = max(flows for flows, _train in rows)
        runners = [Runner(world, contender, most) for contender in contenders]
        for row in rows:
            measure_row(runners, row, count, rounds, total, hop)
        for runner in runners:
            runner.check_way()
    rates(figures, hop, rows)
    targets(figures, hop, rows)


def title(row):
    flows, train = row
    if flows == 1:
        return "1 connection"
    return f"{flows:,} connections, " + (
        "each packet another's" if train == 1 else f"{train} packets in a row")


def measure_row(runners, row, count, rounds, total, hop):
    flows, train = row
    for runner in runners:
        runner.open(flows)
    taken = {}
    for turn, runner in alternating(runners, rounds):
        runner.touch(flows)
        each = runner.send(count, flows, train)
        if turn:
            taken[turn, runner.contender] = each
    for (turn, contender), each in taken.items():
        total.add(title(row), contender.name, each)
        if contender is not WIRE:
            hop.add(title(row), contender.name, each - taken[turn, WIRE])


def rates(figures, hop, rows):
    """The same figures as millions of packets per second."""
    table = figures.table("packets_rate", "Packets: one hop, as a rate",
                          "million packets/s on one CPU", "1 / (ns per packet per hop)", 2)
    for row in rows:
        for contender in CONTENDERS:
            for value in hop.values(title(row), contender.name):
                table.add(title(row), contender.name, 1000 / max(value, 1))


def ratio(one, other):
    return one / other if one and other else None


def targets(figures, hop, rows):
    def median(contender, row):
        return hop.median(title(row), contender.name)
    for row in rows:
        figures.target(f"nf_nat hop / XDP hop: {title(row)}",
                       ratio(median(KERNEL, row), median(XDP, row)), 4, True)
        figures.target(f"XDP hop / bare redirect + FIB hop: {title(row)}",
                       ratio(median(XDP, row), median(REDIRECT_FIB, row)), 1.5, False)
    for train in (1, TRAIN):
        row = (1_000_000, train)
        figures.target(f"XDP hop / the one at 1,000 connections: {title(row)}",
                       ratio(median(XDP, row), median(XDP, (1000, train))), 1.5, False)
