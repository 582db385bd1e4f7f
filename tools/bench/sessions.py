# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What FTP sessions cost the node alone: a round trip of the control connection, with and
without an announcement, and a data connection from its announcement to its end. Both
ends of many sessions at once are played by XDP programs."""
import itertools
from dataclasses import dataclass

from e2e.check import equal
from e2e.ftpfix import Ftpfix
from e2e.topology import INSIDE, UPLINK, Port, connect
from kernel_nat import nat
from lane import END, NEXT_MAC, NODE_MAC, SERVER, Lane, Talker
from rounds import alternating

# Written as long as the server's address, and one character longer.
SAME_VIP, LONG_VIP = "192.0.2.80", "203.0.113.5"
# Below what the kernel's helper has room for.
SESSIONS = 2000


@dataclass(frozen=True)
class Way:
    name: str
    follows: str = ""               # who follows FTP, if anybody
    options: tuple = ()             # of ftpfix
    dnat: bool = True               # nftables forwards the control connection
    growth: int = 0                 # of a 227 that tells LONG_VIP
    balances: bool = False          # ftpfix forwards it
    bare: bool = False              # nobody is known there, so that all may pass


WIRE = Way("no node: generator, wire, sink", dnat=False, bare=True)
REDIRECT = Way("bare XDP redirect", dnat=False, bare=True)
DNAT = Way("nftables DNAT alone")
AGAIN = Way("nftables DNAT alone, another node")
KERNEL = Way("nftables DNAT + nf_nat_ftp", "kernel", growth=1)
BESIDE = Way("nftables DNAT + ftpfix", "ftpfix", ("--xdp", "off"))
ADJUST = Way("nftables DNAT + ftpfix --rewrite adjust", "ftpfix",
             ("--xdp", "off", "--rewrite", "adjust"), growth=1)
TC = Way("ftpfix as the balancer, TC alone", "ftpfix", ("--xdp", "off"), dnat=False,
         balances=True)
XDP = Way("ftpfix as the balancer, XDP", "ftpfix", ("--xdp", "native"), dnat=False,
          balances=True)
WAYS = (WIRE, REDIRECT, DNAT, AGAIN, KERNEL, BESIDE, ADJUST, TC, XDP)


@dataclass(frozen=True)
class Row:
    title: str
    kind: str                       # what the generator is asked for
    vip: str


# Of each virtual address in this order.
PLAIN = Row("NOOP and its 200", "plain", SAME_VIP)
ANNOUNCED = Row("PASV and its 227, address as long", "announced", SAME_VIP)
LONGER = Row("PASV and its 227, address 1 longer", "announced", LONG_VIP)
AFTER = Row("NOOP and its 200, after such longer 227s", "plain", LONG_VIP)
TRANSFER = Row("a data connection", "transfers", SAME_VIP)
STEPS = ("PASV", "its 227", "SYN", "SYN and ACK", "ACK", "the server's FIN", "the client's FIN",
         "the last ACK")

NOTE = f"""\
Of {SESSIONS:,} sessions at once, all at the same packet before the next one follows. Above the wire
alone, in the same round, and so without what generator and sink take of each packet: the
node's own work, and a veth pair more, on one CPU. The bare redirect is the floor of it: it
passes the same packets on, and knows nothing of them."""
WORK_NOTE = """\
The table before, less the bare XDP redirect of the same packets in the same round: without the
veth pair too."""
SAME_NODE = """
The two nodes with DNAT alone do the same: how far they differ is how little a
difference may mean."""


class Runner:
    """One way of forwarding, with its clients and its server."""

    def __init__(self, world, way, vip):
        self.way = way
        self._vip = vip
        self._announced = self._opened = 0
        self._ftpfix = None
        if way is WIRE:
            client, server, floor = world.namespace("client"), world.namespace("server"), ()
            connect(world, [Port(client, END, []), Port(server, END, [])])
        else:
            client, server, floor = self._build(world, Lane(world))
        self._talker = Talker(world, "packets", client.path, server.path, END, NODE_MAC, vip,
                              vip if way.bare else SERVER, *floor)
        told = vip if way.follows else SERVER
        self._talker.ask("told", told.replace(".", ","), self._growth())
        opened, = self._talker.ask("sessions", 0, SESSIONS)
        equal(opened, SESSIONS, f"{way.name}: sessions")

    def _growth(self):
        return self.way.growth if self._vip == LONG_VIP else 0

    def _build(self, world, lane):
        """Returns both ends, and what makes the node the barest one, if it is."""
        if self.way is REDIRECT:
            return lane.client, lane.server, ("redirect", lane.node.path, UPLINK, INSIDE, NEXT_MAC)
        if self.way.dnat:
            nat(lane.node, [self._vip], "21", SERVER, helper=self.way.follows == "kernel")
        # Nobody listens there who could be asked for his health.
        balance = (("--vip", self._vip, "--server", SERVER, "--health-interval", "0")
                   if self.way.balances else ())
        if self.way.follows == "ftpfix":
            self._ftpfix = Ftpfix(world, lane.node, "--dev", UPLINK, "--server-dev", INSIDE,
                                  "--forward", "nat", *self.way.options, *balance)
        return lane.client, lane.server, ()

    def can(self, row):
        """Without a follower nobody forwards data connections."""
        return row is not TRANSFER or self.way.follows or self.way.bare

    def measure(self, row):
        """Nanoseconds for each packet of one session."""
        least, *nanoseconds = self._talker.ask(row.kind)
        equal(least, SESSIONS, f"{self.way.name}: {row.title}")
        if row.kind != "plain":
            self._announced += SESSIONS
        if row.kind == "transfers":
            self._opened += SESSIONS
        return nanoseconds

    def check_counters(self):
        """ftpfix counted every announcement as rewritten, and nothing against it."""
        if self._ftpfix:
            self._ftpfix.announced(
                **{"adjusted" if self._growth() else "rewritten": self._announced})
            equal(self._ftpfix.counted("connections opened"), self._opened,
                  f"{self.way.name}: data connections that were opened")


def measure_row(runners, row, rounds):
    """Yields the way and, of each round, the nanoseconds of each packet above the wire, and those
    of the bare redirect."""
    taken = {}
    for turn, runner in alternating([one for one in runners if one.can(row)], rounds):
        each = runner.measure(row)
        if turn:
            taken[turn, runner.way] = each
    above = {(turn, way): [one - wire for one, wire in zip(each, taken[turn, WIRE])]
             for (turn, way), each in taken.items()}
    for (turn, way), each in above.items():
        if way is not WIRE:
            yield way, each, above[turn, REDIRECT]


def measure(world, figures, rounds):
    trip = figures.table("control", "Control connections: a round trip", "ns", NOTE + SAME_NODE)
    cost = figures.table("connection_cost", "New data connections: the node's work for one", "ns",
                         NOTE)
    work = figures.table("connection_work", "New data connections: the node's work above a bare "
                         "redirect", "ns", WORK_NOTE)
    rate = figures.table("connection_rate", "New data connections: what one CPU of the node "
                         "could do", "connections/s", "1 / (ns for one, above the wire)")
    for vip, rows in ((SAME_VIP, (PLAIN, ANNOUNCED, TRANSFER)), (LONG_VIP, (LONGER, AFTER))):
        runners = [Runner(world, way, vip) for way in WAYS]
        for row in rows:
            for way, above, floor in measure_row(runners, row, rounds):
                if row is not TRANSFER:
                    trip.add(row.title, way.name, sum(above))
                    continue
                for step, one, least in itertools.chain([(row.title, sum(above), sum(floor))],
                                                        zip(STEPS, above, floor)):
                    cost.add(step, way.name, one)
                    if way is not REDIRECT:
                        work.add(step, way.name, one - least)
                rate.add(row.title, way.name, 1e9 / max(sum(above), 1))
        for runner in runners:
            runner.check_counters()
    kernel = rate.median(TRANSFER.title, KERNEL.name)
    for way in (TC, XDP):
        figures.target(f"new data connections/s in the node alone, {way.name} / nf_nat_ftp",
                       rate.median(TRANSFER.title, way.name) / kernel, 2, True)
