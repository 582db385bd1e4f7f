# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The server sees the control connection come from the balancer: HAProxy, or
nftables with masquerade. Data connections must come from there too
(--forward fullnat), since vsftpd compares the two."""
from .. import servers
from ..capture import Capture
from ..check import contains, equal, raises
from ..clients import Curl, Tnftp
from ..control import Control
from ..files import SMALL_BYTES
from ..forwarders import haproxy, nft_dnat
from ..ftpfix import Ftpfix
from ..scenario import (SMALL, every_client, must_download, must_not_download, scenario,
                        transfers)
from ..topology import (BALANCER_INSIDE, CLIENT_DEVICE, INSIDE, SERVER_DEVICE, UPLINK, VIP,
                        balanced, server_address)

REFUSAL = "425 Security: Bad IP connecting."
DATA_PORTS = (21000, 21999)


def _forward_range(topology):
    """What an operator without ftpfix would do: forward the server's data ports."""
    topology.balancer.run("nft", "-f", "-", text_in=f"""
        table ip range {{
            chain in {{
                type nat hook prerouting priority dstnat
                ip daddr {VIP} tcp dport {DATA_PORTS[0]}-{DATA_PORTS[1]} dnat to {server_address(0)}
            }}
        }}""")


def _every_client(world, start_forwarding):
    topology = balanced(world)
    server = servers.vsftpd(world, topology.server, passive=DATA_PORTS)
    start_forwarding(world, topology)
    outside = world.keep(Capture(topology.client, CLIENT_DEVICE))
    inside = world.keep(Capture(topology.server, SERVER_DEVICE))
    clients = every_client(world, topology.client, VIP, server)

    for client in clients:
        must_not_download(client, server)
    contains("\n".join(outside.lines("227 ")), "(10,0,0,175,", "the 227 that reached the client")

    # A 229 names no address, so that this client comes through to the server.
    _forward_range(topology)
    curl = Curl(world, topology.client, VIP, server.port, server.login, extended=True)
    contains(must_not_download(curl, server), REFUSAL, "the server's answer to a forwarded range")
    topology.balancer.run("nft", "delete", "table", "ip", "range")

    ftpfix = Ftpfix(world, topology.balancer, "--dev", UPLINK, "--forward", "nat")
    for client in (curl, Tnftp(world, topology.client, VIP, server.port, server.login)):
        contains(must_not_download(client, server), "425 ", "the answer to an unmasked client")
    ftpfix.stop()

    ftpfix = Ftpfix(world, topology.balancer, "--dev", UPLINK, "--forward", "fullnat")
    ftpfix.mark()
    outside.forget()
    inside.forget()
    connections = sum(transfers(client, server) for client in clients)
    for line in outside.lines("227 "):
        contains(line, "(203,0,113,5,", "the 227 that reached the client")
    equal(inside.lines(REFUSAL), [], "refusals")
    ftpfix.announced(rewritten=connections // 2, kept=connections // 2)
    ftpfix.settle(connections)
    ftpfix.stop()


@scenario("fullnat: HAProxy, vsftpd refuses any other peer, five clients, PASV and EPSV")
def proxied(world):
    _every_client(world, haproxy)


@scenario("fullnat: nftables DNAT and masquerade, five clients, PASV and EPSV")
def masqueraded(world):
    _every_client(world, lambda _, topology: nft_dnat(topology, masquerade=True))


@scenario("fullnat: HAProxy with pure-ftpd and with proftpd")
def other_servers(world):
    topology = balanced(world)
    haproxy(world, topology)
    for start in (servers.pure_ftpd, servers.proftpd):
        server = start(world, topology.server)
        clients = every_client(world, topology.client, VIP, server, (Tnftp, Curl))
        for client in clients:
            must_not_download(client, server)
        ftpfix = Ftpfix(world, topology.balancer, "--dev", UPLINK, "--forward", "fullnat")
        ftpfix.settle(sum(transfers(client, server) for client in clients))
        ftpfix.stop()
        server.process.stop()


@scenario("fullnat: --source chooses the address that the server sees")
def explicit_source(world):
    topology = balanced(world)
    source = "10.0.0.9"
    topology.balancer.run("ip", "address", "add", f"{source}/24", "dev", INSIDE)
    server = servers.vsftpd(world, topology.server, promiscuous=True)
    haproxy(world, topology)
    control = world.keep(Control(topology.client, VIP))
    control.log_in(server.login)
    raises(OSError, lambda: control.dial(control.passive()), "dialling without ftpfix")

    for options, seen in (([], BALANCER_INSIDE), (["--source", source], source)):
        ftpfix = Ftpfix(world, topology.balancer, "--dev", UPLINK, "--forward", "fullnat",
                        *options)
        endpoint = control.passive()
        with control.dial(endpoint) as data:
            flow, = ftpfix.show("flows")
            equal(flow["source"].split(":")[0], seen, "source address of the flow")
            sockets = topology.server.run("ss", "-Htn", f"sport = :{endpoint.port}").stdout
            contains(sockets, flow["source"], "the peer of the data connection at the server")
            control.ask(f"RETR {SMALL}", 150)
            while data.recv(1 << 16):
                pass
            flow, = ftpfix.show("flows")
            equal((flow["state"], flow["bytes_to_server"], flow["bytes_to_client"]),
                  ("half closed", 0, SMALL_BYTES), "the flow when the file has come")
        equal(control.reply().code, 226, "end of the transfer")
        ftpfix.settle(1)
        ftpfix.stop()


@scenario("fullnat: nothing of it without ftpfix's forwarding (--forward none)")
def address_alone(world):
    topology = balanced(world)
    server = servers.vsftpd(world, topology.server)
    haproxy(world, topology)
    client = Tnftp(world, topology.client, VIP, server.port, server.login)
    contains(must_not_download(client, server), "(10,0,0,175,", "announced without ftpfix")
    ftpfix = Ftpfix(world, topology.balancer, "--dev", UPLINK, "--forward", "none")
    contains(must_not_download(client, server), "(203,0,113,5,", "announced with ftpfix")
    ftpfix.stop()
    ftpfix = Ftpfix(world, topology.balancer, "--dev", UPLINK, "--forward", "fullnat")
    must_download(client, server)
    ftpfix.settle(1)
    ftpfix.stop()
