# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Active mode toward servers inside: what the server is told to dial, and from
where the client sees its connection come."""
import ipaddress

from .. import servers
from ..capture import Capture
from ..check import check, contains, equal, raises, wait_until
from ..clients import Curl, Ftplib, Lftp, Tnftp
from ..control import Control, Endpoint, dial, read_port
from ..forwarders import haproxy, nft_dnat, nft_dnat6
from ..ftpfix import Ftpfix
from ..scenario import SMALL, every_client, none_may_download, scenario, transfers
from ..topology import (BALANCER_INSIDE, BALANCER_INSIDE6, CLIENT_DEVICE, SERVER_DEVICE, UPLINK,
                        VIP, VIP6, balanced, server_address, server_address6)

# Real clients; lftp accepts a data connection from the control peer's address only.
ACTIVE_CLIENTS = (Curl, Lftp, Tnftp, Ftplib)
# With which a server is told where to dial, by the family of the service.
VERBS = {4: ("PORT", "EPRT"), 6: ("EPRT",)}


def _nft(family, masquerade):
    def start(_, topology):
        (nft_dnat if family == 4 else nft_dnat6)(topology, masquerade=masquerade)
    return start


def _site(world, family, start_forwarding):
    topology = balanced(world, ipv6=family == 6)
    server = servers.vsftpd(world, topology.server, family=family)
    start_forwarding(world, topology)
    outside = world.keep(Capture(topology.client, CLIENT_DEVICE))
    inside = world.keep(Capture(topology.server, SERVER_DEVICE))
    return topology, server, outside, inside


def _content(server):
    with open(server.files.path(SMALL), "rb") as file:
        return file.read()


def only_opening(capture, what):
    found = capture.openings()
    equal(len(found), 1, f"{what}: {found}")
    return found[0]


def canonical(line):
    """Servers compare the address of an EPRT as text, so that it must be as
    inet_ntop() writes it; a PORT must have six plain numbers."""
    if line.startswith("EPRT"):
        text = read_port(line).address
        equal(text, str(ipaddress.ip_address(text)), f"the address in {line!r}")
        equal(line.split("|")[1], "2" if ":" in text else "1", f"the family in {line!r}")
    else:
        check(all(part.isdigit() for part in line[5:].split(",")), f"the numbers in {line!r}")


def _fullnat(world, family, start_forwarding):
    vip, balancer, backend = ((VIP, BALANCER_INSIDE, server_address(0)) if family == 4 else
                              (VIP6, BALANCER_INSIDE6, server_address6(0)))
    topology, server, outside, inside = _site(world, family, start_forwarding)
    clients = every_client(world, topology.client, vip, server, ACTIVE_CLIENTS, active=True)
    for said in none_may_download(clients, server):
        contains(said, "500", "the server's answer")

    control = world.keep(Control(topology.client, vip))
    control.log_in(server.login)
    for verb in VERBS[family]:
        listener = world.keep(control.listen())
        contains(control.ask(listener.command(verb), 500).text, f"Illegal {verb} command",
                 "what the server says without ftpfix")

    ftpfix = Ftpfix(world, topology.balancer, "--dev", UPLINK, "--forward", "fullnat")
    control = world.keep(Control(topology.client, vip))
    control.log_in(server.login)
    for verb in VERBS[family]:
        outside.forget()
        inside.forget()
        listener = world.keep(control.listen())
        content, peer = control.active(listener, listener.command(verb), f"RETR {SMALL}")
        check(content == _content(server), f"the content after {verb}")
        equal(peer, Endpoint(vip, 20), "where the client sees the connection come from")
        line, = inside.announced_by_client()
        canonical(line)
        told = read_port(line)
        equal(told.address, balancer, f"the address that the server is told in {line!r}")
        dialled = only_opening(inside, "dialled by the server")
        equal((dialled.source, dialled.source_port), (backend, 20), "the server's own endpoint")
        equal(Endpoint(dialled.target, dialled.target_port), told, "dialled by the server")
        reached = only_opening(outside, "dialled toward the client")
        equal((reached.source, reached.source_port), (vip, 20), "its source at the client")
        equal(Endpoint(reached.target, reached.target_port), listener.endpoint, "its target")
    for client in clients:
        transfers(client, server)
    wait_until(lambda: not ftpfix.show("flows"), "no flow left")
    equal(ftpfix.show("expected"), [], "expectations")
    # What served once is closed: there is nobody at the balancer's own port.
    raises(OSError, lambda: dial(topology.server, told), "the same endpoint again")
    ftpfix.stop()


for _family in (4, 6):
    scenario(f"active: fullnat, HAProxy, IPv{_family}, the server dials the balancer")(
        lambda world, family=_family:
        _fullnat(world, family, lambda world, topology: haproxy(world, topology, family=family)))
    scenario(f"active: fullnat, nftables, IPv{_family}, the server dials the balancer")(
        lambda world, family=_family: _fullnat(world, family, _nft(family, masquerade=True)))


def _nat(world, family):
    vip, backend = (VIP, server_address(0)) if family == 4 else (VIP6, server_address6(0))
    topology, server, outside, inside = _site(world, family, _nft(family, masquerade=False))
    clients = every_client(world, topology.client, vip, server, ACTIVE_CLIENTS, active=True)
    none_may_download(clients, server)
    # The server's own connection reaches the client, but from an address that the
    # client cannot answer.
    equal({opening.source for opening in outside.openings()}, {backend},
          "where connections come from without ftpfix")

    ftpfix = Ftpfix(world, topology.balancer, "--dev", UPLINK, "--forward", "nat")
    control = world.keep(Control(topology.client, vip))
    control.log_in(server.login)
    for verb in VERBS[family]:
        outside.forget()
        inside.forget()
        listener = world.keep(control.listen())
        content, peer = control.active(listener, listener.command(verb), f"RETR {SMALL}")
        check(content == _content(server), f"the content after {verb}")
        equal(peer, Endpoint(vip, 20), "where the client sees the connection come from")
        equal(inside.announced_by_client(), [listener.command(verb)], "what the server is told")
        dialled = next(opening for opening in inside.openings()
                       if opening.target_port == listener.endpoint.port)
        equal((dialled.source, dialled.source_port, dialled.target),
              (backend, 20, listener.endpoint.address), "dialled by the server")
    for client in clients:
        transfers(client, server)
    wait_until(lambda: not ftpfix.show("flows"), "no flow left")
    equal(ftpfix.show("expected"), [], "expectations")
    ftpfix.stop()


for _family in (4, 6):
    scenario(f"active: nat, IPv{_family}, the client sees the address that it dialled")(
        lambda world, family=_family: _nat(world, family))
