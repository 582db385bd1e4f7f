# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""A node with one interface, toward clients and servers alike."""
from .. import servers
from ..clients import Curl, Inetutils, Tnftp
from ..forwarders import haproxy, nft_dnat
from ..ftpfix import Ftpfix
from ..scenario import every_client, must_not_download, scenario, transfers
from ..topology import UPLINK, VIP, balanced


def _one_arm(world, start_forwarding, *options):
    topology = balanced(world, one_arm=True)
    server = servers.vsftpd(world, topology.server)
    start_forwarding(world, topology)
    clients = every_client(world, topology.client, VIP, server, (Tnftp, Inetutils, Curl))
    for client in clients:
        must_not_download(client, server)
    ftpfix = Ftpfix(world, topology.balancer, "--dev", UPLINK, *options)
    ftpfix.mark()
    connections = sum(transfers(client, server) for client in clients)
    ftpfix.announced(rewritten=connections // 2, kept=connections // 2)
    ftpfix.settle(connections)
    ftpfix.stop()


def _nft(_, topology):
    nft_dnat(topology)


for _mode, _forward in (("nat", _nft), ("fullnat", haproxy)):
    scenario(f"one arm: {_mode}, the interface named once")(
        lambda world, mode=_mode, forward=_forward:
        _one_arm(world, forward, "--forward", mode))
    scenario(f"one arm: {_mode}, the interface named for both sides")(
        lambda world, mode=_mode, forward=_forward:
        _one_arm(world, forward, "--forward", mode, "--server-dev", UPLINK))
