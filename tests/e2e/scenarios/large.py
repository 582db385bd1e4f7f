# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Large transfers, with the offloads that join packets and without, and what
remains of ftpfix when it is told to end."""
import signal

from .. import servers
from ..check import equal
from ..clients import Curl
from ..forwarders import haproxy, nft_dnat
from ..ftpfix import Ftpfix, attached
from ..scenario import must_download, must_not_download, must_upload, scenario
from ..topology import CLIENT_DEVICE, INSIDE, SERVER_DEVICE, UPLINK, VIP, balanced

LARGE = "pub/large.bin"
LARGE_BYTES = 100_000_000


def _offloads_off(topology):
    for namespace, devices in ((topology.client, [CLIENT_DEVICE]),
                               (topology.server, [SERVER_DEVICE]),
                               (topology.balancer, [UPLINK, INSIDE])):
        for device in devices:
            namespace.run("ethtool", "-K", device, "tx", "off", "gso", "off", "gro", "off",
                          "tso", "off")


def _gro_on(topology):
    for device in (UPLINK, INSIDE):
        topology.balancer.run("ethtool", "-K", device, "gro", "on")


def _large(world, mode, start_forwarding, prepare):
    topology = balanced(world)
    prepare(topology)
    server = servers.vsftpd(world, topology.server)
    server.files.write(LARGE, LARGE_BYTES)
    start_forwarding(world, topology)
    client = Curl(world, topology.client, VIP, server.port, server.login)
    must_not_download(client, server)
    ftpfix = Ftpfix(world, topology.balancer, "--dev", UPLINK, "--forward", mode)
    must_download(client, server, LARGE)
    must_upload(client, server, "up")
    ftpfix.settle(2)
    ftpfix.stop()


def _nft(_, topology):
    nft_dnat(topology)


for _mode, _forward in (("nat", _nft), ("fullnat", haproxy)):
    for _name, _prepare in (("GRO and TSO on", _gro_on), ("offloads off", _offloads_off)):
        scenario(f"large: 100 MB, {_mode}, {_name}")(
            lambda world, mode=_mode, forward=_forward, prepare=_prepare:
            _large(world, mode, forward, prepare))


def _ends_clean(world, number):
    topology = balanced(world)
    server = servers.vsftpd(world, topology.server)
    nft_dnat(topology)
    client = Curl(world, topology.client, VIP, server.port, server.login)
    must_not_download(client, server)
    for device in (UPLINK, INSIDE):
        equal(attached(topology.balancer, device), 0, f"programs on {device} before")
    before = topology.balancer.run("tc", "qdisc", "show").stdout

    ftpfix = Ftpfix(world, topology.balancer, "--dev", UPLINK)
    equal(attached(topology.balancer, UPLINK), 2, f"programs on {UPLINK}")
    equal(attached(topology.balancer, INSIDE), 2, f"programs on {INSIDE}")
    must_download(client, server)
    ftpfix.settle(1)
    ftpfix.stop(number)

    for device in (UPLINK, INSIDE):
        equal(attached(topology.balancer, device), 0, f"programs on {device} afterwards")
    equal(topology.balancer.run("tc", "qdisc", "show").stdout, before, "queueing disciplines")
    must_not_download(client, server)


for _number in (signal.SIGTERM, signal.SIGINT):
    scenario(f"end: after {_number.name} nothing remains attached")(
        lambda world, number=_number: _ends_clean(world, number))


@scenario("end: attached as classic filters it serves as well, and leaves nothing")
def classic(world):
    topology = balanced(world)
    server = servers.vsftpd(world, topology.server)
    nft_dnat(topology)
    client = Curl(world, topology.client, VIP, server.port, server.login)
    must_not_download(client, server)
    before = topology.balancer.run("tc", "qdisc", "show").stdout
    ftpfix = Ftpfix(world, topology.balancer, "--dev", UPLINK, "--attach", "clsact")
    equal(attached(topology.balancer, UPLINK), 2, f"programs on {UPLINK}")
    equal(attached(topology.balancer, INSIDE), 2, f"programs on {INSIDE}")
    must_download(client, server)
    ftpfix.settle(1)
    ftpfix.stop()
    equal(topology.balancer.run("tc", "qdisc", "show").stdout, before, "queueing disciplines")
