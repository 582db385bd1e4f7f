# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""New data connections per second, as far as the node alone is concerned: announced,
opened and closed in many FTP sessions at once, both ends played by XDP programs."""
from dataclasses import dataclass

from e2e.check import check, equal
from e2e.ftpfix import Ftpfix
from e2e.topology import INSIDE, UPLINK, Port, connect
from kernel_nat import nat
from lane import END, NODE_MAC, SERVER, Lane, Talker
from rounds import alternating

# Written as long as the server's address: so no sequence number moves, for nobody.
VIP = "192.0.2.80"
# Below what the kernel's helper has room for.
SESSIONS = 2000
STEPS = ("PASV", "its 227", "SYN", "SYN and ACK", "ACK", "the server's FIN", "the client's FIN",
         "the last ACK")
ROW = f"all of it, in {SESSIONS:,} sessions"


@dataclass(frozen=True)
class Contender:
    name: str
    kind: str
    option: str = ""


WIRE = Contender("no node: generator, wire, sink", "wire")
KERNEL = Contender("nftables DNAT + nf_nat_ftp", "kernel")
TC = Contender("ftpfix as the balancer, TC alone", "ftpfix", "off")
XDP = Contender("ftpfix as the balancer, XDP", "ftpfix", "native")
CONTENDERS = (WIRE, KERNEL, TC, XDP)

NOTE = f"""\
{len(STEPS)} packets each; all sessions are at the same packet before the next one follows. Above
the wire alone, in the same round: the node's own work, and a veth pair more, on one CPU."""


class Runner:
    def __init__(self, world, contender):
        self.contender = contender
        self._ftpfix = None
        self._opened = 0
        if contender is WIRE:
            client, server = world.namespace("client"), world.namespace("server")
            connect(world, [Port(client, END, []), Port(server, END, [])])
            arriving = VIP
        else:
            client, server = self._build(world, Lane(world))
            arriving = SERVER
        self._talker = Talker(world, "packets", client.path, server.path, END, NODE_MAC, VIP,
                              arriving)
        opened, = self._talker.ask("sessions", 0, SESSIONS)
        equal(opened, SESSIONS, f"{contender.name}: sessions")

    def _build(self, world, lane):
        if self.contender is KERNEL:
            nat(lane.node, [VIP], "21", SERVER, helper=True)
        else:
            self._ftpfix = Ftpfix(world, lane.node, "--dev", UPLINK, "--server-dev", INSIDE,
                                  "--forward", "nat", "--xdp", self.contender.option,
                                  "--vip", VIP, "--server", SERVER, "--health-interval", "0")
        return lane.client, lane.server

    def measure(self):
        """Nanoseconds for each packet of one data connection."""
        least, *nanoseconds = self._talker.ask("transfers")
        equal(least, SESSIONS, f"{self.contender.name}: data connections")
        self._opened += SESSIONS
        return nanoseconds

    def check_counters(self):
        if self._ftpfix:
            self._ftpfix.announced(rewritten=self._opened)
            opened = self._ftpfix.counted("connections opened")
            check(opened == self._opened,
                  f"{self.contender.name}: {opened} data connections, not {self._opened}")


def measure(world, figures, rounds):
    cost = figures.table("openings_cost", "New data connections: the node's work for one", "ns",
                         NOTE)
    rate = figures.table("openings", "New data connections: what one CPU of the node could do",
                         "connections/s", "1 / (ns for one)")
    runners = [Runner(world, contender) for contender in CONTENDERS]
    taken = {}
    for turn, runner in alternating(runners, rounds):
        each = runner.measure()
        if turn:
            taken[turn, runner.contender] = each
    for (turn, contender), each in taken.items():
        if contender is not WIRE:
            above = [one - wire for one, wire in zip(each, taken[turn, WIRE])]
            for step, one in zip((ROW, *STEPS), (sum(above), *above)):
                cost.add(step, contender.name, one)
            rate.add(ROW, contender.name, 1e9 / max(sum(above), 1))
    for runner in runners:
        runner.check_counters()
    kernel = rate.median(ROW, KERNEL.name)
    for contender in (TC, XDP):
        figures.target(f"new data connections/s in the node alone, {contender.name} / nf_nat_ftp",
                       rate.median(ROW, contender.name) / kernel, 2, True)
