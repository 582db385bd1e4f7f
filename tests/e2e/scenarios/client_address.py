# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Under FULLNAT a server sees an address of the balancer's as the client, unless it is told
the client's own one: by a TCP option (TOA), which it has a receiver for."""
import os
import sys

from ..balancing import own, real, vip
from ..check import equal
from ..control import Control, receive_all
from ..fake_server import FakeServer, reply_227
from ..forwarders import nft_dnat, nft_dnat6
from ..ftpfix import Ftpfix
from ..scenario import scenario
from ..servers import listening
from ..toa_receiver import ToaReceiver
from ..topology import BALANCER_INSIDE, BALANCER_INSIDE6, UPLINK, balanced

TELLER = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "programs",
                      "peer_teller.py")
TELLER_PORT = 21485


def _teller(world, namespace, address):
    """Whoever dials it is told who it seems to be."""
    process = world.keep(namespace.spawn(sys.executable, TELLER, address, str(TELLER_PORT),
                                         name="teller"))
    process.wait_for(lambda: listening(namespace, TELLER_PORT), f"listening on {TELLER_PORT}")


def _told(connection):
    """What the teller said, and what is true."""
    address, port = connection.getsockname()[:2]
    return receive_all(connection).decode("ascii"), f"{address} {port}"


def _masqueraded(world, family):
    """A server behind nftables, that answers PASV and EPSV with the teller."""
    topology = balanced(world, ipv6=family == 6)
    server = ToaReceiver(world).on(topology.server)
    _teller(world, server, real(family)(0))
    reply_229 = f"229 Extended Passive Mode (|||{TELLER_PORT}|)\r\n".encode("ascii")
    script = {"EPSV": [reply_229]}
    if family == 4:
        script["PASV"] = [reply_227(real(4)(0), TELLER_PORT)]
    FakeServer(world, topology.server, real(family)(0), script)
    (nft_dnat if family == 4 else nft_dnat6)(topology, masquerade=True)
    return topology


def _data(world, family, *options):
    topology = _masqueraded(world, family)
    node = BALANCER_INSIDE if family == 4 else BALANCER_INSIDE6
    control = world.keep(Control(topology.client, vip(family)))
    ask = control.passive if family == 4 else control.extended
    for how, told in ((("none",), False), (("toa", *options), True)):
        ftpfix = Ftpfix(world, topology.balancer, "--dev", UPLINK, "--forward", "fullnat",
                        "--client-address", *how)
        ftpfix.mark()
        seen, true = _told(control.dial(ask()))
        if told:
            equal(seen, true, "the peer of the data connection, as the server sees it")
        else:
            equal(seen.split()[0], node, "the peer of the data connection without TOA")
        equal(bool(ftpfix.counted("packets toa")), told, "whether a packet got the option")
        equal(ftpfix.counted("packets toa_no_room"), 0, "packets without room for the option")
        ftpfix.settle(1)
        ftpfix.stop()


@scenario("client address: TOA on data connections, IPv4")
def toa_data(world):
    _data(world, 4)


@scenario("client address: TOA on data connections, IPv6")
def toa_data6(world):
    _data(world, 6)


@scenario("client address: TOA on data connections, IPv6 with a kind of its own")
def toa_data6_kind(world):
    _data(world, 6, "--toa-kind", "254,253")
