# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Clients behind the node, in active mode toward a server that opens only port
21: its connection comes in through the public port range and reaches the client."""
from .. import servers
from ..capture import Capture
from ..check import check, contains, equal, raises, wait_until
from ..clients import Curl, Ftplib, Inetutils, Lftp, Tnftp
from ..control import Control, Endpoint, dial, read_port
from ..ftpfix import Ftpfix
from ..scenario import SMALL, every_client, none_may_download, scenario, transfers
from ..topology import (BALANCER_OUTSIDE, BALANCER_OUTSIDE6, CLIENT_DEVICE, SERVER_DEVICE, UPLINK)
from ..topology_inside import (SERVER_OUTSIDE, SERVER_OUTSIDE6, clients_inside, inside_address,
                               inside_address6)
from .active import VERBS, canonical, only_opening

DATA_PORTS = (21000, 21999)
CLIENTS = (Curl, Lftp, Tnftp, Inetutils, Ftplib)


def _inside(world, family):
    address, public, mine = (
        (SERVER_OUTSIDE, BALANCER_OUTSIDE, inside_address(0)) if family == 4 else
        (SERVER_OUTSIDE6, BALANCER_OUTSIDE6, inside_address6(0)))
    topology = clients_inside(world)
    server = servers.vsftpd(world, topology.server, family=family)
    at_client = world.keep(Capture(topology.client, CLIENT_DEVICE))
    at_server = world.keep(Capture(topology.server, SERVER_DEVICE))
    clients = every_client(world, topology.client, address, server, CLIENTS, active=True)
    for said in none_may_download(clients, server):
        contains(said, "500", "the server's answer")

    control = world.keep(Control(topology.client, address))
    control.log_in(server.login)
    raises(OSError, lambda: control.dial(control.extended()), "passive mode")
    for verb in VERBS[family]:
        listener = world.keep(control.listen())
        at_server.forget()
        contains(control.ask(listener.command(verb), 500).text, f"Illegal {verb} command",
                 "what the server says without ftpfix")
        equal(at_server.announced_by_client(), [listener.command(verb)], "what reached the server")

    low, high = DATA_PORTS
    ftpfix = Ftpfix(world, topology.balancer, "--dev", UPLINK, "--clients", "inside",
                    "--data-ports", f"{low}-{high}")
    control = world.keep(Control(topology.client, address))
    control.log_in(server.login)
    for verb in VERBS[family]:
        at_client.forget()
        at_server.forget()
        listener = world.keep(control.listen())
        with open(server.files.path(SMALL), "rb") as file:
            expected = file.read()
        content, peer = control.active(listener, listener.command(verb), f"RETR {SMALL}")
        check(content == expected, f"the content after {verb}")
        line, = at_server.announced_by_client()
        canonical(line)
        told = read_port(line)
        equal(told.address, public, f"the address that the server is told in {line!r}")
        check(low <= told.port <= high, f"the port in {line!r} is out of the range")
        dialled = only_opening(at_server, "dialled by the server")
        equal((dialled.source, dialled.source_port), (address, 20), "the server's own endpoint")
        equal(Endpoint(dialled.target, dialled.target_port), told, "dialled by the server")
        reached = only_opening(at_client, "dialled toward the client")
        equal((reached.source, reached.source_port, reached.target, reached.target_port),
              (address, 20, mine, listener.endpoint.port), "what reached the client")
        equal(peer, Endpoint(address, 20), "where the client sees the connection come from")
        # It served once; and what nobody announced is not open at all.
        for port in (told.port, low, high):
            raises(OSError, lambda p=port: dial(topology.server, Endpoint(public, p)),
                   f"dialling port {port} of the router")
    for client in clients:
        transfers(client, server)
    raises(OSError, lambda: control.dial(control.extended()), "passive mode, with ftpfix")
    wait_until(lambda: not ftpfix.show("flows"), "no flow left")
    equal(ftpfix.show("expected"), [], "expectations")
    ftpfix.stop()


for _family in (4, 6):
    scenario(f"inside: active mode through the router, IPv{_family}, vsftpd opens only port 21")(
        lambda world, family=_family: _inside(world, family))
