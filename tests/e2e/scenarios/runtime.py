# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What is changed at run time counts from the next announcement on; a running
transfer goes on."""
from .. import servers
from ..check import check, equal, raises
from ..control import Control, receive_all
from ..forwarders import nft_dnat
from ..ftpfix import Ftpfix
from ..scenario import SMALL, scenario
from ..topology import SPARE_VIP, UPLINK, VIP, balanced

BIG = "pub/big.bin"
BIG_BYTES = 20_000_000


def _running_transfer(world):
    """ftpfix with a transfer that has begun and waits for its reader."""
    topology = balanced(world)
    server = servers.vsftpd(world, topology.server, passive=(30000, 30999))
    server.files.write(BIG, BIG_BYTES)
    nft_dnat(topology)
    control = world.keep(Control(topology.client, VIP))
    control.log_in(server.login)
    raises(OSError, lambda: control.dial(control.passive()), "dialling without ftpfix")
    ftpfix = Ftpfix(world, topology.balancer, "--dev", UPLINK)
    data = world.keep(control.dial(control.passive()))
    control.ask(f"RETR {BIG}", 150)
    begun = data.recv(1000)
    check(begun, "the first bytes")
    other = world.keep(Control(topology.client, VIP))
    other.log_in(server.login)
    return server, ftpfix, control, data, begun, other


def _finish(server, control, data, begun):
    rest = receive_all(data)
    with open(server.files.path(BIG), "rb") as file:
        check(begun + rest == file.read(), "the running transfer arrived whole")
    equal(control.reply().code, 226, "end of the running transfer")


def _small(server):
    with open(server.files.path(SMALL), "rb") as file:
        return file.read()


@scenario("set: another address to advertise, while a transfer runs")
def advertise(world):
    server, ftpfix, control, data, begun, other = _running_transfer(world)
    for value, announced in ((SPARE_VIP, SPARE_VIP), ("dialled", VIP)):
        ftpfix.set("advertise", value)
        endpoint = other.passive()
        equal(endpoint.address, announced, "the next announcement")
        check(other.transfer(endpoint, f"RETR {SMALL}") == _small(server), "a transfer")
    _finish(server, control, data, begun)
    ftpfix.settle(3)
    ftpfix.stop()


@scenario("set: another range of data ports, while a transfer runs")
def data_ports(world):
    server, ftpfix, control, data, begun, other = _running_transfer(world)
    for low, high in ((21000, 21009), (22000, 22000)):
        ftpfix.set("data-ports", f"{low}-{high}")
        for announce in (other.passive, other.extended):
            endpoint = announce()
            check(low <= endpoint.port <= high, f"the next announcement has port {endpoint.port}")
            check(other.transfer(endpoint, f"RETR {SMALL}") == _small(server), "a transfer")
    _finish(server, control, data, begun)
    ftpfix.settle(5)
    ftpfix.stop()
