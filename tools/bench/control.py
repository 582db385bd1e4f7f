# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What a round trip of a control connection costs in the node alone, with and without an
announcement: both ends are played with packets, whose making and taking is measured on a
wire without a node and taken off."""
from dataclasses import dataclass

from e2e.ftpfix import Ftpfix
from e2e.topology import INSIDE, UPLINK, Port, connect
from kernel_nat import nat
from lane import CLIENT, END, NODE_MAC, SERVER, Lane, Talker
from rounds import alternating

# Written as long as the server's address, and one character longer.
SAME_VIP, LONG_VIP = "192.0.2.80", "203.0.113.5"
VIPS = (SAME_VIP, LONG_VIP)
# Nobody listens there who could be asked for his health.
BALANCER = (*(word for vip in VIPS for word in ("--vip", vip)), "--server", SERVER,
            "--health-interval", "0")


@dataclass(frozen=True)
class Way:
    name: str
    follows: str = ""               # who follows FTP, if anybody
    options: tuple = ()             # of ftpfix
    dnat: bool = True               # nftables forwards the control connection
    growth: int = 0                 # of a 227 that tells LONG_VIP


WIRE = Way("no node: sender, wire", "", dnat=False)
DNAT = Way("nftables DNAT alone")
AGAIN = Way("nftables DNAT alone, another node")
KERNEL = Way("nftables DNAT + nf_nat_ftp", "kernel", growth=1)
BESIDE = Way("nftables DNAT + ftpfix", "ftpfix", ("--xdp", "off"))
ADJUST = Way("nftables DNAT + ftpfix --rewrite adjust", "ftpfix",
             ("--xdp", "off", "--rewrite", "adjust"), growth=1)
TC = Way("ftpfix as the balancer, TC alone", "ftpfix", ("--xdp", "off", *BALANCER), dnat=False)
XDP = Way("ftpfix as the balancer, XDP", "ftpfix", ("--xdp", "native", *BALANCER), dnat=False)
WAYS = (WIRE, DNAT, AGAIN, KERNEL, BESIDE, ADJUST, TC, XDP)


@dataclass(frozen=True)
class Row:
    title: str
    kind: str
    session: int

    @property
    def announces(self):
        return self.kind != "plain"


# Each of the three sessions is used by its own rows alone, in this order.
PLAIN = Row("NOOP and its 200", "plain", 0)
ANNOUNCED = Row("PASV and its 227, address as long", "announced", 1)
LONGER = Row("PASV and its 227, address 1 longer", "announced", 2)
AFTER = Row("NOOP and its 200, after such longer 227s", "plain", 2)
ROWS = (PLAIN, ANNOUNCED, LONGER, AFTER)

NOTE = """\
{count:,} each time, over packet sockets, on one CPU. What is told is above the wire alone, in the
same round: the node's own work, and a veth pair more. The two nodes with DNAT alone do the
same: how far they differ is how little a difference may mean. Frames of packet sockets are
copied for XDP, which frames of network cards need not be."""


class Runner:
    """One way of forwarding, with its client and its server."""

    def __init__(self, world, way):
        self.way = way
        self._done = {}
        self._ftpfix = None
        if way is WIRE:
            client, server = world.namespace("client"), world.namespace("server")
            connect(world, [Port(client, END, []), Port(server, END, [])])
        else:
            client, server = self._build(world, Lane(world))
        for namespace in (client, server):
            # So that the other end may redirect to it.
            namespace.run("ethtool", "-K", END, "gro", "on")
        self._sender = self._start(world, client, server)

    def _build(self, world, lane):
        if self.way.dnat:
            nat(lane.node, VIPS, "21", SERVER, helper=self.way.follows == "kernel")
        if self.way.follows == "ftpfix":
            self._ftpfix = Ftpfix(world, lane.node, "--dev", UPLINK, "--server-dev", INSIDE,
                                  "--forward", "nat", *self.way.options)
            self._ftpfix.mark()
        return lane.client, lane.server

    def _start(self, world, client, server):
        def told(vip):
            return vip if self.way.follows else SERVER
        sessions = ((SAME_VIP, told(SAME_VIP), 0), (SAME_VIP, told(SAME_VIP), 0),
                    (LONG_VIP, told(LONG_VIP), self.way.growth))
        return Talker(world, "control_sender", client.path, server.path, END, NODE_MAC, CLIENT,
                      SERVER, *(str(word) for session in sessions for word in session))

    def measure(self, row, count):
        """Nanoseconds for one."""
        nanoseconds, = self._sender.ask(row.kind, row.session, count)
        self._done[row] = self._done.get(row, 0) + count
        return nanoseconds / count

    def check_counters(self):
        """ftpfix counted every announcement as rewritten, and nothing against it."""
        if not self._ftpfix:
            return
        done = {row: count for row, count in self._done.items() if row.announces}
        adjusted = done[LONGER] if self.way.growth else 0
        wanted = {"rewritten": sum(done.values()) - adjusted, "adjusted": adjusted}
        self._ftpfix.announced(**{name: number for name, number in wanted.items() if number})


def measure(world, figures, count, rounds):
    table = figures.table("control", "Control connections: a round trip", "ns",
                          NOTE.format(count=count))
    runners = [Runner(world, way) for way in WAYS]
    for row in ROWS:
        taken = {}
        for turn, runner in alternating(runners, rounds):
            each = runner.measure(row, count)
            if turn:
                taken[turn, runner.way] = each
        for (turn, way), each in taken.items():
            if way is not WIRE:
                table.add(row.title, way.name, each - taken[turn, WIRE])
    for runner in runners:
        runner.check_counters()
