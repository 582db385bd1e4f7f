# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""How a line is rewritten (--rewrite), and which address each client is told:
by its own address (--advertise), and by the uplink that it comes from."""
import re
import threading

from .. import servers
from ..capture import Capture
from ..check import check, equal, raises
from ..clients import Curl, Lftp, Tnftp
from ..control import Control, Endpoint
from ..forwarders import haproxy, nft_dnat
from ..ftpfix import Ftpfix
from ..scenario import SMALL, every_client, none_may_download, scenario, transfers
from ..topology import (BALANCER_OUTSIDE, CLIENT_DEVICE, SERVER_DEVICE, SPARE_VIP, UPLINK, VIP,
                        Port, balanced, client_address, connect, no_private_routes,
                        server_address)

KINDS = (Tnftp, Curl, Lftp)
# Four digits, so that the public ports below are longer.
PASSIVE = (4000, 4999)
PUBLIC = "21000-21999"
SECOND_UPLINK = "uplink2"
SECOND_GATEWAY, SECOND_CLIENT = "192.0.2.1", "192.0.2.10"
ROUNDS = 20
NUMBER = r"(?:0|[1-9]\d*)"
ADJUSTED = re.compile(
    rf"227 Entering Passive Mode \({VIP.replace('.', ',')},{NUMBER},{NUMBER}\)\.")


def _content(server):
    with open(server.files.path(SMALL), "rb") as file:
        return file.read()


def _rewrite(world, mode, start_forwarding, how):
    topology = balanced(world)
    server = servers.vsftpd(world, topology.server, passive=PASSIVE)
    start_forwarding(world, topology)
    outside = world.keep(Capture(topology.client, CLIENT_DEVICE))
    inside = world.keep(Capture(topology.server, SERVER_DEVICE))
    clients = [client for client in every_client(world, topology.client, VIP, server, KINDS)
               if how != "equal-length" or not client.extended]
    none_may_download(clients, server)

    ftpfix = Ftpfix(world, topology.balancer, "--dev", UPLINK, "--forward", mode,
                    "--data-ports", PUBLIC, "--rewrite", how)
    ftpfix.mark()
    outside.forget()
    inside.forget()
    connections = sum(transfers(client, server) for client in clients)
    said = outside.lines("227 ")
    if how == "adjust":
        # As the server writes it: what it says, with another endpoint.
        equal([line for line in said if not ADJUSTED.fullmatch(line)], [], "another form")
    else:
        equal([len(line) for line in said], [len(line) for line in inside.lines("227 ")],
              "lengths of the lines")
    counted = {name: ftpfix.counted(f"announcements {name}") for name in ("rewritten", "adjusted")}
    equal(sum(counted.values()), connections, "announcements followed")
    if how == "adjust":
        # The few whose length happens to stay are no others.
        check(counted["adjusted"] > connections // 2, f"how they were rewritten: {counted}")
    else:
        equal(counted["adjusted"], 0, "lines of another length")
    ftpfix.settle(connections)
    ftpfix.stop()


for _mode, _forward in (("nat", lambda _, topology: nft_dnat(topology)), ("fullnat", haproxy)):
    for _how in ("adjust", "equal-length"):
        scenario(f"rewriting: --rewrite {_how}, {_mode}, three clients")(
            lambda world, mode=_mode, forward=_forward, how=_how:
            _rewrite(world, mode, forward, how))


@scenario("rewriting: sequence numbers stay right over many announcements in one session")
def long_session(world):
    topology = balanced(world)
    server = servers.vsftpd(world, topology.server, passive=PASSIVE)
    nft_dnat(topology)
    content = _content(server)
    control = world.keep(Control(topology.client, VIP))
    control.log_in(server.login)
    raises(OSError, lambda: control.dial(control.passive()), "dialling without ftpfix")
    ftpfix = Ftpfix(world, topology.balancer, "--dev", UPLINK, "--data-ports", PUBLIC,
                    "--rewrite", "adjust")
    for _ in range(ROUNDS):
        for announce in (control.passive, control.extended):
            check(control.transfer(announce(), f"RETR {SMALL}") == content, "same content")
    # Several lines in one segment, each of which moves what follows.
    control.send(*["EPSV", "NOOP", "PASV", "NOOP"])
    codes = [control.reply().code for _ in range(4)]
    equal(codes, [229, 200, 227, 200], "replies")
    control.ask("QUIT", 221)
    ftpfix.settle(2 * ROUNDS)
    ftpfix.stop()


@scenario("rewriting: --advertise NET=ADDR, each client is told its own address, nat")
def advertised(world):
    topology = balanced(world, clients=3)
    server = servers.vsftpd(world, topology.server)
    nft_dnat(topology)
    content = _content(server)
    rules = (f"{client_address(1)}={SPARE_VIP}", "198.51.100.12/30=" + BALANCER_OUTSIDE)
    ftpfix = Ftpfix(world, topology.balancer, "--dev", UPLINK, "--advertise", *rules)
    ftpfix.mark()
    sessions = [world.keep(Control(client, VIP)) for client in topology.clients]
    for control, told in zip(sessions, (VIP, SPARE_VIP, BALANCER_OUTSIDE)):
        control.log_in(server.login)
        endpoint = control.passive()
        equal(endpoint.address, told, "the address that is told")
        check(control.transfer(endpoint, f"RETR {SMALL}") == content, "same content")
        # EPSV's is reached where the control connection is, if that is the one told.
        port = control.extended().port
        check(control.transfer(Endpoint(told, port), f"RETR {SMALL}") == content, "EPSV")
    ftpfix.settle(6)
    ftpfix.set("advertise", f"{client_address(0)}/32={SPARE_VIP}")
    for control, told in zip(sessions, (SPARE_VIP, VIP, VIP)):
        equal(control.passive().address, told, "the address that is told from then on")
    ftpfix.stop()


def _two_uplinks(world, mode):
    """Another provider's clients dial another address, over another interface."""
    topology = balanced(world)
    other = world.namespace("other")
    connect(world, [Port(other, CLIENT_DEVICE, [f"{SECOND_CLIENT}/24"]),
                    Port(topology.balancer, SECOND_UPLINK, [f"{SECOND_GATEWAY}/24"])])
    other.run("ip", "route", "add", "203.0.113.0/24", "via", SECOND_GATEWAY)
    no_private_routes(other)
    server = servers.vsftpd(world, topology.server)
    topology.balancer.run("nft", "-f", "-", text_in=f"""
        table ip balancing {{
            chain in {{
                type nat hook prerouting priority dstnat
                ip daddr {{ {VIP}, {SPARE_VIP} }} tcp dport 21 dnat to {server_address(0)}
            }}
            chain out {{
                type nat hook postrouting priority srcnat
                {"ip daddr 10.0.0.0/24 tcp dport 21 masquerade" if mode == "fullnat" else ""}
            }}
        }}""")
    content = _content(server)
    sites = ((topology.client, VIP), (other, SPARE_VIP))
    sessions = [world.keep(Control(namespace, address)) for namespace, address in sites]
    for control in sessions:
        control.log_in(server.login)
        raises(OSError, lambda c=control: c.dial(c.passive()), "dialling without ftpfix")
    ftpfix = Ftpfix(world, topology.balancer, "--dev", UPLINK, SECOND_UPLINK, "--forward", mode)

    def work(control, address):
        for _ in range(4):
            for announce in (control.passive, control.extended):
                endpoint = announce()
                equal(endpoint.address, address, "the address that is told is the dialled one")
                together.wait()
                check(control.transfer(endpoint, f"RETR {SMALL}") == content, "same content")
        listener = world.keep(control.listen())
        got, peer = control.active(listener, listener.command("PORT"), f"RETR {SMALL}")
        check(got == content, "same content in active mode")
        equal(peer, Endpoint(address, 20), "where the connection comes from")
    together = threading.Barrier(len(sites), timeout=20)
    running = [namespace.start(lambda c=control, a=address: work(c, a))
               for control, (namespace, address) in zip(sessions, sites)]
    for finish in running:
        finish()
    ftpfix.settle(len(sites) * 9)
    ftpfix.stop()


for _mode in ("nat", "fullnat"):
    scenario(f"rewriting: two uplinks, each client is told what it dialled, {_mode}")(
        lambda world, mode=_mode: _two_uplinks(world, mode))
