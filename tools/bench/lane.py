# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""One contender with a client and a server of its own, for measures that play both
ends with packets: nobody there has a TCP stack in use. All lanes of a measure stand
side by side.

    client (end) ── (uplink) node (inside) ── (end) server
"""
import os
import subprocess

from e2e.check import check
from e2e.servers import TOP
from e2e.topology import INSIDE, UPLINK, Port, connect, forward, speak_ipv6

PROGRAMS = os.path.join(TOP, "build", "bench")
END = "end"
NODE_MAC = "02:00:5e:00:53:01"
# Of nobody: what has come out of the node is of no use any more.
NEXT_MAC = "02:00:5e:00:53:ff"
CLIENT, SERVER = "198.51.100.10", "10.0.0.175"
VIP = "203.0.113.5"
# See flow_number.h.
MANY_CLIENTS = "100.64.0.0/10"
MANY_CLIENTS6 = "2001:db8:64::/64"
CLIENT6, SERVER6 = "2001:db8:c::10", "fd00:10::175"
VIP6 = "2001:db8:5::5"


def last_cpu():
    """The first one serves more of what else there is."""
    return str(max(os.sched_getaffinity(0)))


class Lane:
    def __init__(self, world, ipv6=False):
        self.client, self.node, self.server = (world.namespace(role)
                                               for role in ("client", "node", "server"))
        forward(self.node)
        connect(world, [Port(self.client, END, []),
                        Port(self.node, UPLINK, ["198.51.100.1/24"])])
        connect(world, [Port(self.server, END, []), Port(self.node, INSIDE, ["10.0.0.1/24"])])
        for device, neighbour in ((UPLINK, CLIENT), (INSIDE, SERVER)):
            self.node.run("ip", "link", "set", device, "address", NODE_MAC)
            self.node.run("ip", "neigh", "replace", neighbour, "lladdr", NEXT_MAC,
                          "dev", device, "nud", "permanent")
            # As on a network card; and veth takes frames of XDP only then.
            self.node.run("ethtool", "-K", device, "gro", "on")
        self.node.run("ip", "route", "add", MANY_CLIENTS, "via", CLIENT)
        if ipv6:
            self._speak_ipv6()
        # So does a network card verify checksums, and conntrack need not.
        self.node.sysctl("net/netfilter/nf_conntrack_checksum", 0)

    def _speak_ipv6(self):
        speak_ipv6(self.node)
        for device, address, neighbour in ((UPLINK, "2001:db8:c::1", CLIENT6),
                                           (INSIDE, "fd00:10::1", SERVER6)):
            self.node.sysctl(f"net/ipv6/conf/{device}/disable_ipv6", 0)
            self.node.run("ip", "address", "add", f"{address}/64", "dev", device, "nodad")
            self.node.run("ip", "neigh", "replace", neighbour, "lladdr", NEXT_MAC,
                          "dev", device, "nud", "permanent")
        self.node.run("ip", "route", "add", MANY_CLIENTS6, "via", CLIENT6)


class Talker:
    """A program that answers each line that it is told with one of its own."""

    def __init__(self, world, name, *words):
        self._name = name
        self._process = subprocess.Popen(
            ["taskset", "-c", last_cpu(), os.path.join(PROGRAMS, name), *words],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        world.keep(self)

    def ask(self, *words):
        try:
            self._process.stdin.write(" ".join(map(str, words)) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            pass
        answer = self._process.stdout.readline()
        check(answer, f"{self._name} ended at {words}: see above")
        return [int(word) for word in answer.split()]

    def close(self):
        self._process.stdin.close()
        self._process.wait()
