# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""New data connections per second between real TCP stacks: many FTP sessions in one
process on each side, each asking for one data connection after the other: PASV, 227, opened,
read to its end, 226."""
from e2e.check import check
from e2e.topology import CLIENT_DEVICE, SERVER_DEVICE
from kernel_nat import large_conntrack
from lane import PROGRAMS
from rounds import alternating
from stacks import CONTENDERS, KERNEL, TC, XDP, build

SESSIONS = 64
ROW = f"{SESSIONS} sessions at once"

NOTE = """\
Client and server have a CPU each, and their TCP stacks have most of the work: the routed row is
what they reach when the node has nearly none, the ceiling of all others. What the node
alone could do stands in the table before."""


class Runner:
    def __init__(self, world, contender):
        self.contender = contender
        self._topology = topology = build(world, contender)
        for namespace, device in ((topology.client, CLIENT_DEVICE),
                                  (topology.server, SERVER_DEVICE)):
            # XDP cannot complete checksums that veth leaves partial.
            namespace.run("ethtool", "-K", device, "tx", "off")
            namespace.run("ethtool", "-K", device, "gro", "on")
        # The server ends data connections first, and the ports of its past would be waited for.
        topology.server.sysctl("net/ipv4/tcp_max_tw_buckets", 1000)
        server = world.keep(topology.server.spawn(
            "taskset", "-c", "0", f"{PROGRAMS}/ftp_load", "server", name="ftp_load"))
        server.wait_for(lambda: "ready" in server.lines, "ready")

    def measure(self, milliseconds):
        """Data connections per second."""
        done = self._topology.client.run("taskset", "-c", "1", f"{PROGRAMS}/ftp_load", "client",
                                         self.contender.address, str(SESSIONS), str(milliseconds))
        count, nanoseconds = map(int, done.stdout.split())
        check(count, f"{self.contender.name}: no data connection")
        return count * 1e9 / nanoseconds


def measure(world, figures, milliseconds, rounds):
    table = figures.table("connections", "New data connections, between TCP stacks",
                          "connections/s", NOTE)
    with large_conntrack():
        runners = [Runner(world, contender) for contender in CONTENDERS]
        for turn, runner in alternating(runners, rounds):
            rate = runner.measure(milliseconds)
            if turn:
                table.add(ROW, runner.contender.name, rate)
    kernel = table.median(ROW, KERNEL.name)
    for contender in (TC, XDP):
        figures.target(f"new data connections/s between TCP stacks, {contender.name} / nf_nat_ftp",
                       table.median(ROW, contender.name) / kernel, 2, True)
