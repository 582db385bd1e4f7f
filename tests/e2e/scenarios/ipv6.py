# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Passive mode over IPv6: a 229 names no address, so that only its port can be
wrong, and the data connection still needs someone to carry it."""
from .. import servers
from ..capture import Capture
from ..check import check, equal, raises, wait_until
from ..clients import Curl, Ftplib, Lftp, Tnftp
from ..control import Control, Endpoint
from ..forwarders import haproxy, nft_dnat6
from ..ftpfix import Ftpfix
from ..scenario import SMALL, every_client, none_may_download, scenario, transfers
from ..topology import (BALANCER_INSIDE6, SERVER_DEVICE, UPLINK, VIP6, balanced, client_address6,
                        server_address6)

CLIENTS = (Curl, Lftp, Tnftp, Ftplib)


def _passive(world, mode, start_forwarding, source):
    topology = balanced(world, ipv6=True)
    server = servers.vsftpd(world, topology.server, passive=(30000, 30100), family=6)
    start_forwarding(world, topology)
    inside = world.keep(Capture(topology.server, SERVER_DEVICE))
    clients = every_client(world, topology.client, VIP6, server, CLIENTS)
    none_may_download(clients, server)
    control = world.keep(Control(topology.client, VIP6))
    control.log_in(server.login)
    raises(ConnectionRefusedError, lambda: control.dial(control.extended()), "without ftpfix")

    for data_ports, kept in (("1024-65535", True), ("21000-21999", False)):
        ftpfix = Ftpfix(world, topology.balancer, "--dev", UPLINK, "--forward", mode,
                        "--data-ports", data_ports)
        control = world.keep(Control(topology.client, VIP6))
        control.log_in(server.login)
        inside.forget()
        endpoint = control.extended()
        low, high = map(int, data_ports.split("-"))
        check(low <= endpoint.port <= high, f"public port {endpoint.port} is out of range")
        with open(server.files.path(SMALL), "rb") as file:
            check(control.transfer(endpoint, f"RETR {SMALL}") == file.read(), "same content")
        opening, = inside.openings()
        equal(opening.source, source, "the peer of the data connection at the server")
        equal(opening.target, server_address6(0), "its target")
        equal(Endpoint(VIP6, opening.target_port) == endpoint, kept, "the port is kept")
        for client in clients:
            transfers(client, server)
        wait_until(lambda: not ftpfix.show("flows"), "no flow left")
        ftpfix.stop()


@scenario("ipv6: passive, nat, ports kept and remapped, the server sees the client's address")
def nat(world):
    _passive(world, "nat", lambda _, topology: nft_dnat6(topology), client_address6(0))


@scenario("ipv6: passive, fullnat with HAProxy, ports kept and remapped")
def fullnat(world):
    _passive(world, "fullnat", lambda world, topology: haproxy(world, topology, family=6),
             BALANCER_INSIDE6)
