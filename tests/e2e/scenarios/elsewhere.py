# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""ftpfix balances on one address and announces another (--advertise), which is routed to the
node and is on none of its interfaces: data connections come in there, past the stack."""
from .. import servers
from ..balancing import balancer, mostly_by_xdp, network, own, real
from ..cables import need_redirected, take_redirected, whole_checksums
from ..capture import Capture
from ..check import equal, raises
from ..control import Control, Endpoint, dial
from ..files import checksum_of
from ..firewall import Firewall
from ..scenario import SMALL, scenario
from ..slow import Slow
from ..topology import (BALANCER_INSIDE, CLIENT_DEVICE, SERVER_DEVICE, SPARE_VIP, VIP)

PORTS = range(21000, 21010)
BYTES = 1_000_000


def _ends(capture):
    return {(opening.source, opening.target) for opening in capture.openings()}


def _announced(world, mode, xdp):
    if xdp == "native":
        need_redirected()
    topology = network(world, clients=2, count=1)
    take_redirected(topology)
    whole_checksums(topology)
    server = servers.vsftpd(world, topology.server)
    firewall = world.keep(Firewall(topology.balancer, "21"))
    outside = world.keep(Capture(topology.client, CLIENT_DEVICE))
    inside = world.keep(Capture(topology.server, SERVER_DEVICE))
    raises(OSError, lambda: dial(topology.client, Endpoint(VIP, 21), 0.3),
           "dialling without ftpfix")

    ftpfix = balancer(world, topology, "--health-interval", "0", "--advertise", SPARE_VIP,
                      "--path", "direct", "--xdp", xdp, "--data-ports",
                      f"{PORTS[0]}-{PORTS[-1]}", mode=mode)
    control = world.keep(Control(topology.client, VIP))
    control.log_in(server.login)
    firewall.forget()
    # An announced endpoint, of the client alone, and one that the client knows from before.
    for ask, address in ((control.passive, SPARE_VIP), (control.extended, VIP)):
        endpoint = ask()
        equal((endpoint.address, endpoint.port in PORTS), (address, True), "who is announced")
        outside.forget()
        inside.forget()
        content = control.transfer(endpoint, f"RETR {SMALL}")
        equal(checksum_of(content), server.files.checksum(SMALL), "checksum")
        equal(_ends(outside), {(own(4)(0), address)}, "the data connection at the client")
        equal(_ends(inside), {(own(4)(0) if mode == "nat" else BALANCER_INSIDE, real(4)(0))},
              "the data connection at the server")
    outside.forget()
    for upload in (False, True):
        Slow(world, topology.client, VIP, server, BYTES, 0.5, upload, extended=False,
             elsewhere=True).finish()
    equal(_ends(outside), {(own(4)(0), SPARE_VIP)}, "the data connections of a real client")
    equal(firewall.all(), {"seen": 0, "invalid": 0, "opened": 0, "refused": 0},
          "TCP packets that netfilter got")
    if xdp == "native":
        mostly_by_xdp(ftpfix)
    ftpfix.settle(4)

    # A stranger who knows the endpoint comes to nothing, and the client still gets there.
    endpoint = control.passive()
    inside.forget()
    raises(OSError, lambda: dial(topology.clients[1], endpoint, 0.3), "a stranger's dialling")
    equal(_ends(inside), set(), "connections that the server got of it")
    content = control.transfer(endpoint, f"RETR {SMALL}")
    equal(checksum_of(content), server.files.checksum(SMALL), "checksum")
    ftpfix.settle(5)
    ftpfix.stop()


for _mode, _xdp in (("nat", "native"), ("fullnat", "native"), ("nat", "off"), ("fullnat", "off")):
    scenario(f"elsewhere: --advertise, an address that is only routed to the node, {_mode}, "
             f"--path direct, --xdp {_xdp}")(
        lambda world, one=(_mode, _xdp): _announced(world, *one))
