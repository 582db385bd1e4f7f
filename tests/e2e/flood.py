# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Somebody who opens connections and never goes on with them: runs programs/flood.py in a
namespace. Knows no FTP."""
import os
import sys

from .check import equal
from .topology import CLIENT_DEVICE, UPLINK

PROGRAM = os.path.join(os.path.dirname(os.path.abspath(__file__)), "programs", "flood.py")


class Flood:
    """From a client's network to the balancer: so many, so many a second at most. Without a
    source each has another one."""

    def __init__(self, world, topology, client, target, ports, count, rate=0, source=None):
        link = topology.balancer.run("ip", "-o", "link", "show", UPLINK).stdout
        mac = link.split("link/ether ")[1].split()[0]
        self._process = world.keep(client.spawn(
            sys.executable, PROGRAM, CLIENT_DEVICE, mac, target, ports, str(count),
            str(rate), *([source] if source else []), name="flood"))

    def running(self):
        return self._process.running()

    def finish(self, seconds=60):
        equal(self._process.wait(seconds), 0, f"exit status of a flood: {self._process.lines}")
