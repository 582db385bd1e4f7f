# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Bytes per second of one download by PASV at an MTU of 1500, with the devices' help in
cutting and joining segments, and without."""
import contextlib

from e2e import servers
from e2e.check import equal
from e2e.topology import CLIENT_DEVICE, INSIDE, SERVER_DEVICE, UPLINK
from e2e.world import World
from rounds import alternating
from stacks import CONTENDERS, XDP, build

REMOTE = "pub/large.bin"
# Slower than this is taken for a hang.
LEAST_MEGABYTES_PER_SECOND = 10

HELPED = "with TSO, GSO and GRO"
PLAIN = "without: every packet on its own"
ROWS = (HELPED, PLAIN)

NOTE = """\
{megabytes} MB from vsftpd to curl, which take their part of both CPUs. Toward a device that
has an XDP program veth never sends more than one packet at once, whatever is asked of it,
and checksums must be complete: the XDP row with GSO is one without."""


class Runner:
    def __init__(self, world, contender, megabytes):
        self.contender = contender
        self._megabytes = megabytes
        self._topology = build(world, contender)
        self._server = servers.vsftpd(world, self._topology.server)
        self._server.files.write(REMOTE, megabytes * 1_000_000)

    def prepare(self, row):
        topology = self._topology
        state = "on" if row is HELPED else "off"
        # XDP cannot complete checksums that veth leaves partial.
        checksums = "off" if self.contender is XDP or row is PLAIN else "on"
        for namespace, device in ((topology.client, CLIENT_DEVICE),
                                  (topology.balancer, UPLINK), (topology.balancer, INSIDE),
                                  (topology.server, SERVER_DEVICE)):
            namespace.run("ethtool", "-K", device, "tx", checksums, check=False)
            namespace.run("ethtool", "-K", device, "tso", state, "gso", state, "gro", state,
                          check=False)
        if self.contender is XDP:
            # Without an XDP program of their own the ends take frames only so.
            for namespace, device in ((topology.client, CLIENT_DEVICE),
                                      (topology.server, SERVER_DEVICE)):
                namespace.run("ethtool", "-K", device, "gro", "on")

    def measure(self):
        """Gigabits per second of one download, as curl measures it."""
        done = self._topology.client.run(
            "curl", "-sS", "--disable-epsv", "--no-ftp-skip-pasv-ip",
            "-u", ":".join(self._server.login), "-o", "/dev/null",
            "-w", "%{size_download} %{speed_download}", f"ftp://{self.contender.address}/{REMOTE}",
            timeout=30 + self._megabytes / LEAST_MEGABYTES_PER_SECOND)
        size, speed = done.stdout.split()
        equal(int(size), self._megabytes * 1_000_000, "bytes that arrived")
        return float(speed) * 8 / 1e9


def measure(world, figures, megabytes, rounds):
    table = figures.table("bulk", "One download", "Gbit/s", NOTE.format(megabytes=megabytes), 2)
    with contextlib.ExitStack() as stack:
        # A world for each: their servers have one name.
        runners = [Runner(stack.enter_context(World(world.directory)), contender, megabytes)
                   for contender in CONTENDERS]
        for row in ROWS:
            for runner in runners:
                runner.prepare(row)
            for turn, runner in alternating(runners, rounds):
                speed = runner.measure()
                if turn:
                    table.add(row, runner.contender.name, speed)
